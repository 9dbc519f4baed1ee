//! From signed claims to a user: is the token good now, here, and for whom.

use crate::{
    settings::Settings,
    token::{Claims, Trouble},
};
use serde_json::{Value, value::RawValue};
use tengen_plugin::{Attribute, User};

/// Claims about the token itself, which say nothing of the user.
const ABOUT_THE_TOKEN: [&str; 4] = ["exp", "nbf", "iat", "jti"];

/// The longest id of a user, in bytes.
const USER_MAX: usize = 256;

/// Checks the claims at a time and says who the user is.
pub fn user_of(claims: Claims, settings: &Settings, now_ms: u64) -> Result<User, Trouble> {
    let expires_at_ms = check_times(&claims, settings, now_ms)?;
    if let Some(issuer) = &settings.issuer
        && value(&claims, "iss") != Some(Value::String(issuer.clone()))
    {
        return Err(Trouble::Issuer);
    }
    if let Some(audience) = &settings.audience
        && !names(value(&claims, "aud").as_ref(), audience)
    {
        return Err(Trouble::Audience);
    }
    let id = match value(&claims, &settings.user_claim) {
        Some(Value::String(id)) => id,
        // What was read as a floating-point number may stand for many others.
        Some(Value::Number(id)) if id.is_u64() || id.is_i64() => id.to_string(),
        _ => String::new(),
    };
    if id.is_empty() || id.len() > USER_MAX || id.chars().any(char::is_control) {
        return Err(Trouble::NoUser { claim: settings.user_claim.clone() });
    }
    Ok(User { claims: attributes(claims, settings), expires_at_ms, ..User::new(id) })
}

/// Until when the token is believed, in milliseconds since the Unix epoch, if it is good now: its end and the leeway that
/// clocks have. The gateway ends the connection then, so that who comes in within the leeway is not thrown out at once.
fn check_times(claims: &Claims, settings: &Settings, now_ms: u64) -> Result<Option<f64>, Trouble> {
    let time = |name: &str| match value(claims, name) {
        None => Ok(None),
        Some(value) => match value.as_f64() {
            Some(seconds) if seconds >= 0.0 => Ok(Some((seconds * 1000.0) as u64)),
            _ => Err(Trouble::Malformed("`exp` and `nbf` are numbers of seconds")),
        },
    };
    let (expires, not_before) = (time("exp")?, time("nbf")?);
    if let Some(from) = not_before
        && from > now_ms.saturating_add(settings.leeway_ms)
    {
        return Err(Trouble::NotYet { in_seconds: (from - now_ms).div_ceil(1000) });
    }
    match expires {
        Some(end) if end.saturating_add(settings.leeway_ms) <= now_ms => {
            Err(Trouble::Expired { seconds_ago: (now_ms - end) / 1000 })
        }
        Some(end) => Ok(Some(end.saturating_add(settings.leeway_ms) as f64)),
        None if settings.without_expiry => Ok(None),
        None => Err(Trouble::NoExpiry),
    }
}

/// Whether `aud`, one name or several, has this one.
fn names(audience: Option<&Value>, wanted: &str) -> bool {
    match audience {
        Some(Value::String(name)) => name == wanted,
        Some(Value::Array(all)) => all.iter().any(|name| name == wanted),
        _ => false,
    }
}

fn attributes(claims: Claims, settings: &Settings) -> Vec<Attribute> {
    let of_the_user = claims
        .into_iter()
        .filter(|(key, _)| *key != settings.user_claim && !ABOUT_THE_TOKEN.contains(&key.as_str()));
    let as_text = of_the_user.map(|(key, raw)| match serde_json::from_str(raw.get()) {
        Ok(Value::String(text)) => Attribute { key, value: text },
        _ => Attribute { key, value: compact(&raw) },
    });
    as_text.collect()
}

fn value(claims: &Claims, name: &str) -> Option<Value> {
    serde_json::from_str(claims.get(name)?.get()).ok()
}

/// JSON as it stands, without the white space between its parts.
fn compact(raw: &RawValue) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let stays = |c: &char| {
        let stays = in_text || !c.is_ascii_whitespace();
        (in_text, escaped) = match c {
            _ if escaped => (in_text, false),
            '\\' => (in_text, in_text),
            '"' => (!in_text, false),
            _ => (in_text, false),
        };
        stays
    };
    raw.get().chars().filter(stays).collect()
}
