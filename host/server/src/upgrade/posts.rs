//! What a client sends that reads a stream of events: one frame by each request.

use super::{
    Answer, Body, Upgrades,
    admission::Asked,
    checks::{self, Refusal},
    refuse,
};
use crate::{
    hub::Account,
    transport::{Untaken, event_stream::Posted},
};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use std::time::{Duration, Instant};
use tengen_core::security;
use tengen_wire::payload::Frame;
use tokio::time;

/// Names the session that a request belongs to: `info.session` of the handshake.
pub(super) const SESSION: &str = "tengen-session";

/// Whether a request has a message for a session.
pub(super) fn is_meant<B>(request: &Request<B>) -> bool {
    *request.method() == Method::POST && !request.headers().contains_key(header::UPGRADE)
}

/// A message has so long to become whole, as one over WebSocket has,
const WITHIN: Duration = Duration::from_secs(30);
/// and a second more for each so many bytes that came in.
const PER_SECOND: usize = 4096;

impl Upgrades {
    /// Hands a frame to its session. The answer says that it was taken; what comes of it comes on the stream.
    pub(super) async fn take_post(&self, request: Request<Incoming>, asked: Asked<'_>) -> Answer {
        match self.post(request, asked).await {
            Ok(()) => {
                let mut answer = Response::new(Body::default());
                *answer.status_mut() = StatusCode::ACCEPTED;
                answer
            }
            Err(refusal) => self.post_refused(&refusal, asked),
        }
    }

    /// What a refused message is answered, or the question whether one may be posted. Counted, and told now and then.
    pub(super) fn post_refused(&self, refusal: &Refusal, asked: Asked<'_>) -> Answer {
        let (status, why) = (refusal.status.as_u16(), refusal.label);
        let inside = refusal.inside.as_deref().unwrap_or_default();
        let (peer, endpoint) = (asked.peer, &asked.endpoint.path);
        let untold = self.posts.untold(why, Instant::now());
        macro_rules! tell {
            ($($name:tt)*) => {
                match untold {
                    Some(untold) => {
                        tracing::info!($($name)* %peer, %endpoint, status, why, untold, inside, "a posted message was refused");
                    }
                    None => {
                        tracing::debug!($($name)* %peer, %endpoint, status, why, inside, "a posted message was refused");
                    }
                }
            };
        }
        match why {
            "origin" => tell!(name: security::ORIGIN,),
            "csrf" => tell!(name: security::CSRF,),
            _ => tell!(),
        }
        refuse(refusal)
    }

    async fn post(&self, request: Request<Incoming>, asked: Asked<'_>) -> Result<(), Refusal> {
        check(&request, asked)?;
        let secret = secret(request.headers())?;
        let session = self.sessions.find(secret, asked.index).ok_or_else(ended)?;
        let limits = &self.around.limits;
        let facts = &session.link.facts;
        if facts.waiting.holding.is_budget_full() {
            return Err(no_memory());
        }
        let mut account = Account::new(std::sync::Arc::clone(facts));
        let count = |bytes| {
            account.set(bytes);
            true
        };
        let body = read(request, limits.message.get(), count).await?;
        if std::str::from_utf8(&body).is_err() {
            let reason = "a message is text in UTF-8";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "not-utf8", reason));
        }
        let posted = Posted::new(Frame { text: true, body }, account);
        session.post(posted, limits.wait).await.map_err(|untaken| match untaken {
            Untaken::Busy => busy("busy", "what was sent before is not taken yet; try again later"),
            Untaken::Ended => ended(),
        })
    }
}

