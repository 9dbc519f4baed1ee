//! JSON Web Tokens signed with HMAC-SHA-256 (RFC 7519, RFC 7518 section 3.2).
//!
//! The format and the checks are `jsonwebtoken`'s, the MAC is `hmac`'s. The library's own set of algorithms would bring
//! RSA and elliptic curves into the program, which signs nothing with them.

use hmac::{Hmac, Mac};
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
};
use serde_json::value::{RawValue, to_raw_value};
use sha2::Sha256;
use signature::{Signer, Verifier};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Claims by name, each as it is written: a number that is read may be another one than was written.
pub(super) type Claims = BTreeMap<String, Box<RawValue>>;

/// Why there is no token, or none that counts.
#[derive(Debug, thiserror::Error)]
pub(super) enum TokenError {
    #[error("the token cannot be signed")]
    Sign(#[source] Error),
    #[error("the claims cannot be written")]
    Claims(#[from] serde_json::Error),
    #[error("the token's time is over; make a new one")]
    Expired,
    #[error("the token is not good yet")]
    NotYet,
    #[error("the signature is not of this key")]
    Signature,
    #[error("the token is signed with another algorithm than HS256")]
    Algorithm,
    #[error("this is not a token")]
    Malformed(#[source] Error),
}

/// A token for a user, good from `now` for `expires`.
pub(super) fn make(
    key: &[u8],
    user: &str,
    now: SystemTime,
    expires: Duration,
    claims: Vec<(String, Box<RawValue>)>,
) -> Result<String, TokenError> {
    install();
    let seconds =
        |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut all: Claims = claims.into_iter().collect();
    all.insert("sub".into(), to_raw_value(user)?);
    all.insert("iat".into(), to_raw_value(&seconds(now))?);
    all.insert("exp".into(), to_raw_value(&seconds(now + expires))?);
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &all, &EncodingKey::from_secret(key))
        .map_err(TokenError::Sign)
}

/// The claims of a token whose signature and times are right.
pub(super) fn check(key: &[u8], token: &str) -> Result<Claims, TokenError> {
    install();
    let mut rules = Validation::new(Algorithm::HS256);
    rules.required_spec_claims.clear();
    rules.validate_aud = false;
    rules.validate_nbf = true;
    rules.leeway = 0;
    let read = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(key), &rules);
    read.map(|token| token.claims).map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::NotYet,
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm => TokenError::Algorithm,
        _ => TokenError::Malformed(error),
    })
}

/// One MAC, ready for any message.
struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(key: &[u8]) -> Result<Self, Error> {
        Hmac::new_from_slice(key).map(Self).map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }

    fn of(&self, message: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(message)
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.of(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        // In constant time.
        self.of(message).verify_slice(signature).map_err(signature::Error::from_source)
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

/// Tells the library where its one algorithm is.
fn install() {
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| match algorithm {
            Algorithm::HS256 => Ok(Box::new(Hs256::new(key.as_bytes())?)),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        },
        verifier_factory: |algorithm, key| match algorithm {
            Algorithm::HS256 => Ok(Box::new(Hs256::new(key.try_get_as_bytes()?)?)),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        },
        key_utils: KeyUtils::new_unimplemented(),
    };
    // It can be installed once; every further time it is there already.
    let _installed = PROVIDER.install_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

    fn token(from: SystemTime, expires: u64) -> String {
        let claims = vec![("rooms".to_owned(), to_raw_value(&["a"]).unwrap())];
        make(KEY, "alice", from, Duration::from_secs(expires), claims).unwrap()
    }

    #[test]
    fn a_token_reads_back_with_its_claims() {
        let now = SystemTime::now();
        let claims = check(KEY, &token(now, 60)).unwrap();
        assert_eq!((claims["sub"].get(), claims["rooms"].get()), (r#""alice""#, r#"["a"]"#));
        let time = |name: &str| claims[name].get().parse::<u64>().unwrap();
        assert_eq!(time("exp") - time("iat"), 60);
    }

    #[test]
    fn the_token_of_the_standard_has_the_signature_of_the_standard() {
        // RFC 7515 appendix A.1; its time is over, which is seen only after its signature.
        let key = [
            3, 35, 53, 75, 43, 15, 165, 188, 131, 126, 6, 101, 119, 123, 166, 143, 90, 179, 40,
            230, 240, 84, 201, 40, 169, 15, 132, 178, 210, 80, 46, 191, 211, 251, 90, 146, 210, 6,
            71, 239, 150, 138, 180, 195, 119, 98, 61, 34, 61, 46, 33, 114, 5, 46, 79, 8, 192, 205,
            154, 245, 103, 208, 128, 163,
        ];
        let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(matches!(check(&key, token), Err(TokenError::Expired)));
        assert!(matches!(check(KEY, token), Err(TokenError::Signature)));
    }

    #[test]
    fn what_does_not_count_says_why() {
        let now = SystemTime::now();
        let old = token(now - Duration::from_secs(120), 60);
        assert!(matches!(check(KEY, &old), Err(TokenError::Expired)));
        assert!(matches!(check(b"another key", &token(now, 60)), Err(TokenError::Signature)));
        assert!(matches!(check(KEY, "no.token.here"), Err(TokenError::Malformed(_))));
        // {"alg":"none"}
        assert!(check(KEY, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.").is_err());
        // {"alg":"HS512"}
        let other = "eyJhbGciOiJIUzUxMiJ9.eyJzdWIiOiJhIn0.AAAA";
        assert!(matches!(check(KEY, other), Err(TokenError::Algorithm)));
    }
}
