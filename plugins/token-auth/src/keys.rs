//! Keys, each good for one algorithm.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use hmac::{Hmac, Mac};
use p256::ecdsa::signature::Verifier;
use rsa::{pkcs8::DecodePublicKey, traits::PublicKeyParts};
use sha2::Sha256;
use std::fmt;

/// A key that signatures are checked with.
pub enum Key {
    Hs256(Vec<u8>),
    Rs256(Box<rsa::pkcs1v15::VerifyingKey<Sha256>>),
    Es256(Box<p256::ecdsa::VerifyingKey>),
    EdDsa(Box<ed25519_dalek::VerifyingKey>),
}

impl Key {
    /// A secret for HS256: shorter ones than its digest can be guessed (RFC 7518, section 3.2).
    pub fn from_secret(bytes: &[u8]) -> Result<Self, String> {
        match bytes.len() {
            32.. => Ok(Self::Hs256(bytes.to_vec())),
            short => Err(format!("a secret has at least 32 bytes, this one {short}")),
        }
    }

    /// A secret that stands as text. White space around it is a file's or a variable's, and no signer has it.
    pub fn from_text(text: &str) -> Result<Self, String> {
        match text.trim() == text {
            true => Self::from_secret(text.as_bytes()),
            false => {
                Err("the secret begins or ends with white space, perhaps a line end: remove it, \
                          or write the secret as `secret-base64`"
                    .to_owned())
            }
        }
    }

    /// A secret in base64, of either alphabet, with or without padding.
    pub fn from_base64(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let bytes = Base64::decode_vec(text)
            .or_else(|_| Base64UrlUnpadded::decode_vec(text.trim_end_matches('=')));
        Self::from_secret(&bytes.map_err(|_| "the value is not base64")?)
    }

    /// A public key in PEM; what kind of key it is says what algorithm it is for. Files of variables and many consoles write
    /// it on one line, with `\n` for line ends, and some with quotes around it.
    pub fn from_pem(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let quoted = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
        let text = quoted('"').or_else(|| quoted('\'')).unwrap_or(text);
        let text = text.replace("\\r", "").replace("\\n", "\n");
        let text = text.trim();
        if let Ok(key) = rsa::RsaPublicKey::from_public_key_pem(text) {
            return Self::of_rsa(key);
        }
        if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_pem(text) {
            return Ok(Self::Es256(Box::new(key)));
        }
        if let Ok(key) = ed25519_dalek::VerifyingKey::from_public_key_pem(text) {
            return Ok(Self::EdDsa(Box::new(key)));
        }
        Err(other_than_public_key(text))
    }

    /// A public key for RS256, its numbers in base64url as JWKs have them.
    pub fn from_rsa(n: &str, e: &str) -> Result<Self, String> {
        let number = |text| Ok::<_, String>(rsa::BigUint::from_bytes_be(&base64url(text)?));
        let key = rsa::RsaPublicKey::new(number(n)?, number(e)?)
            .map_err(|why| format!("its numbers make no RSA key: {why}"))?;
        Self::of_rsa(key)
    }

    /// A public key for ES256: the coordinates of its point.
    pub fn from_p256(x: &str, y: &str) -> Result<Self, String> {
        let point = [vec![4], base64url(x)?, base64url(y)?].concat();
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point);
        key.map(|key| Self::Es256(Box::new(key))).map_err(|_| "it is no point of P-256".to_owned())
    }

    /// A public key for EdDSA.
    pub fn from_ed25519(x: &str) -> Result<Self, String> {
        let bytes = base64url(x)?;
        let key = <&[u8; 32]>::try_from(bytes.as_slice())
            .ok()
            .and_then(|bytes| ed25519_dalek::VerifyingKey::from_bytes(bytes).ok());
        key.map(|key| Self::EdDsa(Box::new(key)))
            .ok_or_else(|| "it is no key of Ed25519".to_owned())
    }

    fn of_rsa(key: rsa::RsaPublicKey) -> Result<Self, String> {
        match key.size() {
            256.. => Ok(Self::Rs256(Box::new(rsa::pkcs1v15::VerifyingKey::new(key)))),
            _ => Err("an RSA key has at least 2048 bits".to_owned()),
        }
    }

    /// The word for the key's algorithm in a token's header.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Self::Hs256(_) => "HS256",
            Self::Rs256(_) => "RS256",
            Self::Es256(_) => "ES256",
            Self::EdDsa(_) => "EdDSA",
        }
    }

    /// Whether the signature is this key's. Secrets are compared in constant time.
    pub fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hs256(secret) => {
                let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
                mac.update(message);
                mac.verify_slice(signature).is_ok()
            }
            Self::Rs256(key) => rsa::pkcs1v15::Signature::try_from(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::Es256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Self::EdDsa(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }
}

fn base64url(text: &str) -> Result<Vec<u8>, String> {
    Base64UrlUnpadded::decode_vec(text).map_err(|_| "a part is no base64url".to_owned())
}

/// Why text is no key here, as far as that can be seen.
fn other_than_public_key(text: &str) -> String {
    let begins = |what: &str| text.starts_with(&format!("-----BEGIN {what}"));
    let what = if begins("CERTIFICATE") {
        "a certificate, not its key: `openssl x509 -pubkey -noout` prints that"
    } else if text.contains("PRIVATE KEY") {
        "a private key, which belongs to whoever signs: `openssl pkey -pubout` prints the public one"
    } else if begins("RSA PUBLIC KEY") {
        "a key in PKCS#1: `openssl rsa -RSAPublicKey_in -pubout` prints it as `BEGIN PUBLIC KEY`"
    } else if begins("PUBLIC KEY") && text.contains("-----END") && !text.contains('\n') {
        "a PEM key on one line: put line ends, or `\\n`, behind its first line and before its last"
    } else {
        "no PEM public key (`BEGIN PUBLIC KEY`) of RSA, P-256 or Ed25519"
    };
    what.to_owned()
}

/// Secrets do not show.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.algorithm())
    }
}

/// All keys, those with an id for tokens that name it.
#[derive(Debug, Default)]
pub struct Keys(Vec<(Option<String>, Key)>);

impl Keys {
    pub fn add(&mut self, id: Option<&str>, key: Key) {
        self.0.push((id.map(str::to_owned), key));
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is a key for tokens with this id; for those without one, a key without.
    pub fn has(&self, id: Option<&str>) -> bool {
        self.0.iter().any(|(own, _)| own.as_deref() == id)
    }

    /// The keys for a token: those with its key id or, if there are none, those without an id.
    pub fn for_id<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = &'a Key> {
        let known = id.is_some() && self.0.iter().any(|(own, _)| own.as_deref() == id);
        let wanted = if known { id } else { None };
        self.0.iter().filter(move |(own, _)| own.as_deref() == wanted).map(|(_, key)| key)
    }
}
