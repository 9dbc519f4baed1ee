//! Requests of clients that poll: those that are greeted, and those that wait for something to hear. What they send is in
//! `sent`.
//!
//! Each of them says by itself whose it is, as an upgrade does. A session is that of an endpoint, a user and a client.

mod form;
mod kept;
mod later;
mod sent;

pub(super) use later::complete;

use super::{
    Answer, Body, Upgrades,
    admission::{Asked, Welcome},
    agreement::{self, Agreement},
    authentication::Admitted,
    checks::{self, Refusal},
    events,
    opening::Opening,
    place::Place,
    posts::{SESSION, busy},
};
use crate::{
    hub::Link,
    requests::Kernel,
    transport::long_poll::{Begun, Key, LongPoll, Registered, Session, Sessions},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::Full;
use kept::Kept;
use later::Later;
use std::sync::Arc;
use tengen_core::trace::Span;
use tengen_settings::Endpoint;
use tengen_wire::{payload::Payload, transport::Transport};

/// A `GET` that names a client, and everything else that comes from clients that poll.
pub(super) struct Polls;

/// Those who poll, and who they were found to be.
#[derive(Debug, Default)]
pub struct Polling {
    sessions: Sessions,
    kept: Kept,
}

/// Whether clients may poll at this endpoint.
pub(super) fn may_be_asked_for(endpoint: &Endpoint) -> bool {
    endpoint.takes_polls()
}

impl Opening for Polls {
    fn is_asked_for<B>(request: &Request<B>, endpoint: &Endpoint) -> bool {
        let headers = request.headers();
        // What a proxy has left of an upgrade is no poll: its client is not told what it does not understand.
        let upgrades = headers.contains_key(header::UPGRADE)
            || headers.contains_key(header::SEC_WEBSOCKET_KEY);
        if upgrades || !may_be_asked_for(endpoint) {
            return false;
        }
        let names_client = || agreement::parameter(query(request.uri()), "client-id").is_some();
        match *request.method() {
            Method::GET => !events::is_accepted(headers) && names_client(),
            Method::POST => !headers.contains_key(SESSION),
            _ => true,
        }
    }

    /// Greets who is not known or asks for it, and has others wait.
    async fn open(
        upgrades: &Upgrades,
        parts: &mut Parts,
        asked: Asked<'_>,
        span: &mut Span,
    ) -> Result<Answer, Refusal> {
        if parts.method != Method::GET {
            let reason = "clients poll by `GET` and send by `POST`";
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method", reason));
        }
        checks::request(parts)?;
        checks::origin(&asked.endpoint.origins, &parts.headers)?;
        by_a_script(&parts.headers)?;
        let kernel: Kernel = parts.extensions.remove().ok_or_else(events::no_socket)?;
        let agreement = agree(asked, parts)?;
        let is_new = agreement::parameter(query(&parts.uri), "handshake?").is_some();
        let place = upgrades.place_of_new(asked, &agreement)?;
        let (key, admitted) = upgrades.whose(parts, asked, &agreement, span).await?;
        let says = admitted.admission.welcome.clone();
        let on =
            |session: &Session| upgrades.go_on(session, is_new.then_some(says.as_ref()), &kernel);
        if let Some(answer) = upgrades.polling.sessions.find(&key).and_then(|session| on(&session))
        {
            return answer;
        }
        // It has ended meanwhile, or was another's of the same name.
        let place = place.map_or_else(|| Place::reserve(&upgrades.around.hub), Ok)?;
        match upgrades.begin_polling(key, (place, admitted), asked, &agreement, span) {
            Ok(greeting) => greeting,
            Err(session) => on(&session).unwrap_or_else(|| Err(too_late())),
        }
    }
}

impl Upgrades {
    /// A place for who may have no session yet, before anybody is asked who it is: a gateway that takes no one asks nothing. None: there
    /// is a session with such a name of a client.
    fn place_of_new(
        &self,
        asked: Asked<'_>,
        agreement: &Agreement,
    ) -> Result<Option<Place>, Refusal> {
        let client = agreement.client.as_deref().unwrap_or_default();
        match self.polling.sessions.has(asked.index, client) {
            true => Ok(None),
            false => Place::reserve(&self.around.hub).map(Some),
        }
    }

    /// Greets the client of a session, or has its poll wait. `greets`: with what the authenticator says. None: the session has ended.
    fn go_on(
        &self,
        session: &Session,
        greets: Option<Option<&Payload>>,
        kernel: &Kernel,
    ) -> Option<Result<Answer, Refusal>> {
        if let Some(says) = greets {
            return session.greet().then(|| self.greet(&session.link, says));
        }
        let waiting = session.poll(Arc::clone(&kernel.socket))?;
        session.link.speaks();
        Some(Ok(Later::poll(waiting, kernel).answer()))
    }

    /// Whose session a request belongs to.
    async fn whose(
        &self,
        parts: &Parts,
        asked: Asked<'_>,
        agreement: &Agreement,
        span: &Span,
    ) -> Result<(Key, Admitted), Refusal> {
        let kept = &self.polling.kept;
        // Without an authenticator there is nobody to ask.
        let print = asked.endpoint.authenticator.as_ref().map(|_| kept::print(parts, asked));
        let known = print.as_ref().and_then(|print| kept.get(print));
        let admitted = match known {
            Some(admitted) => admitted,
            None => {
                let admitted = self.identify(parts, asked, agreement, span).await?;
                if let Some(print) = print {
                    kept.put(print, &admitted);
                }
                admitted
            }
        };
        let key = Key {
            endpoint: asked.index,
            user: admitted.admission.user.as_ref().map(|user| user.id.clone()),
            client: agreement.client.clone().unwrap_or_default().into(),
        };
        Ok((key, admitted))
    }

    /// A session, whose client polls when it has been greeted. Err: one that somebody else has begun at the same time; then the
    /// place goes back.
    fn begin_polling(
        &self,
        key: Key,
        comes: (Place, Admitted),
        asked: Asked<'_>,
        agreement: &Agreement,
        span: &mut Span,
    ) -> Result<Result<Answer, Refusal>, Arc<Session>> {
        let make = || {
            let of = (agreement, Transport::LongPoll);
            let Welcome { link, place, says } = self.welcome(comes, asked, of, span);
            (Arc::new(link), (place, says))
        };
        let begun = self.polling.sessions.begin(key, &self.around.hub, make)?;
        let Begun { carrier, registered, made: (place, says) } = begun;
        let link = Arc::clone(registered.link());
        let greeting = self.greet(&link, says.as_ref());
        if greeting.is_ok() {
            self.run_polling(link, carrier, registered, place);
        }
        Ok(greeting)
    }

    /// The dialect's first frame, as an answer.
    fn greet(&self, link: &Link, says: Option<&Payload>) -> Result<Answer, Refusal> {
        let frame = self.handshake(link, says, None).ok_or_else(events::no_socket)?;
        Ok(answer(link.frame(frame).body))
    }

    /// Serves the session in a task of its own.
    fn run_polling(
        &self,
        link: Arc<Link>,
        carrier: LongPoll,
        registered: Registered,
        place: Place,
    ) {
        let serving = self.serving(&link);
        self.tasks.spawn(serving.run(link, |_, _| carrier, place, registered));
    }
}

fn query(uri: &http::Uri) -> &str {
    uri.query().unwrap_or_default()
}

/// Dialect and format, which have to be fit for polls.
fn agree(asked: Asked<'_>, parts: &Parts) -> Result<Agreement, Refusal> {
    let agreement = agreement::agree(asked.endpoint, &parts.headers, query(&parts.uri))?;
    if Transport::LongPoll.carries(agreement.wire) {
        return Ok(agreement);
    }
    let reason =
        "clients that poll speak text; this endpoint's format is binary, so open a WebSocket";
    Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, "format", reason))
}

