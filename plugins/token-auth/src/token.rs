//! From the text of a token to claims that somebody has signed.

use crate::keys::Keys;
use base64ct::{Base64UrlUnpadded, Encoding};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use std::{collections::BTreeMap, fmt};

/// Claims as they stand in the token: a number that is read may be another one than was written.
pub type Claims = BTreeMap<String, Box<RawValue>>;

/// Algorithms of keys that can be published.
const PUBLISHED: [&str; 3] = ["RS256", "ES256", "EdDSA"];

/// A token longer than this is not looked at.
const LONGEST: usize = 8 << 10;

/// Why a token lets nobody in. The text is for the client: it says what to do and gives nothing away.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    Missing,
    Malformed(&'static str),
    Algorithm {
        wanted: String,
    },
    Signature,
    Expired {
        seconds_ago: u64,
    },
    NotYet {
        in_seconds: u64,
    },
    NoExpiry,
    Issuer,
    Audience,
    NoUser {
        claim: String,
    },
    /// The token names no key, and there are only keys with names.
    NoKeyId,
    /// The server with the keys gives none, so nobody knows.
    NoKeys,
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
            Self::NoKeyId => f.write_str("the token's header names no key (`kid`), which it has to here"),
            Self::NoKeys => f.write_str("nobody can say now whether the token is good: try again"),
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

/// The claims of a token (compact JWS, RFC 7515) whose signature is good by one of these keys; or else by one of those that
/// `others` gives for its key id.
pub fn verify<'a>(
    token: &str,
    keys: &'a Keys,
    others: impl FnOnce(Option<&str>) -> Option<Result<&'a Keys, Trouble>>,
) -> Result<Claims, Trouble> {
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
    let id = header.kid.as_deref();
    let mut fitting = 0;
    let mut is_signed_by = |keys: &Keys| {
        let fits = keys.for_id(id).filter(|key| key.algorithm() == header.alg);
        let mut counted = fits.inspect(|_| fitting += 1);
        counted.any(|key| key.signed(message.as_bytes(), &signature))
    };
    if is_signed_by(keys) {
        return part(claims);
    }
    // Nobody is asked about what no key of theirs could have signed.
    let others = if PUBLISHED.contains(&header.alg.as_str()) { others(id) } else { None };
    match others.transpose()? {
        Some(others) if others.has(id) && is_signed_by(others) => return part(claims),
        Some(others) if others.has(id) => {}
        Some(_) if id.is_none() => return Err(Trouble::NoKeyId),
        Some(_) => return Err(Trouble::Signature),
        None => {}
    }
    match fitting {
        0 => Err(Trouble::Algorithm { wanted: header.alg.chars().take(16).collect() }),
        _ => Err(Trouble::Signature),
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
