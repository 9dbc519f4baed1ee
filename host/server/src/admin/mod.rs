//! The admin listener: health, readiness, statistics and plugins over HTTP, on an address of its own.
//!
//! | request | answer |
//! |---|---|
//! | `GET /healthz` | 200 while the process answers; whoever asks, under every name |
//! | `GET /readyz` | 200 only while new connections are accepted, else 503; the same. Names each plugin and how it is to who may ask the rest |
//! | `GET /stats` | what is counted, as JSON |
//! | `GET /metrics` | the same for scrapers, as Prometheus or OpenMetrics have it |
//! | `GET /plugins` | each plugin's state, as JSON |
//! | `POST /plugins/NAME/reload` | loads the plugin again; needs `Authorization: Bearer KEY` |
//! | `GET /sinks` | signals, sinks and their filters, as JSON |
//! | `POST /sinks/ORDER?NAME=VALUE` | changes something of them, see `docs/signals.md`; needs a key as well |
//!
//! How plugins are decides nothing about readiness. A node that is not ready is sent nobody, and all nodes run the same
//! plugins: one that fails everywhere would empty the balancer, and take the others with it. What a plugin is left out of is
//! answered `plugin-unavailable` with a time to try again; whoever watches the plugins has `/readyz` and `/plugins` for it.

mod access;
pub mod client;
pub mod sign;
pub mod state;

use crate::{
    metrics::{self, Form},
    requests::{self, Caller, Door, Ended, Limits, Places, Rules, Times},
};
use access::{Action, Denied};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tengen_core::{meter::Samples, often::Often, security};
use tengen_settings as settings;
use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Callers at the same time. Where there are more, the oldest that has not said what it wants goes.
const CONNECTIONS: usize = 64;
/// Calls that are carried out at the same time. The other places are for probes: whoever asks whether the gateway is well
/// does not wait behind those who have it do something.
const CALLS: usize = CONNECTIONS / 2;
/// One call for each connection: nothing idles. A reload compiles a plugin.
const RULES: Rules = Rules {
    head: Limits { bytes: 16 << 10, lines: 64 },
    times: Times {
        head: Duration::from_secs(5),
        answer: Duration::from_secs(120),
        keep_alive: None,
    },
};

/// What the admin listener shows and does; the gateway implements it.
pub trait Source: fmt::Debug + Send + Sync {
    /// Whether new connections are accepted.
    fn ready(&self) -> bool;

    /// How each plugin is, in a word.
    fn health(&self) -> BTreeMap<String, &'static str>;

    /// All that is counted, and how much there is. Asked where it may take a moment.
    fn samples(&self) -> Samples;

    /// The same as JSON, and what is no count.
    fn stats(&self) -> Value;

    /// A list with the state of each plugin.
    fn plugins(&self) -> Value;

    /// Loads a plugin again from its file. Ok: its new state. Err: why the old version goes on serving.
    fn reload<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Value, String>>;

    /// Signals, sinks and their filters.
    fn sinks(&self) -> Value;

    /// Changes something of them. Ok: what there is to say of it. Err: why it is not done.
    fn order<'a>(
        &'a self,
        order: &'a str,
        wishes: Vec<(String, String)>,
    ) -> BoxFuture<'a, Result<Value, String>>;
}

/// What every call needs.
#[derive(Debug)]
struct Admin {
    listen: SocketAddr,
    source: Arc<dyn Source>,
    settings: settings::Admin,
    calls: Semaphore,
    tasks: TaskTracker,
    /// Calls that were refused, which anybody can make.
    refused: Often,
}

/// Answers calls until `stop`; calls that are being answered then are finished.
pub async fn serve(
    listener: TcpListener,
    source: Arc<dyn Source>,
    settings: settings::Admin,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let Ok(listen) = listener.local_addr() else {
        tracing::error!("the admin listener has no address and is not served");
        return;
    };
    let admin = Arc::new(Admin {
        listen,
        source,
        settings,
        calls: Semaphore::new(CALLS),
        tasks: tasks.clone(),
        refused: Often::default(),
    });
    let door = Door { name: "admin", listener, places: Places::new(CONNECTIONS, None) };
    let serve = |caller: Caller| {
        let (admin, stop) = (Arc::clone(&admin), stop.clone());
        async move {
            let peer = caller.remote.peer;
            let answer = move |request: Request<Incoming>| {
                let admin = Arc::clone(&admin);
                async move { admin.answer(&request).await }
            };
            let ended: Ended = requests::serve(caller, answer, RULES, &stop).await;
            if let Some(why) = ended.label() {
                tracing::debug!(%peer, why, ?ended, "admin call failed");
            }
        }
    };
    // No address has a share here, so nobody is refused.
    requests::accept(door, serve, drop, tasks, stop.clone()).await;
}