/// A page can have its visitor's browser ask without saying where the page comes from: for a script, a picture, or by going
/// there. No client polls like that, and what it is answered would be the visitor's. So a header is asked for that a page can send to
/// another site only after a browser has asked for leave (CORS); over HTTPS browsers also say by what they ask (Fetch Metadata).
fn by_a_script(headers: &HeaderMap) -> Result<(), Refusal> {
    if !headers.contains_key("x-requested-with") {
        let reason = "clients that poll send `X-Requested-With`, as Sente's do: pages of other sites need leave for it";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "origin", reason));
    }
    match headers.get("sec-fetch-mode").map(HeaderValue::as_bytes) {
        None | Some(b"cors" | b"same-origin") => Ok(()),
        Some(_) => {
            let reason = "pages poll by `XMLHttpRequest` or `fetch`";
            Err(Refusal::new(StatusCode::FORBIDDEN, "origin", reason))
        }
    }
}

/// Between two looks at it.
fn too_late() -> Refusal {
    busy("session", "the session has just ended; poll again, and be greeted")
}

/// An answer that is one frame.
fn answer(frame: Bytes) -> Answer {
    let mut answer = Response::new(Body::Text(Full::new(frame)));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests {
    use super::{super::checks::tests::headers, *};
    use tengen_wire::dialect::Dialect;

    fn asks(
        endpoint: &Endpoint,
        method: &str,
        uri: &str,
        lines: &[(&'static str, &'static str)],
    ) -> bool {
        let mut request = Request::builder().method(method).uri(uri).body(()).unwrap();
        *request.headers_mut() = headers(lines);
        Polls::is_asked_for(&request, endpoint)
    }

    #[test]
    fn a_poll_is_what_names_a_client_and_is_no_upgrade() {
        let sente = Endpoint::new("/chsk", Dialect::Sente);
        let (named, unnamed) = ("/chsk?udt=1&client-id=c1&handshake%3F=1", "/chsk?udt=1");
        for (method, uri, lines, expected) in [
            ("GET", named, vec![], true),
            ("GET", unnamed, vec![], false),
            ("GET", named, vec![("upgrade", "websocket")], false),
            ("GET", named, vec![("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")], false),
            ("GET", named, vec![("accept", "text/event-stream")], false),
            ("POST", "/chsk", vec![], true),
            ("POST", "/chsk", vec![("tengen-session", "s3cret")], false),
            ("PUT", "/chsk", vec![], true),
        ] {
            assert_eq!(asks(&sente, method, uri, &lines), expected, "{method} {uri} {lines:?}");
        }
    }

    #[test]
    fn nobody_polls_where_it_is_off_or_unknown() {
        let off = Endpoint { ajax: Some(false), ..Endpoint::new("/chsk", Dialect::Sente) };
        let others = Dialect::ALL.into_iter().filter(|dialect| *dialect != Dialect::Sente);
        let others = others.map(|dialect| Endpoint::new("/chsk", dialect));
        for endpoint in others.chain([off]) {
            for method in ["GET", "POST", "PUT"] {
                assert!(!asks(&endpoint, method, "/chsk?client-id=c1", &[]), "{endpoint:?}");
            }
        }
    }

    #[test]
    fn what_a_page_of_another_site_can_cause_is_refused() {
        for (mode, allowed) in [
            (None, true),
            (Some("cors"), true),
            (Some("same-origin"), true),
            (Some("no-cors"), false),
            (Some("navigate"), false),
            (Some("websocket"), false),
        ] {
            let mut lines: Vec<_> = mode.map(|mode| ("sec-fetch-mode", mode)).into_iter().collect();
            assert!(by_a_script(&headers(&lines)).is_err(), "what any form of a page could send");
            lines.push(("x-requested-with", "XMLHTTPRequest"));
            let found = by_a_script(&headers(&lines));
            assert_eq!(found.is_ok(), allowed, "{mode:?}");
            assert!(found.is_ok() || found.is_err_and(|refusal| refusal.label == "origin"));
        }
    }

    #[test]
    fn an_answer_is_kept_by_nobody_and_taken_for_nothing_else() {
        let answer = answer(Bytes::from_static(b"[:chsk/timeout nil]"));
        let said = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap();
        assert_eq!(said("content-type"), "text/plain; charset=utf-8");
        assert_eq!(said("cache-control"), "no-store");
        assert_eq!(said("x-content-type-options"), "nosniff");
    }
}
