//! `tengen token`: makes and checks tokens.

use super::{Exit, Io, Key, Token, jwt, words::counted};
use serde_json::value::{RawValue, to_raw_value};
use std::time::{SystemTime, UNIX_EPOCH};
use tengen_wire::id::{NAME_RULE, is_name};

/// RFC 7518 section 3.2: a key shorter than the hash is easier to guess than the hash is to break.
const KEY_BYTES: usize = 32;

pub(super) fn run(command: Token, io: &mut Io) -> Exit {
    let (Token::Make { key, .. } | Token::Check { key, .. }) = &command;
    let key = match secret(key, io) {
        Ok(key) => key,
        Err(why) => {
            io.note(format_args!("error: {why}"));
            return Exit::Wrong;
        }
    };
    let result = match command {
        Token::Make { user, expires, claims, .. } => {
            if key.len() < KEY_BYTES {
                io.note(format_args!(
                    "warning: the key has {}; take at least {KEY_BYTES} random ones",
                    counted(key.len(), "byte", "bytes")
                ));
            }
            jwt::make(&key, &user, SystemTime::now(), expires, claims)
        }
        Token::Check { token, .. } => {
            jwt::check(&key, token.trim()).map(|claims| described(&claims, io))
        }
    };
    match result {
        Ok(text) => {
            io.say(text);
            Exit::Ok
        }
        Err(error) => {
            io.error(&error);
            Exit::Failed
        }
    }
}

pub(super) fn secret(key: &Key, io: &Io) -> Result<Vec<u8>, String> {
    let text = match (&key.key, &key.key_file) {
        (Some(key), _) => key.clone().into_bytes(),
        (None, Some(file)) => std::fs::read(file)
            .map_err(|error| format!("cannot read `{}`: {error}", file.display()))?,
        (None, None) => {
            let none = "no key; give --key-file FILE or --key KEY, or set the environment variable TENGEN_TOKEN_KEY";
            (io.env)("TENGEN_TOKEN_KEY").ok_or(none)?.into_bytes()
        }
    };
    // A line end is the file's, or the variable's.
    let text = text.trim_ascii_end();
    if text.is_empty() { Err("the key is empty".into()) } else { Ok(text.to_vec()) }
}

/// The claims as JSON, each as it stands in the token; when they end, beside it.
fn described(claims: &jwt::Claims, io: &mut Io) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    match claims.get("exp").and_then(|end| end.get().parse::<f64>().ok()) {
        Some(end) => {
            io.note(format_args!("good for another {} s", (end as u64).saturating_sub(now)))
        }
        None => io.note("warning: the token never expires"),
    }
    serde_json::to_string_pretty(claims).unwrap_or_default()
}

/// Whom the gateway would let in.
pub(super) fn user(text: &str) -> Result<String, String> {
    is_name(text).then(|| text.to_owned()).ok_or_else(|| format!("a user has {NAME_RULE}"))
}

/// `NAME=VALUE`, the value as JSON where it is JSON, as text elsewhere.
pub(super) fn claim(text: &str) -> Result<(String, Box<RawValue>), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    if name.is_empty() || matches!(name, "sub" | "exp" | "iat") {
        return Err(
            "`sub`, `exp` and `iat` come from --user, --expires and the clock; name another claim"
                .into(),
        );
    }
    let value = serde_json::from_str(value).or_else(|_| to_raw_value(value));
    Ok((name.to_owned(), value.map_err(|error| error.to_string())?))
}
