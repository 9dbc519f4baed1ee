//! What a request must be to become a WebSocket: pure checks, each failing with the status and the reason for the peer.

use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, Version, header, request::Parts};
use std::time::Duration;
use tengen_settings::{Origin, Origins};

/// Why a request is not upgraded: what the peer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) reason: String,
    /// The label in logs, spans and statistics.
    pub(super) label: &'static str,
    /// After so long, another try makes sense.
    pub(super) retry_after: Option<Duration>,
    /// What whoever runs the gateway has to know of it, and the peer does not.
    pub(super) inside: Option<String>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, label: &'static str, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), label, retry_after: None, inside: None }
    }
}

/// Bytes of a header that the log shows.
const SHOWN: usize = 128;

fn bad(reason: &str) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "bad-handshake", reason)
}

/// What every request for a WebSocket must be before its headers are looked at one by one. Whatever two readers could
/// understand in two ways is refused: a proxy in front of us may be the other reader.
pub(super) fn request(parts: &Parts) -> Result<(), Refusal> {
    if parts.version != Version::HTTP_11 {
        return Err(bad("a connection is opened by an HTTP/1.1 request"));
    }
    if has_body(&parts.headers) {
        return Err(bad("a request for a connection has no body"));
    }
    one_host(parts.version, &parts.uri, &parts.headers)?;
    if parts.headers.get_all(header::ORIGIN).iter().nth(1).is_some() {
        return Err(bad("a request has one `Origin` at most"));
    }
    Ok(())
}

/// Whether a request, whatever it is for, says to whom it is in one way only (RFC 9112 section 3.2). HTTP/1.0 knows no `Host`.
pub(super) fn one_host(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(host) = only(headers, header::HOST) else {
        let may_lack = version == Version::HTTP_10 && !headers.contains_key(header::HOST);
        return may_lack.then_some(()).ok_or_else(|| bad("a request has one `Host`"));
    };
    let line = uri.authority().map(|line| line.as_str().as_bytes());
    if line.is_some_and(|line| !line.eq_ignore_ascii_case(host.as_bytes())) {
        return Err(bad("the request line and `Host` name different hosts"));
    }
    Ok(())
}

/// Whether bytes follow the head that are not WebSocket frames.
fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get_all(header::CONTENT_LENGTH).iter().any(|length| length != "0")
}

/// The value of a header that stands there once.
fn only(headers: &HeaderMap, name: header::HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).into_iter();
    values.next().filter(|_| values.next().is_none())
}

/// RFC 6455 section 4.2.1: the client's part of the opening handshake. Returns `Sec-WebSocket-Key`.
pub(super) fn websocket_key<'h>(
    method: &Method,
    headers: &'h HeaderMap,
) -> Result<&'h [u8], Refusal> {
    if !has_token(headers, header::UPGRADE, "websocket")
        || !has_token(headers, header::CONNECTION, "upgrade")
    {
        let reason = "this address speaks WebSocket: send an upgrade request";
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, "no-upgrade", reason));
    }
    if method != Method::GET {
        return Err(bad("a WebSocket upgrade is a GET request"));
    }
    if only(headers, header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        let reason = "`Sec-WebSocket-Version` must be 13";
        return Err(Refusal::new(StatusCode::UPGRADE_REQUIRED, "bad-version", reason));
    }
    let key = only(headers, header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
    key.filter(|key| is_sixteen_bytes(key)).ok_or_else(|| {
        bad("`Sec-WebSocket-Key` is missing, there twice, or not 16 bytes in base64")
    })
}

fn is_sixteen_bytes(key: &[u8]) -> bool {
    // As much as 24 characters may hold.
    let mut bytes = [0; 18];
    BASE64.decode_slice(key, &mut bytes) == Ok(16)
}

/// Whether a browser on that page may connect. A request without Origin is not from a browser's page.
///
/// The scheme counts: only a page that came by HTTP can be of this host. Where a proxy says that it was asked by `https`, a
/// page that came without is another origin, which anybody on its way may have written.
pub(super) fn origin(origins: &Origins, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or("").to_ascii_lowercase();
    let origin = Origin::without_own_port(&origin);
    let allowed = match origins {
        Origins::Any => true,
        Origins::These(list) => list.iter().any(|listed| listed.is(origin)),
        Origins::Same => is_same(origin, headers),
    };
    if allowed {
        return Ok(());
    }
    let refusal =
        Refusal::new(StatusCode::FORBIDDEN, "origin", "pages of this origin may not connect here");
    Err(Refusal { inside: Some(compared(origins, headers)), ..refusal })
}

