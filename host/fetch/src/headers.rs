//! A request's method and headers: what a plugin may say, and what is the gateway's.

use crate::target::Target;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use http_body_util::Full;
use tengen_core::outgoing::Request;
use tengen_wire::{
    fault::{Fault, FaultId},
    trace::TraceContext,
};

/// The most headers of a request, and their bytes together.
const MOST: usize = 64;
const MOST_BYTES: usize = 16 << 10;

/// What says how the bytes travel, whose server it is, or where the trace goes on.
const OURS: [&str; 14] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "keep-alive",
    "expect",
    "http2-settings",
    "accept-encoding",
    "traceparent",
    "tracestate",
    "proxy-connection",
];

/// Who asks, if the plugin does not say it.
const AGENT: &str = concat!("tengen/", env!("CARGO_PKG_VERSION"));

/// The request as it is sent.
pub(crate) fn outgoing(
    target: &Target,
    request: Request,
    trace: Option<&TraceContext>,
) -> Result<http::Request<Full<Bytes>>, Fault> {
    let mut headers = checked(&request.headers)?;
    let authority = value("host", target.authority().into_bytes())?;
    headers.insert(header::HOST, authority);
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    if let Some(trace) = trace {
        headers.insert("traceparent", value("traceparent", trace.traceparent().into_bytes())?);
        if let Some(state) = &trace.state {
            headers.insert("tracestate", value("tracestate", state.as_bytes().to_vec())?);
        }
    }
    let mut outgoing = http::Request::new(Full::new(request.body));
    *outgoing.method_mut() = method(&request.method)?;
    let path = target.path.parse();
    *outgoing.uri_mut() = path.map_err(|_| malformed("the URL has a path that cannot be sent"))?;
    *outgoing.headers_mut() = headers;
    Ok(outgoing)
}

/// Everything but what makes a tunnel, or has a server send the request back.
fn method(text: &str) -> Result<Method, Fault> {
    let is_word = (1..=32).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    if !is_word {
        return Err(malformed("the method must be a word in capital letters, as in GET"));
    }
    if matches!(text, "CONNECT" | "TRACE" | "TRACK") {
        return Err(Fault::new(
            FaultId::NotAllowed,
            format!("the method {text} is not for plugins"),
        ));
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| malformed("the method cannot be sent"))
}

fn checked(given: &[(String, Vec<u8>)]) -> Result<HeaderMap, Fault> {
    let bytes: usize = given.iter().map(|(name, value)| name.len() + value.len()).sum();
    if given.len() > MOST || bytes > MOST_BYTES {
        let why = format!("a request may have {MOST} headers of {MOST_BYTES} bytes together");
        return Err(Fault::new(FaultId::TooLarge, why));
    }
    let mut headers = HeaderMap::with_capacity(given.len() + 6);
    for (text, bytes) in given {
        let name: HeaderName = text
            .parse()
            .map_err(|_| malformed(&format!("`{}` is not a header's name", text.escape_debug())))?;
        if OURS.contains(&name.as_str()) || name.as_str().starts_with("proxy-") {
            return Err(Fault::new(
                FaultId::NotAllowed,
                format!("the header `{name}` is set by the gateway; leave it out"),
            ));
        }
        let value = value(name.as_str(), bytes.clone())?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn value(name: &str, bytes: Vec<u8>) -> Result<HeaderValue, Fault> {
    HeaderValue::from_maybe_shared(Bytes::from(bytes)).map_err(|_| {
        malformed(&format!(
            "the header `{name}` has a line break or another character that cannot be sent"
        ))
    })
}

fn malformed(why: &str) -> Fault {
    Fault::new(FaultId::Malformed, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(method: &str, headers: &[(&str, &str)]) -> Result<http::Request<Full<Bytes>>, Fault> {
        let headers =
            headers.iter().map(|(name, value)| ((*name).into(), value.as_bytes().to_vec()));
        let request =
            Request { method: method.into(), headers: headers.collect(), ..Request::default() };
        outgoing(&Target::read("https://a.example:8443/b?c").unwrap(), request, None)
    }

    #[test]
    fn what_a_plugin_says_is_sent_with_what_is_the_gateways() {
        let sent = sent("PATCH", &[("X-A", "1"), ("x-a", "2"), ("User-Agent", "me")]).unwrap();
        assert_eq!((sent.method().as_str(), sent.uri().to_string().as_str()), ("PATCH", "/b?c"));
        let all = |name| sent.headers().get_all(name).iter().collect::<Vec<_>>();
        assert_eq!(
            (all("x-a"), all("user-agent")),
            (
                vec!["1", "2"]
                    .into_iter()
                    .map(|it| it.parse().unwrap())
                    .collect::<Vec<HeaderValue>>()
                    .iter()
                    .collect(),
                vec![&HeaderValue::from_static("me")]
            )
        );
        assert_eq!(
            (all("host"), all("connection")),
            (
                vec![&HeaderValue::from_static("a.example:8443")],
                vec![&HeaderValue::from_static("close")]
            )
        );
    }

    #[test]
    fn where_a_request_belongs_goes_along() {
        let target = Target::read("https://a.example/").unwrap();
        let trace =
            TraceContext { trace_id: 1, span_id: 2, sampled: true, state: Some("a=b".into()) };
        let request = Request { method: "GET".into(), ..Request::default() };
        let sent = outgoing(&target, request, Some(&trace)).unwrap();
        assert_eq!(sent.headers()["traceparent"], trace.traceparent());
        assert_eq!(sent.headers()["tracestate"], "a=b");
    }

    #[test]
    fn what_is_the_gateways_cannot_be_said_by_a_plugin() {
        for name in OURS.iter().chain(&["Host", "CONNECTION", "Proxy-Authorization", "proxy-x"]) {
            let fault = sent("GET", &[(name, "1")]).unwrap_err();
            assert_eq!(fault.id, FaultId::NotAllowed, "{name}");
            assert!(fault.message.contains(&name.to_lowercase()), "{fault:?}");
        }
    }

    #[test]
    fn what_would_end_a_line_is_refused() {
        for (name, value) in [
            ("x-a", "1\r\nhost: b"),
            ("x-a", "1\n"),
            ("x-a\r\nb", "1"),
            ("x a", "1"),
            ("", "1"),
            ("x-a:", "1"),
        ] {
            assert_eq!(sent("GET", &[(name, value)]).unwrap_err().id, FaultId::Malformed, "{name}");
        }
        for method in ["", "get", "GET /", "GET\r\n", "Ä"] {
            assert_eq!(sent(method, &[]).unwrap_err().id, FaultId::Malformed, "{method}");
        }
    }

    #[test]
    fn a_tunnel_is_not_for_plugins() {
        for method in ["CONNECT", "TRACE", "TRACK"] {
            assert_eq!(sent(method, &[]).unwrap_err().id, FaultId::NotAllowed, "{method}");
        }
    }

    #[test]
    fn headers_are_bounded_in_number_and_bytes() {
        assert!(sent("GET", &[("x-a", "1"); MOST]).is_ok());
        assert_eq!(sent("GET", &[("x-a", "1"); MOST + 1]).unwrap_err().id, FaultId::TooLarge);
        let long = "a".repeat(MOST_BYTES);
        assert_eq!(sent("GET", &[("x-a", &long)]).unwrap_err().id, FaultId::TooLarge);
    }
}
