//! From an HTTP request to an open connection: checks, an agreement, authentication, and then what the transport needs of
//! it (`websocket`, `events`).

mod admission;
mod agreement;
mod authentication;
mod body;
mod checks;
mod cors;
mod csrf;
mod endpoints;
mod ends;
mod events;
mod opening;
mod openings;
mod place;
mod polls;
mod posts;
mod serving;
mod statics;
pub(crate) mod tried;
mod websocket;

pub use body::Body;
pub use endpoints::Endpoints;
pub use polls::Polling;

use crate::{connection::Surroundings, requests::Remote, transport::event_stream::Sessions};
use admission::Asked;
use arc_swap::ArcSwap;
use checks::Refusal;
use cors::Readers;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header, request::Parts};
use hyper::body::Incoming;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use tengen_core::{
    authenticator::Authenticator,
    meter::{Happened, Metric, Samples},
    often::{Often, Times},
    security,
    trace::{Kind, Span, Start, TraceContext, Tracer},
};
use tengen_settings::{self as settings, Endpoint, Traceparent};
use tengen_wire::{id::PluginName, transport::Transport};
use tokio_util::task::TaskTracker;

/// Texts, files and handshakes alike.
pub type Answer = Response<Body>;

/// What every upgrade needs of the gateway.
#[derive(Debug)]
pub struct Upgrades {
    pub endpoints: Endpoints,
    pub statics: Vec<settings::Static>,
    pub heartbeat: settings::Heartbeat,
    pub around: Arc<Surroundings>,
    pub tracer: Arc<dyn Tracer>,
    /// By plugin name; replaced when plugins come and go.
    pub authenticators: ArcSwap<HashMap<PluginName, Arc<dyn Authenticator>>>,
    /// This process, in the handshake.
    pub node: String,
    /// Upgrades that were refused.
    pub refusals: Often,
    /// HTTP connections that ended before their time, and files that could not be served.
    pub failures: Often,
    /// Connections that the gateway ended.
    pub ends: Arc<Often>,
    pub tasks: TaskTracker,
    /// Those who read a stream of events.
    pub sessions: Sessions,
    /// Those who poll.
    pub polling: Polling,
    /// Messages of both that were refused.
    pub posts: Often,
    /// How long the authenticator may take.
    pub patience: Duration,
}

/// An address as people and plugins know it: a socket of both families shows an IPv4 peer as `[::ffff:…]`.
fn as_it_is(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        IpAddr::V4(address) => SocketAddr::from((address, peer.port())),
        IpAddr::V6(_) => peer,
    }
}

impl Upgrades {
    /// Answers one request.
    ///
    /// What it takes to look at one is in a box: it would otherwise be there for as long as its connection, and while an answer
    /// is waited for.
    pub async fn respond(&self, request: Request<Incoming>, from: Remote) -> Answer {
        let (answer, readers) = Box::pin(self.look_at(request, from)).await;
        let seal = |answer| match readers {
            Some(readers) => readers.may_read(answer),
            None => answer,
        };
        polls::complete(answer, self.patience, seal)
    }

    /// The answer, or what stands for one that is there later; and which pages may read it, if it is for pages.
    async fn look_at(&self, request: Request<Incoming>, from: Remote) -> (Answer, Option<Readers>) {
        let from = Remote { peer: as_it_is(from.peer), ..from };
        let path = request.uri().path();
        let Some((index, endpoint)) = self.endpoints.at(path) else {
            if let Some((index, endpoint)) = self.endpoints.of_tokens(path) {
                let readers = Readers::of(&endpoint.origins, request.headers());
                let asked = Asked { endpoint, index, peer: from.peer };
                return (self.csrf_token(&request, asked), Some(readers));
            }
            return (self.respond_plain(&request).await, None);
        };
        let asked = Asked { endpoint, index, peer: from.peer };
        let headers = request.headers();
        if cors::is_preflight(request.method(), headers) {
            let polls = polls::may_be_asked_for(endpoint);
            let answer = cors::preflight(&endpoint.origins, headers, polls);
            let answer = answer.unwrap_or_else(|refusal| self.post_refused(&refusal, asked));
            return (answer, None);
        }
        let transport = openings::asked_for(&request, endpoint);
        // Who asks for an answer, and not for a socket, may be a page of another origin that wants to read it.
        let readers =
            (transport != Transport::WebSocket).then(|| Readers::of(&endpoint.origins, headers));
        let answer = match (posts::is_meant(&request), transport) {
            (true, Transport::LongPoll) => {
                match csrf::check(endpoint, request.uri(), request.headers()) {
                    Ok(()) => self.take_sent(request, asked).await,
                    Err(refusal) => self.post_refused(&refusal, asked),
                }
            }
            (true, _) => self.take_post(request, asked).await,
            (false, _) => self.open(request, asked, from, transport).await,
        };
        (answer, readers)
    }

    /// Opens a connection.
    async fn open(
        &self,
        request: Request<Incoming>,
        asked: Asked<'_>,
        from: Remote,
        transport: Transport,
    ) -> Answer {
        let (mut parts, _) = request.into_parts();
        let mut span = self.upgrade_span(&parts, asked.endpoint, from, transport);
        let opened = match csrf::check(asked.endpoint, &parts.uri, &parts.headers) {
            Ok(()) => openings::open(transport, self, &mut parts, asked, &mut span).await,
            Err(refusal) => Err(refusal),
        };
        let answer = opened.unwrap_or_else(|refusal| {
            span.fail(refusal.label);
            self.refused(&refusal, asked)
        });
        span.set("http.response.status_code", i64::from(answer.status().as_u16()));
        answer
    }