/// What was compared and did not fit, and what to do if it should have.
fn compared(origins: &Origins, headers: &HeaderMap) -> String {
    let shown = |name: header::HeaderName| {
        let value = headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
        let start = value.get(..SHOWN).unwrap_or(value).escape_ascii();
        format!("`{start}{}`", if value.len() > SHOWN { "…" } else { "" })
    };
    let origin = shown(header::ORIGIN);
    match origins {
        Origins::Same => format!(
            "the page's origin {origin} is not the request's host {}; a proxy in front has to pass `Host` on, or name the \
             origin in the endpoint's `origins`",
            shown(header::HOST)
        ),
        _ => format!("the page's origin {origin} is not among the endpoint's `origins`"),
    }
}

/// Whether the page came from the host that is asked. Browsers leave a scheme's default port out of both headers; others
/// may not.
fn is_same(origin: &str, headers: &HeaderMap) -> bool {
    let value = |name: header::HeaderName| {
        headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let scheme = origin.split_once("://").map(|(scheme, _)| scheme);
    let by_tls = value(header::HeaderName::from_static("x-forwarded-proto"))
        .and_then(|chain| chain.split(',').next())
        .is_some_and(|proto| proto.trim().eq_ignore_ascii_case("https"));
    let (Some(host), Some(scheme @ ("http" | "https"))) = (value(header::HOST), scheme) else {
        return false;
    };
    if scheme == "http" && by_tls {
        return false;
    }
    let here = format!("{scheme}://{}", host.to_ascii_lowercase());
    Origin::without_own_port(&here) == origin
}

pub(super) fn words(headers: &HeaderMap, name: header::HeaderName) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(name).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim).filter(|word| !word.is_empty())
}

