//! Upgrade requests: agreed on or refused, and a token goes nowhere.
//!
//! The checks are private to the gateway's module of this name, and therefore to this one.

#[path = "../../host/server/src/upgrade/agreement.rs"]
mod agreement;
#[path = "../../host/server/src/upgrade/checks.rs"]
mod checks;

mod polls;

pub use polls::polls;

use crate::targets::one_of;
use agreement::{agree, client_id, parameter};
use checks::{Refusal, origin, websocket_key};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use tengen_settings::{Endpoint, Origin, Origins};
use tengen_wire::dialect::{Dialect, Subprotocol};

/// Lines of a request, the first without its version: `GET /ws?format=edn`, then headers. The first byte chooses the
/// endpoint.
pub fn upgrade(data: &[u8]) {
    let Some((first, head)) = data.split_first() else { return };
    let first = usize::from(*first);
    let mut lines = head.split(|byte| *byte == b'\n');
    let request = lines.next().unwrap_or_default();
    let headers = headers(lines);
    let (method, query) = request_line(request);
    match websocket_key(&method, &headers) {
        Ok(key) => {
            assert_eq!((key.len(), &method), (24, &Method::GET));
            assert_eq!(headers.get(header::SEC_WEBSOCKET_VERSION).unwrap(), "13");
        }
        Err(refusal) => is_an_answer(&refusal),
    }
    origins(&headers);
    let dialect = one_of(Dialect::ALL, first);
    let mut endpoint = Endpoint::new("/ws", dialect);
    if first & 0x80 != 0 {
        endpoint.formats.reverse();
    }
    match agree(&endpoint, &headers, &query) {
        Ok(agreement) => {
            assert_eq!(agreement.wire.dialect, dialect);
            if dialect.profile().is_read() {
                assert!(endpoint.formats.contains(&agreement.wire.format));
            }
            if let Some(word) = &agreement.subprotocol {
                assert!(agreement.offered.contains(word), "echoed, and never offered: {word}");
                if let Subprotocol::Format(prefix) = dialect.profile().subprotocol {
                    assert_eq!(word.strip_prefix(prefix), Some(agreement.wire.format.word()));
                }
                HeaderValue::from_str(word).expect("it came in a header and can leave in one");
            }
            let leaks = |word: &String| word.starts_with("tengen.token.");
            assert!(!agreement.offered.iter().any(leaks), "a token among the words to pass on");
        }
        Err(refusal) => is_an_answer(&refusal),
    }
    if let Ok(id) = client_id(&query, "name yourself") {
        assert!((1..=128).contains(&id.len()) && !id.trim().is_empty());
        assert_eq!(parameter(&query, "client-id"), Some(id));
    }
}

fn request_line(line: &[u8]) -> (Method, String) {
    let line = String::from_utf8_lossy(line);
    let (method, target) = line.split_once(' ').unwrap_or((&line, ""));
    let query = target.split_once('?').map_or("", |(_, query)| query);
    (Method::from_bytes(method.as_bytes()).unwrap_or(Method::GET), query.trim().to_owned())
}

fn headers<'a>(lines: impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let field = |line: &'a [u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let value = value.get(1..)?.trim_ascii();
        Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
    };
    lines.filter_map(field).fold(HeaderMap::new(), |mut all, (name, value)| {
        all.append(name, value);
        all
    })
}

fn origins(headers: &HeaderMap) {
    let sent = headers.get(header::ORIGIN).map(|value| value.to_str().unwrap_or_default());
    assert!(origin(&Origins::Any, headers).is_ok());
    let listed = Origins::These(vec![Origin("https://*.app.example".into())]);
    if origin(&listed, headers).is_ok() {
        let sent = sent.map(str::to_ascii_lowercase);
        let below = |sent: &String| {
            let sent = sent.strip_suffix(":443").unwrap_or(sent);
            sent.starts_with("https://") && sent.ends_with(".app.example")
        };
        assert!(sent.as_ref().is_none_or(below), "{sent:?}");
    }
    if let (Ok(()), Some(sent)) = (origin(&Origins::Same, headers), sent) {
        let host = headers.get(header::HOST).unwrap().to_str().unwrap().to_ascii_lowercase();
        let host = host.split(':').next().unwrap_or_default();
        let sent = sent.to_ascii_lowercase();
        assert!(sent.starts_with("http") && sent.contains(host), "{sent} is not of {host}");
    }
    origin(&Origins::These(Vec::new()), headers).iter().for_each(|()| assert_eq!(sent, None));
}

/// A refusal is a client's error with a sentence, in which nothing stands that the client sent.
fn is_an_answer(refusal: &Refusal) {
    assert!(refusal.status.is_client_error(), "{refusal:?}");
    assert!(refusal.reason.is_ascii() && !refusal.reason.is_empty(), "{refusal:?}");
    assert!(refusal.reason.len() < 200, "{refusal:?}");
    assert!(!refusal.label.is_empty());
}
