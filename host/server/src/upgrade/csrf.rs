//! Tokens that tell an application's own pages from those of other sites (`endpoint.csrf = "signed"`).
//!
//! A browser sends its cookies along, whichever page has it ask. A token does not come along by itself: a page of the
//! application has read it where pages of other sites read nothing. It is the second until which it is good, a full stop, and a hash
//! with our key over that second and the value of the session's cookie. So it is good for this session alone, and nothing is kept.

use super::{
    Answer, Body, Upgrades,
    admission::Asked,
    agreement::parameter,
    checks::{self, Refusal},
};
use data_encoding::HEXLOWER;
use hmac::{Hmac, Mac};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use sha2::Sha256;
use std::time::{SystemTime, UNIX_EPOCH};
use tengen_settings::{Csrf, CsrfToken, Endpoint};

/// Behind an endpoint's path: where a page asks for its token.
pub(super) const PATH: &str = "/csrf";

/// Where tokens come in, in this order: as Sente's server looks for them.
const PARAMETER: &str = "csrf-token";
const HEADERS: [&str; 2] = ["x-csrf-token", "x-xsrf-token"];

impl Upgrades {
    /// The token of whoever asks.
    pub(super) fn csrf_token<B>(&self, request: &Request<B>, asked: Asked<'_>) -> Answer {
        match asks(request, asked.endpoint) {
            Ok(token) => told(&token),
            Err(refusal) => self.post_refused(&refusal, asked),
        }
    }
}

/// Whether tokens are given out for an endpoint.
pub(super) fn is_signed(endpoint: &Endpoint) -> bool {
    endpoint.csrf == Csrf::Signed
}

fn asks<B>(request: &Request<B>, endpoint: &Endpoint) -> Result<String, Refusal> {
    if *request.method() != Method::GET {
        let reason = "a token is asked for by `GET`";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", reason));
    }
    checks::one_host(request.version(), request.uri(), request.headers())?;
    checks::origin(&endpoint.origins, request.headers())?;
    token(endpoint, request.headers())?
        .ok_or_else(|| forged("there is no token without the session's cookie: log in first"))
}

/// The token for the session whose cookie comes along; none: no token is asked for here, or there is no such cookie.
pub(super) fn token(endpoint: &Endpoint, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(how) = how(endpoint) else { return Ok(None) };
    let until = now().saturating_add(how.lasts.as_secs());
    Ok(session(how, headers)?.map(|session| signed(how, until, session)))
}

/// Whether a request bears the token of its session, where one is asked for.
pub(super) fn check(endpoint: &Endpoint, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(how) = how(endpoint) else { return Ok(()) };
    let in_query = parameter(uri.query().unwrap_or_default(), PARAMETER);
    let in_header = || HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok());
    let Some(token) = in_query.as_deref().or_else(in_header) else {
        return Err(forged(
            "a request here bears a CSRF token; a page gets its own at the endpoint's path and `/csrf`",
        ));
    };
    let Some(session) = session(how, headers)? else {
        return Err(forged(
            "a CSRF token is good beside its session's cookie, which did not come along",
        ));
    };
    is_good(how, token, session, now())
}

fn how(endpoint: &Endpoint) -> Option<&CsrfToken> {
    endpoint.csrf_token.as_ref().filter(|_| is_signed(endpoint))
}

fn is_good(how: &CsrfToken, token: &str, session: &str, now: u64) -> Result<(), Refusal> {
    let of_another = || forged("this CSRF token is none of this session's; get a new one");
    let (second, hash) = token.split_once('.').ok_or_else(of_another)?;
    let hash = HEXLOWER.decode(hash.as_bytes()).map_err(|_| of_another())?;
    let until: u64 = second.parse().map_err(|_| of_another())?;
    // A number is written in one way.
    if until.to_string() != second {
        return Err(of_another());
    }
    // Compared in a time that does not depend on what is right of it.
    hashing(how, until, session).verify_slice(&hash).map_err(|_| of_another())?;
    match now < until {
        true => Ok(()),
        false => Err(forged("this CSRF token has ended; get a new one")),
    }
}

fn signed(how: &CsrfToken, until: u64, session: &str) -> String {
    let hash = hashing(how, until, session).finalize().into_bytes();
    format!("{until}.{}", HEXLOWER.encode(&hash))
}

/// A number, then a sign that is in no number: nothing else has the same bytes.
fn hashing(how: &CsrfToken, until: u64, session: &str) -> Hmac<Sha256> {
    let mut hash = Hmac::<Sha256>::new_from_slice(how.key.0.as_bytes())
        .expect("HMAC takes keys of every length");
    hash.update(format!("csrf\n{until}\n").as_bytes());
    hash.update(session.as_bytes());
    hash
}