fn has_token(headers: &HeaderMap, name: header::HeaderName, token: &str) -> bool {
    words(headers, name).any(|word| word.eq_ignore_ascii_case(token))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    #[track_caller]
    fn check_origin(origins: &Origins, lines: &[(&'static str, &'static str)], allowed: bool) {
        assert_eq!(origin(origins, &headers(lines)).is_ok(), allowed);
    }

    #[test]
    fn a_page_connects_to_its_own_host_unless_others_are_listed() {
        let same = Origins::Same;
        check_origin(&same, &[("host", "a.example")], true);
        check_origin(&same, &[("host", "a.example"), ("origin", "https://a.example")], true);
        check_origin(&same, &[("host", "a.example:443"), ("origin", "https://A.example")], true);
        check_origin(
            &same,
            &[("host", "a.example:8080"), ("origin", "http://a.example:8080")],
            true,
        );
        check_origin(&same, &[("host", "a.example"), ("origin", "http://a.example:8080")], false);
        check_origin(&same, &[("host", "a.example"), ("origin", "https://evil.example")], false);
        check_origin(&same, &[("host", "a.example"), ("origin", "null")], false);
        check_origin(&same, &[("origin", "https://a.example")], false);
        let listed = ["https://app.example", "https://*.b.example", "null"];
        let listed = Origins::These(listed.map(|listed| Origin(listed.into())).into());
        check_origin(&listed, &[("origin", "https://app.example")], true);
        check_origin(&listed, &[("origin", "https://App.example:443")], true);
        check_origin(&listed, &[("origin", "http://app.example")], false);
        check_origin(&listed, &[("origin", "https://a.b.example")], true);
        check_origin(&listed, &[("origin", "https://b.example")], false);
        check_origin(&listed, &[("origin", "null")], true);
        check_origin(&Origins::Any, &[("origin", "null")], true);
    }

    #[test]
    fn a_page_that_came_in_another_way_is_of_another_origin() {
        let same = Origins::Same;
        let check = |origin, proto, allowed| {
            let lines = [("host", "a.example"), ("origin", origin), ("x-forwarded-proto", proto)];
            check_origin(&same, &lines, allowed);
        };
        check("https://a.example", "https", true);
        check("http://a.example", "http", true);
        check("http://a.example", "https", false);
        check("http://a.example", "HTTPS, http", false);
        for scheme in ["ftp", "file", "chrome-extension", "app", ""] {
            let origin: &'static str = format!("{scheme}://a.example").leak();
            check_origin(&same, &[("host", "a.example"), ("origin", origin)], false);
        }
    }

    fn upgrade() -> Vec<(&'static str, &'static str)> {
        vec![
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]
    }

    #[track_caller]
    fn check_key(change: (&'static str, &'static str), label: &str) {
        let mut map = headers(&upgrade());
        match change.1 {
            "" => drop(map.remove(change.0)),
            value => drop(map.insert(change.0, HeaderValue::from_static(value))),
        }
        assert_eq!(websocket_key(&Method::GET, &map).unwrap_err().label, label);
    }

    #[test]
    fn the_opening_handshake_is_checked_field_by_field() {
        assert_eq!(
            websocket_key(&Method::GET, &headers(&upgrade())).unwrap(),
            b"dGhlIHNhbXBsZSBub25jZQ=="
        );
        check_key(("upgrade", ""), "no-upgrade");
        check_key(("connection", "close"), "no-upgrade");
        check_key(("sec-websocket-version", "8"), "bad-version");
        check_key(("sec-websocket-key", ""), "bad-handshake");
        check_key(("sec-websocket-key", "short"), "bad-handshake");
        check_key(("sec-websocket-key", "these are no base64 :-))"), "bad-handshake");
        check_key(("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZR=="), "bad-handshake");
        assert_eq!(
            websocket_key(&Method::POST, &headers(&upgrade())).unwrap_err().label,
            "bad-handshake"
        );
    }

    #[test]
    fn a_field_that_stands_there_twice_is_not_guessed_at() {
        for (name, again, label) in [
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==", "bad-handshake"),
            ("sec-websocket-version", "13", "bad-version"),
        ] {
            let mut map = headers(&upgrade());
            map.append(name, HeaderValue::from_static(again));
            assert_eq!(websocket_key(&Method::GET, &map).unwrap_err().label, label);
        }
    }

    #[track_caller]
    fn check_request(version: Version, more: &[(&'static str, &'static str)], good: bool) {
        let mut builder = http::Request::builder().version(version);
        for (name, value) in more {
            builder = builder.header(*name, *value);
        }
        let (parts, ()) = builder.body(()).unwrap().into_parts();
        assert_eq!(request(&parts).is_ok(), good, "{more:?}");
    }

    #[test]
    fn a_request_is_of_one_meaning_and_has_no_body() {
        let (now, host) = (Version::HTTP_11, ("host", "a.example"));
        check_request(now, &[host], true);
        check_request(now, &[host, ("content-length", "0"), ("origin", "https://a.example")], true);
        check_request(Version::HTTP_10, &[host], false);
        check_request(now, &[], false);
        check_request(now, &[host, host], false);
        check_request(now, &[host, ("origin", "https://a"), ("origin", "https://b")], false);
        check_request(now, &[host, ("content-length", "5")], false);
        check_request(now, &[host, ("content-length", "+0")], false);
        check_request(now, &[host, ("transfer-encoding", "chunked")], false);
    }

    #[test]
    fn a_refused_page_is_logged_with_what_was_compared() {
        let inside = |origins: &Origins, host: &'static str, origin_of: &'static str| {
            let lines = headers(&[("host", host), ("origin", origin_of)]);
            origin(origins, &lines).unwrap_err().inside.unwrap()
        };
        let proxied = inside(&Origins::Same, "10.0.0.5:8080", "https://app.example");
        assert!(
            proxied.contains("`https://app.example`") && proxied.contains("`10.0.0.5:8080`"),
            "{proxied}"
        );
        let listed = Origins::These(vec![Origin("https://a.example".into())]);
        let other = inside(&listed, "a.example", "https://b.example");
        assert!(other.contains("`https://b.example`") && other.contains("`origins`"), "{other}");
    }

    #[test]
    fn what_the_log_shows_of_a_header_is_short_and_plain() {
        let mut lines = headers(&[("host", "a.example")]);
        let mut long = vec![b'x'; 1000];
        long[0] = 0xe9;
        lines.insert("origin", HeaderValue::from_bytes(&long).unwrap());
        let inside = origin(&Origins::Same, &lines).unwrap_err().inside.unwrap();
        assert!(inside.contains("`\\xe9xxx") && inside.len() < 500, "{inside}");
    }

    #[test]
    fn a_request_line_that_names_another_host_is_refused() {
        let from = |line: &str| {
            let builder = http::Request::builder().uri(line).header("host", "a.example:80");
            let (parts, ()) = builder.body(()).unwrap().into_parts();
            request(&parts).is_ok()
        };
        assert!(from("/ws"));
        assert!(from("http://A.example:80/ws"));
        assert!(!from("http://a.example/ws"), "a port is part of it");
        assert!(!from("http://evil.example/ws"));
        assert!(!from("http://x@a.example:80/ws"));
    }
}