/// What every request with a message must be before anything of it is read.
pub(super) fn check<B>(request: &Request<B>, asked: Asked<'_>) -> Result<(), Refusal> {
    checks::one_host(request.version(), request.uri(), request.headers())?;
    checks::origin(&asked.endpoint.origins, request.headers())?;
    if request.version() != Version::HTTP_11 {
        return Err(Refusal::new(
            StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            "version",
            "a message is posted by HTTP/1.1",
        ));
    }
    if request.headers().contains_key(header::TRANSFER_ENCODING) {
        let reason = "a message is posted with its length, in `Content-Length`";
        return Err(Refusal::new(StatusCode::LENGTH_REQUIRED, "length", reason));
    }
    Ok(())
}

fn secret(headers: &HeaderMap) -> Result<&str, Refusal> {
    let named = headers.get(SESSION).ok_or_else(|| {
        let reason = format!(
            "a message is posted with the header `{SESSION}`: `info.session` of the stream's first event"
        );
        Refusal::new(StatusCode::BAD_REQUEST, "no-session", reason)
    })?;
    named.to_str().map_err(|_| ended())
}

/// Reads a message to its end, within its time and size; `count` is told what it is about to take, and whether that is too much.
pub(super) async fn read(
    request: Request<Incoming>,
    most: usize,
    mut count: impl FnMut(usize) -> bool,
) -> Result<Bytes, Refusal> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > most) {
        return Err(too_large(most));
    }
    let begun = time::Instant::now();
    let mut body = Limited::new(request.into_body(), most);
    let mut read = Vec::new();
    loop {
        let due = begun + WITHIN + Duration::from_secs((read.len() / PER_SECOND) as u64);
        match time::timeout_at(due, body.frame()).await {
            Err(_) => {
                let reason = "the message did not come to its end in time";
                return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "unfinished", reason));
            }
            Ok(None) => return Ok(read.into()),
            Ok(Some(Ok(frame))) => {
                let more = frame.data_ref().map(Bytes::as_ref).unwrap_or_default();
                if let Some(capacity) = to_grow(&read, more.len(), most) {
                    if !count(capacity) {
                        return Err(no_memory());
                    }
                    read.reserve_exact(capacity - read.len());
                }
                read.extend_from_slice(more);
            }
            Ok(Some(Err(error))) if error.is::<LengthLimitError>() => return Err(too_large(most)),
            Ok(Some(Err(_))) => {
                let reason = "the message broke off";
                return Err(Refusal::new(StatusCode::BAD_REQUEST, "gone", reason));
            }
        }
    }
}

/// How large what was read has to become for so many more bytes, if it has to: twice as large, or as a message may be.
fn to_grow(read: &Vec<u8>, more: usize, most: usize) -> Option<usize> {
    let needed = read.len().saturating_add(more);
    let twice = read.capacity().saturating_mul(2).min(most);
    (needed > read.capacity()).then(|| needed.max(twice))
}

/// Known by nobody, or no more: both look alike.
fn ended() -> Refusal {
    let reason = "there is no such session; open a stream, whose first event names yours";
    Refusal::new(StatusCode::NOT_FOUND, "session", reason)
}

pub(super) fn too_large(most: usize) -> Refusal {
    let reason = format!("a message has at most {most} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", reason)
}

pub(super) fn no_memory() -> Refusal {
    busy("memory", "too much waits to be read or decided; try again later")
}

pub(super) fn busy(label: &'static str, reason: &str) -> Refusal {
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, label, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_takes_twice_as_much_as_it_has_and_no_more_than_it_may() {
        let read = |length: usize, capacity: usize| {
            let mut read = Vec::with_capacity(capacity);
            read.resize(length, 0);
            read
        };
        assert_eq!(to_grow(&read(0, 0), 10, 1000), Some(10));
        assert_eq!(to_grow(&read(10, 16), 6, 1000), None);
        assert_eq!(to_grow(&read(10, 16), 7, 1000), Some(32));
        assert_eq!(to_grow(&read(10, 16), 90, 1000), Some(100));
        assert_eq!(to_grow(&read(600, 600), 1, 1000), Some(1000));
        assert_eq!(to_grow(&read(600, 600), 0, 1000), None);
    }
}
