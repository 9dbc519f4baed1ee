//! Signed tokens (JWT), as an identity provider makes them.

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};

/// A secret of a length that is taken.
pub const SECRET: &str = "a secret of thirty-two bytes at least";

/// A token with these claims, as JSON text, signed with [`SECRET`] by HS256.
pub fn sign(claims: &str) -> String {
    let message = format!(
        "{}.{}",
        BASE64URL_NOPAD.encode(br#"{"alg":"HS256"}"#),
        BASE64URL_NOPAD.encode(claims.as_bytes())
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length will do");
    mac.update(message.as_bytes());
    format!("{message}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
}

/// The time of day in whole seconds, as tokens count it.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