    fn refused(&self, refusal: &Refusal, asked: Asked<'_>) -> Answer {
        let (why, status) = (refusal.label, refusal.status.as_u16());
        self.around.hub.meter.note(Happened::UpgradeRefused(why, status));
        self.log_refusal(refusal, asked.peer, &asked.endpoint.path);
        refuse(refusal)
    }

    async fn respond_plain(&self, request: &Request<Incoming>) -> Answer {
        let meant = checks::one_host(request.version(), request.uri(), request.headers());
        if let Err(refusal) = meant {
            return refuse(&refusal);
        }
        let served = statics::respond(&self.statics, &self.failures, request).await;
        served.unwrap_or_else(|| text(StatusCode::NOT_FOUND, "nothing is served at this path"))
    }

    /// The first of a kind that is somebody's work inside is a warning; the log has one of a kind in a second.
    fn log_refusal(&self, refusal: &Refusal, peer: SocketAddr, endpoint: &str) {
        let (status, why) = (refusal.status.as_u16(), refusal.label);
        let inside = refusal.inside.as_deref().unwrap_or_default();
        let times = self.refusals.count(refusal.label, Instant::now());
        macro_rules! tell {
            ($($name:tt)*) => {
                match times {
                    Some(Times { count: 1, .. }) if refusal.inside.is_some() => {
                        tracing::warn!($($name)* %peer, %endpoint, status, why, inside, "upgrade refused");
                    }
                    Some(Times { untold, .. }) => {
                        tracing::info!($($name)* %peer, %endpoint, status, why, untold, inside, "upgrade refused");
                    }
                    None => tracing::debug!($($name)* %peer, %endpoint, status, why, inside, "upgrade refused"),
                }
            };
        }
        match why {
            "origin" => tell!(name: security::ORIGIN,),
            "csrf" => tell!(name: security::CSRF,),
            "denied" | "token-ended" => tell!(name: security::AUTHENTICATION,),
            _ => tell!(),
        }
    }

    /// What was refused and lost here, in metrics.
    pub fn collect(&self, into: &mut Samples) {
        for (why, count) in self.posts.counts() {
            into.add(Metric::RefusedPosts, &[why], count);
        }
        let files = self.failures.counts().remove("file").unwrap_or_default();
        into.add(Metric::UnservedFiles, &[], files);
    }

    fn upgrade_span(
        &self,
        parts: &Parts,
        endpoint: &Endpoint,
        Remote { peer, scheme }: Remote,
        transport: Transport,
    ) -> Span {
        let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
        let theirs = trace_of(&*self.tracer, &parts.headers);
        let belongs = endpoint.traceparent == Traceparent::Parent;
        let mut span = self.tracer.start(Start {
            operation: "GET",
            target: &endpoint.path,
            kind: Kind::Server,
            parent: theirs.as_ref().filter(|_| belongs),
            link: None,
            at: None,
        });
        if let Some(theirs) = theirs.filter(|_| !belongs) {
            span.link(&theirs);
        }
        if span.is_recording() {
            span.set("http.request.method", "GET");
            span.set("http.route", endpoint.path.clone());
            span.set("url.path", endpoint.path.clone());
            span.set("url.scheme", scheme.word());
            span.set("network.protocol.name", transport.profile().protocol);
            span.set("network.peer.address", peer.ip().to_string());
            span.set("network.peer.port", i64::from(peer.port()));
            if let Some(agent) = header("user-agent") {
                span.set("user_agent.original", agent.to_owned());
            }
            span.set("tengen.dialect", endpoint.dialect.word());
        }
        span
    }
}

/// The trace context of a request. Several `tracestate` headers are one list (W3C Trace Context, 3.3.1); several
/// `traceparent` headers are none that could be believed.
fn trace_of(tracer: &dyn Tracer, headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all("traceparent").iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
    let states: Option<Vec<_>> =
        headers.get_all("tracestate").iter().map(|state| state.to_str().ok()).collect();
    let state = states.filter(|states| !states.is_empty()).map(|states| states.join(","));
    tracer.extract(parent.to_str().ok()?, state.as_deref())
}

fn refuse(refusal: &Refusal) -> Answer {
    let mut answer = text(refusal.status, &refusal.reason);
    let headers = answer.headers_mut();
    if refusal.label == "bad-version" {
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    }
    if refusal.status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    }
    if refusal.status == StatusCode::UPGRADE_REQUIRED {
        // RFC 9110 sections 7.8 and 15.5.22.
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let unavailable = refusal.status == StatusCode::SERVICE_UNAVAILABLE;
    let wait = refusal.retry_after.or_else(|| unavailable.then_some(Duration::from_secs(1)));
    if let Some(wait) = wait {
        // Whole seconds, none of them too early.
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    }
    answer
}

fn text(status: StatusCode, reason: &str) -> Answer {
    let mut answer = Response::new(Body::from(format!("{reason}\n")));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_of_ipv4_is_shown_as_one() {
        for (seen, shown) in [
            ("[::ffff:10.1.2.3]:9", "10.1.2.3:9"),
            ("10.1.2.3:9", "10.1.2.3:9"),
            ("[2001:db8::1]:9", "[2001:db8::1]:9"),
            ("[::1]:9", "[::1]:9"),
        ] {
            let seen: SocketAddr = seen.parse().unwrap();
            assert_eq!(as_it_is(seen).to_string(), shown);
        }
    }
}
