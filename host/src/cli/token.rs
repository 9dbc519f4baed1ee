//! `tengen token`: makes and checks tokens.

use super::{Exit, Io, Key, Token, jwt};
use std::time::{SystemTime, UNIX_EPOCH};

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
                    "warning: the key has {} bytes; take at least {KEY_BYTES} random ones",
                    key.len()
                ));
            }
            jwt::make(&key, &user, SystemTime::now(), expires, claims)
        }
        Token::Check { token, .. } => {
            jwt::check(&key, token.trim()).map(|claims| described(claims, io))
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

fn secret(key: &Key, io: &Io) -> Result<Vec<u8>, String> {
    let text = match (&key.key, &key.key_file) {
        (Some(key), _) => key.clone().into_bytes(),
        (None, Some(file)) => {
            let text = std::fs::read(file)
                .map_err(|error| format!("cannot read `{}`: {error}", file.display()))?;
            text.trim_ascii_end().to_vec()
        }
        (None, None) => {
            let none = "no key; give --key-file FILE or --key KEY, or set the environment variable TENGEN_TOKEN_KEY";
            (io.env)("TENGEN_TOKEN_KEY").ok_or(none)?.into_bytes()
        }
    };
    if text.is_empty() { Err("the key is empty".into()) } else { Ok(text) }
}

/// The claims as JSON; when they end, beside it.
fn described(claims: serde_json::Value, io: &mut Io) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    match claims.get("exp").and_then(serde_json::Value::as_u64) {
        Some(end) => io.note(format_args!("good for another {} s", end.saturating_sub(now))),
        None => io.note("warning: the token never expires"),
    }
    format!("{claims:#}")
}

/// `NAME=VALUE`, the value as JSON where it is JSON, as text elsewhere.
pub(super) fn claim(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    if name.is_empty() || matches!(name, "sub" | "exp" | "iat") {
        return Err(
            "`sub`, `exp` and `iat` come from --user, --expires and the clock; name another claim"
                .into(),
        );
    }
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}
