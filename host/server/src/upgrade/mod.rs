//! From an HTTP request to an open connection: checks, authentication, the 101, and the hand-over of the socket.

mod agreement;
mod authentication;
mod body;
mod checks;
mod endpoints;
mod statics;

pub use body::Body;
pub use endpoints::Endpoints;

use crate::{
    connection::{self, Surroundings},
    hub::{Counters, Hub, Link, Unwelcome},
    requests::Socket,
};
use agreement::Agreement;
use arc_swap::ArcSwap;
use authentication::Admitted;
use checks::Refusal;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header, request::Parts};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use tengen_core::{
    authenticator::{Admission, Authenticator},
    event::{Connection, Waiting},
    heartbeat::Rules,
    often::{Often, Times},
    trace::{Kind, Span, Start, TraceContext, Tracer},
};
use tengen_settings::{self as settings, Endpoint, Traceparent};
use tengen_wire::{
    close::Reason,
    dialect::{self, Dialect, Handshake},
    id::{ConnectionId, EndpointIndex, Handle, PluginName},
};
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
    /// How long the authenticator may take.
    pub patience: Duration,
}

/// The place of a connection, until its socket is gone. Its handle goes back unless the connection opens.
struct Place {
    hub: Arc<Hub>,
    handle: Handle,
    taken: bool,
}

impl Place {
    /// The connection is about to open: the handle is its own now.
    fn keep(&mut self) {
        self.taken = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.taken {
            self.hub.release(self.handle);
        }
        self.hub.gone();
    }
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
    pub async fn respond(&self, request: Request<Incoming>, peer: SocketAddr) -> Answer {
        let peer = as_it_is(peer);
        let path = request.uri().path();
        let Some((index, endpoint)) = self.endpoints.at(path) else {
            return self.respond_plain(&request).await;
        };
        let (mut parts, _) = request.into_parts();
        let mut span = self.upgrade_span(&parts, endpoint, peer);
        let answer = match self.upgrade(&mut parts, endpoint, index, peer, &mut span).await {
            Ok(answer) => answer,
            Err(refusal) => {
                Counters::add(&self.around.hub.counters.rejected, 1);
                span.fail(refusal.label);
                self.log_refusal(&refusal, peer, &endpoint.path);
                refuse(&refusal)
            }
        };
        span.set("http.response.status_code", i64::from(answer.status().as_u16()));
        answer
    }

    async fn respond_plain(&self, request: &Request<Incoming>) -> Answer {
        let meant = checks::one_host(request.version(), request.uri(), request.headers());
        if let Err(refusal) = meant {
            return refuse(&refusal);
        }
        let served = statics::respond(&self.statics, &self.failures, request).await;
        served.unwrap_or_else(|| text(StatusCode::NOT_FOUND, "nothing is served at this path"))
    }

