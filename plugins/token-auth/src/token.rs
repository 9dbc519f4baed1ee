//! From the text of a token to claims that somebody has signed.

use crate::keys::Keys;
use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::{collections::BTreeMap, fmt};

/// Claims as they stand in the token: a number that is read may be another one than was written.
pub type Claims = BTreeMap<String, Box<RawValue>>;

/// A token longer than this is not looked at.
const LONGEST: usize = 8 << 10;

/// Why a token lets nobody in. The text is for the client: it says what to do and gives nothing away.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    Missing,
    Malformed(&'static str),
    Algorithm { wanted: String },
    Signature,
    Expired { seconds_ago: u64 },
    NotYet { in_seconds: u64 },
    NoExpiry,
    Issuer,
    Audience,
    NoUser { claim: String },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str(
                "a token is needed: offer `tengen.token.<token>` beside another subprotocol, send `Authorization: Bearer <token>`, or add `?token=<token>` to the address",
            ),
            Self::Malformed(what) => write!(f, "the token cannot be read: {what}"),
            Self::Algorithm { wanted } => write!(f, "there is no key here for tokens signed by `{wanted}`"),
            Self::Signature => f.write_str("the token is not signed by a key that is known here"),
            Self::Expired { seconds_ago } => write!(f, "the token expired {seconds_ago} s ago: get a new one"),
            Self::NotYet { in_seconds } => write!(f, "the token is good only in {in_seconds} s: check the clocks"),
            Self::NoExpiry => f.write_str("the token has no `exp`: tokens without an end are not accepted"),
            Self::Issuer => f.write_str("the token's `iss` is not the issuer expected here"),
            Self::Audience => f.write_str("the token's `aud` does not name this service"),
            Self::NoUser { claim } => write!(f, "the token's `{claim}` names no user"),
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that whoever does not know them must refuse; none is known here.
    crit: Option<Value>,
}

/// The claims of a token (compact JWS, RFC 7515) whose signature is good.
pub fn verify(token: &str, keys: &Keys) -> Result<Claims, Trouble> {
    if token.len() > LONGEST {
        return Err(Trouble::Malformed("it is too long"));
    }
    let (message, signature) =
        token.rsplit_once('.').ok_or(Trouble::Malformed("it has no three parts"))?;
    let (header, claims) =
        message.split_once('.').ok_or(Trouble::Malformed("it has no three parts"))?;
    let header: Header = part(header)?;
    if header.crit.is_some() {
        return Err(Trouble::Malformed("it asks for extensions (`crit`) that are not known here"));
    }
    let signature = decode(signature)?;
    let mut fitting =
        keys.for_id(header.kid.as_deref()).filter(|key| key.algorithm() == header.alg).peekable();
    if fitting.peek().is_none() {
        return Err(Trouble::Algorithm { wanted: header.alg.chars().take(16).collect() });
    }
    match fitting.any(|key| key.signed(message.as_bytes(), &signature)) {
        true => part(claims),
        false => Err(Trouble::Signature),
    }
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Trouble> {
    serde_json::from_slice(&decode(text)?)
        .map_err(|_| Trouble::Malformed("a part of it is not the JSON it should be"))
}

fn decode(text: &str) -> Result<Vec<u8>, Trouble> {
    Base64UrlUnpadded::decode_vec(text)
        .map_err(|_| Trouble::Malformed("a part of it is not base64url"))
}
