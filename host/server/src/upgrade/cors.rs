//! What pages of other origins may ask and read (Fetch standard, 3.2): those of an endpoint's `origins`.

use super::{
    Answer, Body,
    checks::{self, Refusal},
    posts::SESSION,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use tengen_settings::Origins;

/// How long a browser need not ask again, in seconds.
const REMEMBERED: &str = "600";

/// Headers of clients that poll, and what a token may come in.
const POLLING: &str = ", authorization, x-csrf-token, x-requested-with";

/// Whether a browser asks if it may ask.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// What a page may do: open a stream, and post with the session's secret; or, where clients poll, what those of Sente's send.
pub(super) fn preflight(
    origins: &Origins,
    request: &HeaderMap,
    polls: bool,
) -> Result<Answer, Refusal> {
    checks::origin(origins, request)?;
    let mut answer = Response::new(Body::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    let more = if polls { POLLING } else { "" };
    let asked = format!("content-type, last-event-id, {SESSION}{more}");
    if let Ok(asked) = HeaderValue::from_str(&asked) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBERED));
    Ok(Readers::of(origins, request).may_read(answer))
}

/// Who may read an answer. It holds nothing of the request, which may be answered much later.
#[derive(Debug)]
pub(super) struct Readers {
    any: bool,
    /// The page that asks and may read what it is answered.
    page: Option<HeaderValue>,
}

impl Readers {
    /// A page whose origin is one of these.
    pub(super) fn of(origins: &Origins, request: &HeaderMap) -> Self {
        let page = request.get(header::ORIGIN);
        let page = page.filter(|_| checks::origin(origins, request).is_ok());
        let page = page.and_then(|page| HeaderValue::from_bytes(page.as_bytes()).ok());
        Self { any: matches!(origins, Origins::Any), page }
    }

    /// The answer for them. With credentials only where origins are named: where any may ask, a page could read what is
    /// somebody else's.
    pub(super) fn may_read(self, mut answer: Answer) -> Answer {
        let headers = answer.headers_mut();
        if !self.any {
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        match self.page {
            None => {}
            Some(_) if self.any => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
            }
            Some(page) => {
                let yes = HeaderValue::from_static("true");
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, page);
                headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, yes);
            }
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::{super::checks::tests::headers, *};
    use tengen_settings::Origin;

    fn allowed(origins: &Origins, origin: &'static str) -> (Option<String>, bool) {
        let request = headers(&[("host", "a.example"), ("origin", origin)]);
        let answer = Readers::of(origins, &request).may_read(Response::new(Body::default()));
        let header =
            |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let credentials = header(header::ACCESS_CONTROL_ALLOW_CREDENTIALS).is_some();
        (header(header::ACCESS_CONTROL_ALLOW_ORIGIN), credentials)
    }

    #[test]
    fn only_pages_of_the_endpoints_origins_read_an_answer() {
        let listed = Origins::These(vec![Origin("https://b.example".to_owned())]);
        assert_eq!(allowed(&listed, "https://b.example"), (Some("https://b.example".into()), true));
        assert_eq!(allowed(&listed, "https://c.example"), (None, false));
        assert_eq!(
            allowed(&Origins::Same, "https://a.example"),
            (Some("https://a.example".into()), true)
        );
        assert_eq!(allowed(&Origins::Same, "https://b.example"), (None, false));
        assert_eq!(allowed(&Origins::Any, "https://x.example"), (Some("*".into()), false));
    }

    #[test]
    fn a_page_is_told_what_it_may_send_or_that_it_may_not() {
        let request = headers(&[
            ("host", "a.example"),
            ("origin", "https://a.example"),
            ("access-control-request-method", "POST"),
        ]);
        assert!(is_preflight(&Method::OPTIONS, &request));
        let answer = preflight(&Origins::Same, &request, false).unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let said = |name| answer.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(
            said(header::ACCESS_CONTROL_ALLOW_HEADERS),
            "content-type, last-event-id, tengen-session"
        );
        assert_eq!(said(header::ACCESS_CONTROL_ALLOW_METHODS), "GET, POST");
        let polling = preflight(&Origins::Same, &request, true).unwrap();
        let allowed = polling.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
        assert!(allowed.ends_with(", authorization, x-csrf-token, x-requested-with"), "{allowed}");
        let request = headers(&[("host", "a.example"), ("origin", "https://b.example")]);
        let refusal = preflight(&Origins::Same, &request, false).unwrap_err();
        assert_eq!(refusal.status, StatusCode::FORBIDDEN);
    }
}