impl Admin {
    /// One of a kind in a minute: whoever reaches the listener can make refusals.
    fn tell_of_refusal(&self, path: &str, why: &Denied) {
        match self.refused.untold(why.label(), Instant::now()) {
            Some(untold) if why.is_of_security() => {
                tracing::warn!(name: security::ADMIN, path, %why, untold, "admin call refused");
            }
            None if why.is_of_security() => {
                tracing::debug!(name: security::ADMIN, path, %why, "admin call refused");
            }
            Some(untold) => tracing::warn!(path, %why, untold, "admin call refused"),
            None => tracing::debug!(path, %why, "admin call refused"),
        }
    }

    /// Plugins are named to those alone who may ask for all else.
    fn readiness(&self, whole: bool) -> Response<Full<Bytes>> {
        let ready = self.source.ready();
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let answer = match whole {
            true => json!({ "ready": ready, "plugins": self.source.health() }),
            false => json!({ "ready": ready }),
        };
        respond(status, &answer)
    }

    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let allowed = access::check(request, self.listen, &self.settings).and_then(|action| {
            let place = (!action.is_probe()).then(|| self.calls.try_acquire()).transpose();
            place.map(|place| (action, place)).map_err(|_| Denied::Busy)
        });
        let (action, _place) = match allowed {
            Ok(allowed) => allowed,
            Err(denied) => {
                self.tell_of_refusal(request.uri().path(), &denied);
                return refuse(&denied);
            }
        };
        match action {
            Action::Health => respond(StatusCode::OK, &json!({ "status": "ok" })),
            Action::Ready { whole } => self.readiness(whole),
            Action::Stats => respond(StatusCode::OK, &self.source.stats()),
            Action::Metrics => self.metrics(Form::wanted(request.headers())).await,
            Action::Plugins => respond(StatusCode::OK, &self.source.plugins()),
            Action::Reload(name) => changed(self.source.reload(name).await),
            Action::Sinks => respond(StatusCode::OK, &self.source.sinks()),
            Action::Order(order, query) => match pairs(query) {
                Some(wishes) => changed(self.source.order(order, wishes).await),
                None => changed(Err(
                    "the query cannot be read: write NAME=VALUE with & between".to_owned()
                )),
            },
        }
    }
}

impl Admin {
    /// With many plugins it is a lot of text: written where nobody waits for the thread.
    async fn metrics(&self, form: Form) -> Response<Full<Bytes>> {
        let source = Arc::clone(&self.source);
        let written = self.tasks.spawn_blocking(move || metrics::text(source.samples(), form));
        match written.await {
            Ok(Ok(text)) => answer(StatusCode::OK, form.content_type(), text),
            failed => {
                tracing::error!(
                    ?failed,
                    "metrics cannot be written, which is a fault of the gateway: please report it"
                );
                let why = json!({ "error": "the metrics cannot be written" });
                respond(StatusCode::INTERNAL_SERVER_ERROR, &why)
            }
        }
    }
}

fn refuse(denied: &Denied) -> Response<Full<Bytes>> {
    let mut answer = respond(denied.status(), &json!({ "error": denied.to_string() }));
    match denied {
        Denied::Method { allow } => {
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        Denied::NoKey | Denied::WrongKey => {
            answer
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Denied::Busy => {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    answer
}

/// What a call came to that was to change something.
fn changed(result: Result<Value, String>) -> Response<Full<Bytes>> {
    match result {
        Ok(state) => respond(StatusCode::OK, &state),
        Err(why) => respond(StatusCode::CONFLICT, &json!({ "error": why })),
    }
}

/// The pairs of a query, with what is written in hex resolved.
fn pairs(query: &str) -> Option<Vec<(String, String)>> {
    let text = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8().ok().map(Cow::into_owned)
    };
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        Some((text(name)?, text(value)?))
    };
    query.split('&').filter(|part| !part.is_empty()).map(pair).collect()
}

fn respond(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    answer(status, "application/json", format!("{value}\n"))
}

fn answer(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(text)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests;