    async fn upgrade(
        &self,
        parts: &mut Parts,
        endpoint: &Arc<Endpoint>,
        index: EndpointIndex,
        peer: SocketAddr,
        span: &mut Span,
    ) -> Result<Answer, Refusal> {
        checks::request(parts)?;
        let accept = connection::accept_key(checks::websocket_key(&parts.method, &parts.headers)?);
        checks::origin(&endpoint.origins, &parts.headers)?;
        let query = parts.uri.query().unwrap_or("").to_owned();
        let agreement = agreement::agree(endpoint, &parts.headers, &query)?;
        let place = self.reserve()?;
        let admitted = self.authenticate(parts, endpoint, &agreement, peer, span).await?;
        let Admitted { admission, ends } = admitted;
        if admission.user.is_none() && !endpoint.anonymous {
            return Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "anonymous",
                "this endpoint wants to know who you are; a token can come as `?token=`",
            ));
        }
        let Some(on_upgrade) = parts.extensions.remove::<OnUpgrade>() else {
            return Err(Refusal::new(
                StatusCode::BAD_REQUEST,
                "bad-handshake",
                "this request cannot be upgraded",
            ));
        };
        let answer = switching(&accept, agreement.subprotocol.as_deref())?;
        span.set("tengen.wire_format", agreement.wire.format.word());
        let link = self.link(&place, endpoint, index, peer, admission, &agreement, span);
        let link = link.ending_at(ends).taking(endpoint.traceparent);
        self.hand_over(on_upgrade, Arc::new(link), place);
        Ok(answer)
    }

    /// The first of a kind that is somebody's work inside is a warning; the log has one of a kind in a second.
    fn log_refusal(&self, refusal: &Refusal, peer: SocketAddr, endpoint: &str) {
        let (status, why) = (refusal.status.as_u16(), refusal.label);
        let inside = refusal.inside.as_deref().unwrap_or_default();
        match self.refusals.count(refusal.label, Instant::now()) {
            Some(Times { count: 1, .. }) if refusal.inside.is_some() => {
                tracing::warn!(%peer, %endpoint, status, why, inside, "upgrade refused");
            }
            Some(Times { untold, .. }) => {
                tracing::info!(%peer, %endpoint, status, why, untold, inside, "upgrade refused");
            }
            None => tracing::debug!(%peer, %endpoint, status, why, inside, "upgrade refused"),
        }
    }

    fn reserve(&self) -> Result<Place, Refusal> {
        let hub = &self.around.hub;
        match hub.reserve() {
            Ok(handle) => Ok(Place { hub: Arc::clone(hub), handle, taken: false }),
            Err(Unwelcome::Full) => Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "connections",
                "too many connections; try again later",
            )),
            Err(Unwelcome::Memory) => Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "memory",
                "too much waits to be read or decided; try again later",
            )),
            Err(Unwelcome::Draining) => Err(Refusal::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "draining",
                "going away; connect again",
            )),
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "everything that makes a connection comes together here, once"
    )]
    fn link(
        &self,
        place: &Place,
        endpoint: &Arc<Endpoint>,
        index: EndpointIndex,
        peer: SocketAddr,
        admission: Admission,
        agreement: &Agreement,
        span: &Span,
    ) -> Link {
        let id = ConnectionId::from_bytes(uuid::Uuid::now_v7().into_bytes());
        let facts = Arc::new(Connection {
            handle: place.handle,
            id,
            user: admission.user,
            endpoint: endpoint.path.as_str().into(),
            endpoint_index: index,
            peer,
            dialect: agreement.wire.dialect.word(),
            more: more(agreement.client.as_ref(), admission.more),
            upgrade: span.context().cloned(),
            waiting: Waiting::default(),
        });
        let handshake = dialect::handshake(
            agreement.wire,
            &Handshake {
                user: facts.user.as_ref().map(|user| &user.id),
                connection: id,
                node: &self.node,
                ping: Rules::of(agreement.wire.dialect, &self.heartbeat).ping_every(),
                max_bytes: self.around.limits.message.get(),
                version: env!("CARGO_PKG_VERSION"),
                welcome: admission.welcome.as_ref(),
            },
        );
        let link = Link::new(facts, agreement.wire, self.around.outbox, admission.channels);
        if let Some(client) = &agreement.client {
            link.set_client(client.clone());
        }
        if let Some(frame) = handshake {
            // The outbox is empty: its control queue takes the first frame always.
            let _taken = link.send_control(frame);
        }
        link
    }

    /// Serves the connection once hyper has let go of the socket, in a task that holds nothing of HTTP.
    fn hand_over(&self, on_upgrade: OnUpgrade, link: Arc<Link>, mut place: Place) {
        let tasks = self.tasks.clone();
        let (around, ends) = (Arc::clone(&self.around), Arc::clone(&self.ends));
        let rules = Rules::of(link.wire.dialect, &self.heartbeat);
        self.tasks.spawn(async move {
            let Ok(upgraded) = on_upgrade.await else { return };
            let Ok(parts) = upgraded.downcast::<TokioIo<Socket>>() else {
                tracing::error!("the socket behind an upgrade is not one of ours");
                return;
            };
            // Copied, because even an empty slice keeps hyper's whole read buffer alive.
            let mut already_read = parts.read_buf.to_vec();
            let (io, rest) = parts.io.into_inner().into_parts();
            already_read.extend_from_slice(&rest);
            drop((parts.read_buf, rest));
            link.set_shortcut(io.shortcut());
            tasks.spawn(async move {
                // No wait lies between this and the moment at which the connection is the hub's.
                place.keep();
                // Not before: a task that never runs gives the handle back.
                let ended = Arc::clone(&link);
                let facts = &ended.facts;
                tracing::debug!(connection = %facts.id, endpoint = %facts.endpoint, peer = %facts.peer, "connection opened");
                let reason = connection::serve(io, already_read, link, rules, around).await;
                drop(place);
                log_close(facts, &reason, &ends);
                log_silence(&ended, &reason, &ends);
            });
        });
    }

    fn upgrade_span(&self, parts: &Parts, endpoint: &Endpoint, peer: SocketAddr) -> Span {
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
            span.set("url.scheme", "http");
            span.set("network.protocol.name", "websocket");
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

fn log_close(facts: &Connection, reason: &Reason, ends: &Often) {
    let (code, why) = (reason.code(), reason.word());
    let by_us =
        !matches!(reason, Reason::Peer(_) | Reason::Lost | Reason::Drained | Reason::Plugin { .. });
    let label = Reason::KINDS.get(reason.kind()).copied().unwrap_or("other");
    match by_us.then(|| ends.count(label, Instant::now())).flatten() {
        Some(Times { untold, .. }) => {
            tracing::info!(connection = %facts.id, peer = %facts.peer, code, why, untold, "connection closed by the gateway");
        }
        None => {
            tracing::debug!(connection = %facts.id, peer = %facts.peer, code, why, "connection closed")
        }
    }
}

/// A client that cannot read the first frame says nothing and goes: that looks like a network's fault, and is none.
fn log_silence(link: &Link, reason: &Reason, ends: &Often) {
    let facts = &link.facts;
    let Some(silence) = baffled(link.wire.dialect, link.has_spoken(), reason) else { return };
    let times = ends.count(silence, Instant::now());
    // Now and then: others go before they have anything to say.
    if let Some(Times { count, .. }) = times.filter(|times| times.count.is_power_of_two()) {
        tracing::info!(connection = %facts.id, peer = %facts.peer, count, "{silence}");
    }
}

/// What to tell of a client that may not have understood anything.
fn baffled(dialect: Dialect, has_spoken: bool, reason: &Reason) -> Option<&'static str> {
    let by_the_peer = matches!(reason, Reason::Peer(_) | Reason::Lost | Reason::HeartbeatMissed);
    dialect.profile().silence.filter(|_| !has_spoken && by_the_peer)
}

