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

/// Whether a browser asks if it may ask.
pub(super) fn is_preflight(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// What a page may do: open a stream, and post with the session's secret.
pub(super) fn preflight(origins: &Origins, request: &HeaderMap) -> Result<Answer, Refusal> {
    checks::origin(origins, request)?;
    let mut answer = Response::new(Body::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let headers = answer.headers_mut();
    let asked = format!("content-type, last-event-id, {SESSION}");
    if let Ok(asked) = HeaderValue::from_str(&asked) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBERED));
    Ok(shown_to(origins, request, answer))
}

/// The answer, which a page may read whose origin is one of these. With credentials only where origins are named: where
/// any may ask, a page could read what is somebody else's.
pub(super) fn shown_to(origins: &Origins, request: &HeaderMap, mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    let any = matches!(origins, Origins::Any);
    if !any {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    let Some(origin) = request.get(header::ORIGIN) else { return answer };
    if checks::origin(origins, request).is_err() {
        return answer;
    }
    if any {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::{super::checks::tests::headers, *};
    use tengen_settings::Origin;

    fn allowed(origins: &Origins, origin: &'static str) -> (Option<String>, bool) {
        let request = headers(&[("host", "a.example"), ("origin", origin)]);
        let answer = shown_to(origins, &request, Response::new(Body::default()));
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
        let answer = preflight(&Origins::Same, &request).unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        let said = |name| answer.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(
            said(header::ACCESS_CONTROL_ALLOW_HEADERS),
            "content-type, last-event-id, tengen-session"
        );
        assert_eq!(said(header::ACCESS_CONTROL_ALLOW_METHODS), "GET, POST");
        let request = headers(&[("host", "a.example"), ("origin", "https://b.example")]);
        assert_eq!(preflight(&Origins::Same, &request).unwrap_err().status, StatusCode::FORBIDDEN);
    }
}