/// The value of the session's cookie. One that stands there twice is refused: another site below the same domain may have set
/// one of them.
fn session<'h>(how: &CsrfToken, headers: &'h HeaderMap) -> Result<Option<&'h str>, Refusal> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let cookies = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    let mut its =
        cookies.filter(|(name, _)| name.trim() == how.cookie).map(|(_, value)| value.trim());
    let first = its.next().filter(|value| !value.is_empty());
    match its.next() {
        None => Ok(first),
        Some(_) => Err(forged("the session's cookie stands there twice")),
    }
}

fn forged(reason: &str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, "csrf", reason)
}

fn told(token: &str) -> Answer {
    let mut answer = Response::new(Body::from(format!("{{\"csrf-token\":\"{token}\"}}\n")));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// The time of day, in seconds: a token outlives the process that has made it.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::{super::checks::tests::headers, *};
    use std::time::Duration;
    use tengen_settings::Secret;
    use tengen_wire::dialect::Dialect;

    fn signing() -> Endpoint {
        let key = Secret("a key that is long enough".to_owned());
        let lasts = Duration::from_secs(3600);
        let csrf_token = Some(CsrfToken { cookie: "session".to_owned(), key, lasts });
        Endpoint { csrf: Csrf::Signed, csrf_token, ..Endpoint::new("/chsk", Dialect::Sente) }
    }

    fn uri(query: &str) -> Uri {
        format!("/chsk?client-id=c{query}").parse().unwrap()
    }

    #[test]
    fn a_token_is_good_for_its_session_and_its_time() {
        let endpoint = signing();
        let how = how(&endpoint).unwrap();
        let token = signed(how, 1000, "ann");
        assert_eq!(is_good(how, &token, "ann", 999), Ok(()));
        let why = |token: &str, session, now| is_good(how, token, session, now).unwrap_err().reason;
        assert!(why(&token, "ann", 1000).contains("has ended"));
        assert!(why(&token, "bob", 999).contains("none of this session's"));
        for changed in ["1001.", "01000.", "+1000.", "1000"] {
            let changed = token.replacen("1000.", changed, 1);
            assert!(why(&changed, "ann", 999).contains("none of this session's"), "{changed}");
        }
        let cut = token.get(..token.len() - 2).unwrap();
        for token in ["", ".", "1000.", "1000.00", cut, "x.y"] {
            assert!(why(token, "ann", 999).contains("none of this session's"), "{token}");
        }
        let other =
            CsrfToken { key: Secret("another key, just as long".to_owned()), ..how.clone() };
        assert!(is_good(&other, &token, "ann", 999).is_err(), "by another key");
    }

    #[test]
    fn a_token_comes_in_the_query_or_in_a_header_beside_its_cookie() {
        let endpoint = signing();
        let cookie = ("cookie", "a=1; session=ann; b=2");
        let token = token(&endpoint, &headers(&[cookie])).unwrap().unwrap();
        let token: &'static str = Box::leak(token.into_boxed_str());
        let asked = |query: &str, lines: &[(&'static str, &'static str)]| {
            check(&endpoint, &uri(query), &headers(lines)).map_err(|why| (why.status, why.label))
        };
        let refused = Err((StatusCode::FORBIDDEN, "csrf"));
        assert_eq!(asked(&format!("&csrf-token={token}"), &[cookie]), Ok(()));
        assert_eq!(asked("", &[cookie, ("x-csrf-token", token)]), Ok(()));
        assert_eq!(asked("", &[cookie, ("x-xsrf-token", token)]), Ok(()));
        assert_eq!(asked("", &[cookie]), refused);
        assert_eq!(asked("", &[("x-csrf-token", token)]), refused, "without its cookie");
        assert_eq!(asked("", &[("cookie", "session=bob"), ("x-csrf-token", token)]), refused);
        // The query is looked at first.
        assert_eq!(asked("&csrf-token=x", &[cookie, ("x-csrf-token", token)]), refused);
        for twice in ["session=ann; session=bob", "session=ann; session=ann"] {
            assert_eq!(
                asked("", &[("cookie", twice), ("x-csrf-token", token)]),
                refused,
                "{twice}"
            );
        }
        let split = [("cookie", "session=ann"), ("cookie", "session=bob"), ("x-csrf-token", token)];
        assert_eq!(asked("", &split), refused);
    }

    #[test]
    fn where_no_token_is_asked_for_nobody_needs_one_and_nobody_gets_one() {
        for csrf in [Csrf::Off, Csrf::Plugin] {
            let endpoint = Endpoint { csrf, ..signing() };
            let cookie = headers(&[("cookie", "session=ann")]);
            assert_eq!(check(&endpoint, &uri(""), &cookie), Ok(()));
            assert_eq!(token(&endpoint, &cookie), Ok(None));
        }
        assert_eq!(token(&signing(), &HeaderMap::new()), Ok(None), "there is no session");
    }
}
