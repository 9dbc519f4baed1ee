//! A request that becomes a stream of events, and those that post to one.

use super::{
    Answer, Body, Upgrades,
    admission::{Asked, Welcome},
    agreement::{self, Agreement},
    checks::{self, Refusal},
    opening::Opening,
    place::Place,
};
use crate::{
    requests::{Kernel, Streams},
    transport::event_stream::{self, EventStream, NoStream, Registered, Session},
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use std::sync::Arc;
use tengen_core::trace::Span;
use tengen_settings::Endpoint;
use tengen_wire::{
    dialect,
    transport::{self, Transport},
};

/// What a reader that comes back knows: the secret, as the id of the last event that had one.
const LAST_EVENT_ID: &str = "last-event-id";

/// A `GET` that accepts a stream.
pub(super) struct Events;

pub(super) fn is_accepted(headers: &HeaderMap) -> bool {
    checks::words(headers, header::ACCEPT).any(|range| {
        let media = range.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case(transport::CONTENT_TYPE)
    })
}

/// A session whose task does not run yet.
struct Begun {
    session: Arc<Session>,
    carrier: EventStream,
    registered: Registered,
    place: Arc<Place>,
}

impl Opening for Events {
    /// A message that is posted belongs to a stream as well.
    fn is_asked_for<B>(request: &Request<B>, _: &Endpoint) -> bool {
        let meant = match *request.method() {
            Method::GET => is_accepted(request.headers()),
            Method::POST => true,
            _ => false,
        };
        meant && !request.headers().contains_key(header::UPGRADE)
    }

    /// Opens a stream: of a session that has lost its own, or of a new one.
    async fn open(
        upgrades: &Upgrades,
        parts: &mut Parts,
        asked: Asked<'_>,
        span: &mut Span,
    ) -> Result<Answer, Refusal> {
        checks::request(parts)?;
        checks::origin(&asked.endpoint.origins, &parts.headers)?;
        let Kernel { socket: kernel, .. } = parts.extensions.remove().ok_or_else(no_socket)?;
        let back = parts.headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default());
        if let Some(session) = back.and_then(|secret| upgrades.sessions.find(secret, asked.index)) {
            match session.stream_again(Arc::clone(&kernel)) {
                Ok(stream) => return Ok(streaming(stream)),
                Err(NoStream::TooMany) => return Err(too_many_streams()),
                Err(NoStream::Ended) => {}
            }
        }
        let is_back = back.is_some();
        let query = parts.uri.query().unwrap_or_default();
        let agreement = agreement::agree(asked.endpoint, &parts.headers, query)?;
        if !Transport::EventStream.carries(agreement.wire) {
            return Err(not_carried(asked, &agreement));
        }
        let welcome =
            upgrades.admit(parts, asked, &agreement, Transport::EventStream, span).await?;
        let begun = upgrades.begin_session(welcome, is_back)?;
        let stream = begun.session.stream(kernel).map_err(|_| no_socket())?;
        upgrades.run_session(begun);
        Ok(streaming(stream))
    }
}

impl Upgrades {
    fn begin_session(&self, welcome: Welcome, is_back: bool) -> Result<Begun, Refusal> {
        let Welcome { link, place, says } = welcome;
        let secret = uuid::Uuid::new_v4().simple().to_string();
        let opening = |recovered| {
            let session = dialect::Session { secret: &secret, recovered };
            let frame = self.handshake(&link, says.as_ref(), Some(session));
            frame.map(|frame| transport::opening(&frame, &secret)).ok_or_else(no_socket)
        };
        // Whoever comes back is told that something may be missing, be it to this session or to a new one.
        let (first, again) = (opening(is_back.then_some(false))?, opening(Some(false))?);
        // The outbox is empty: its control queue takes the first frame always.
        let _taken = link.send_control(first);
        let (link, place) = (Arc::new(link), Arc::new(place));
        let holds = Arc::clone(&place);
        let (session, carrier, registered) = self.sessions.begin(&secret, link, again, holds);
        Ok(Begun { session, carrier, registered, place })
    }

    /// Serves the session in a task of its own.
    fn run_session(&self, begun: Begun) {
        let Begun { session, carrier, registered, place } = begun;
        let link = Arc::clone(&session.link);
        drop(session);
        let serving = self.serving(&link);
        self.tasks.spawn(serving.run(link, |_, _| carrier, place, registered));
    }
}

fn streaming(stream: event_stream::Body) -> Answer {
    let mut answer = Response::new(Body::Events(stream));
    answer.extensions_mut().insert(Streams);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(transport::CONTENT_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would keep events back until it has some kilobytes of them.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    answer
}

pub(super) fn no_socket() -> Refusal {
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "bad-handshake",
        "this request cannot be answered by a stream",
    )
}

fn too_many_streams() -> Refusal {
    let reason = "this session has several streams that have not ended yet; try again later";
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, "streams", reason)
}

/// Event streams are text, and their first event has to be the dialect's own.
fn not_carried(asked: Asked<'_>, agreement: &Agreement) -> Refusal {
    let dialect = agreement.wire.dialect;
    let carried =
        |format: &&_| Transport::EventStream.carries(dialect::Wire { dialect, format: **format });
    let formats: Vec<_> =
        asked.endpoint.formats.iter().filter(carried).map(|format| format.word()).collect();
    let reason = match formats.is_empty() {
        true => "this endpoint has no event streams; open a WebSocket".to_owned(),
        false => format!(
            "an event stream is text: ask with `?format={}`",
            formats.join("` or `?format=")
        ),
    };
    Refusal::new(StatusCode::NOT_ACCEPTABLE, "format", reason)
}

#[cfg(test)]
mod tests {
    use super::{super::checks::tests::headers, *};

    #[test]
    fn a_stream_is_what_the_request_accepts_by_name() {
        for (accept, accepted) in [
            ("text/event-stream", true),
            ("text/html, Text/Event-Stream;q=0.9", true),
            ("*/*", false),
            ("text/*", false),
            ("text/event-stream-of-mine", false),
        ] {
            assert_eq!(is_accepted(&headers(&[("accept", accept)])), accepted, "{accept}");
        }
    }
}
