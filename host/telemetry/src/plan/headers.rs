//! The headers of every export.

use super::signal::{Signal, variables};
use crate::environment::{Environment, decoded};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What the first of the variables says of which anything can be read. Nothing is shown of what cannot but the name, where
/// there is one: the rest may be a secret.
pub(super) fn headers(signal: Signal, environment: &Environment<'_>) -> HeaderMap {
    let names = variables!(signal, "HEADERS");
    let found = names.into_iter().find_map(|name| {
        let headers = list(name, &environment.get(name)?, environment);
        (!headers.is_empty()).then_some(headers)
    });
    found.unwrap_or_default()
}

fn list(name: &str, value: &str, environment: &Environment<'_>) -> HeaderMap {
    let parts = value.split_terminator(',').map(str::trim).enumerate();
    let read = parts.filter_map(|(place, part)| match header(place, part) {
        Ok(header) => Some(header),
        Err((which, why)) => {
            environment.note(format_args!("`{name}`: {which} is left out: {why}"));
            None
        }
    });
    read.collect()
}

/// Err: which part it is, and why it is none.
fn header(place: usize, part: &str) -> Result<(HeaderName, HeaderValue), (String, &'static str)> {
    let nameless = |why| (format!("part {}", place + 1), why);
    let (key, value) = part
        .split_once('=')
        .ok_or_else(|| nameless("it is no `key=value`; headers have commas between"))?;
    let name: HeaderName = key
        .trim()
        .parse()
        .map_err(|_| nameless("what stands before its `=` is not the name of a header"))?;
    let value = decoded(value.trim()).unwrap_or_else(|| value.to_owned());
    match HeaderValue::from_str(&value) {
        Ok(mut header) if !value.is_empty() => {
            header.set_sensitive(true);
            Ok((name, header))
        }
        _ => Err((format!("`{}`", key.trim()), "its value is empty or no header can have it")),
    }
}
