//! What a collector says, without what it was told in confidence: headers have keys and tokens in them, and who answers, or a
//! proxy in between, repeats them.

use crate::redact::{self, MASK};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::{HeaderMap, header};

/// Bytes of what a collector says that are kept.
pub(super) const SAID_LIMIT: usize = 256;
/// Shorter values would be found in words that are no secrets.
const LEAST: usize = 6;

/// Values of headers, and their words; the longest first.
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = Vec::new();
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            values.extend(value.split_whitespace().map(str::to_owned));
            if *name == header::AUTHORIZATION || *name == header::PROXY_AUTHORIZATION {
                values.extend(password(&value));
            }
            values.push(value);
        }
        values.retain(|value| value.len() >= LEAST);
        // One that is a part of another would leave the other's rest.
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        Self(values)
    }

    /// What is kept of what was said: nothing of these, nothing that stands by the name of a secret, and an end.
    pub(super) fn kept(&self, said: &str) -> String {
        let mut said = redact::scrubbed(said).into_owned();
        for value in &self.0 {
            if said.contains(value.as_str()) {
                said = said.replace(value.as_str(), MASK);
            }
        }
        redact::without_values(&mut said);
        // Last: a secret that is cut in half would not be found.
        redact::cut(&said, SAID_LIMIT).into_owned()
    }
}

/// What `Basic` has in it, besides the name of who asks.
fn password(value: &str) -> Option<String> {
    let (scheme, packed) = value.split_once(' ')?;
    let plain = BASE64_STANDARD.decode(packed.trim()).ok()?;
    let plain = String::from_utf8(plain).ok()?;
    let (_, password) = plain.split_once(':')?;
    scheme.eq_ignore_ascii_case("basic").then(|| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn secrets(name: &'static str, value: &'static str) -> Secrets {
        let name = http::HeaderName::from_static(name);
        Secrets::of(&HeaderMap::from_iter([(name, HeaderValue::from_static(value))]))
    }

    #[test]
    fn no_value_of_a_header_is_kept_of_what_a_collector_says() {
        for (name, value, said, kept) in [
            ("x-scope", "tenant-4711", "no tenant tenant-4711 here", "no tenant *** here"),
            ("authorization", "Bearer s3cr3t.t0ken", "s3cr3t.t0ken has expired", "*** has expired"),
            ("authorization", "Basic dXNlcjpodW50ZXIy", "bad password hunter2", "bad password ***"),
            ("x-short", "go", "go away", "go away"),
            ("x-other", "unrelated", "got api_key=abc from you", "got api_key=*** from you"),
        ] {
            assert_eq!(secrets(name, value).kept(said), kept, "{said}");
        }
    }

    #[test]
    fn what_is_kept_has_an_end_and_no_half_of_a_secret_before_it() {
        let secrets = secrets("x-key", "0123456789abcdef");
        assert!((SAID_LIMIT / 2..=SAID_LIMIT).contains(&secrets.kept(&"x".repeat(100_000)).len()));
        let said = ["x".repeat(SAID_LIMIT - 10), "0123456789abcdef".to_owned()].concat();
        let kept = secrets.kept(&said);
        assert!(!kept.contains("0123") && kept.ends_with("***"), "{kept}");
    }
}