/// What is known of a connection besides: the dialect's own first, so that it is what whoever looks a key up finds.
fn more(client: Option<&String>, added: Vec<(String, String)>) -> Vec<(String, String)> {
    let known = client.map(|client| ("client-id".to_owned(), client.clone()));
    known.into_iter().chain(added).collect()
}

/// RFC 6455 section 4.2.2: the server's part of the opening handshake.
fn switching(accept: &str, subprotocol: Option<&str>) -> Result<Answer, Refusal> {
    let mut answer = Response::new(Body::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = answer.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| {
            Refusal::new(StatusCode::BAD_REQUEST, "bad-handshake", "a header cannot be answered")
        })
    };
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, value(accept)?);
    if let Some(subprotocol) = subprotocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value(subprotocol)?);
    }
    Ok(answer)
}

fn refuse(refusal: &Refusal) -> Answer {
    let mut answer = text(refusal.status, &refusal.reason);
    let headers = answer.headers_mut();
    if refusal.label == "bad-version" {
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
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

    // Issue 10, 12.
    #[test]
    fn a_sente_client_that_goes_without_a_word_may_not_have_understood() {
        let goes = Reason::Peer(1000);
        let told = baffled(Dialect::Sente, false, &goes);
        assert!(told.is_some_and(|told| told.contains("`:packer :edn`")));
        assert!(baffled(Dialect::Sente, false, &Reason::Lost).is_some());
        assert_eq!(baffled(Dialect::Sente, true, &goes), None);
        assert_eq!(baffled(Dialect::Tengen, false, &goes), None);
        assert_eq!(baffled(Dialect::Sente, false, &Reason::Drained), None);
    }

    // Issue 10, 9.
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
