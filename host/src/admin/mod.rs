//! The admin listener: health, readiness, statistics and plugins over HTTP, on an address of its own.
//!
//! | request | answer |
//! |---|---|
//! | `GET /healthz` | 200 while the process answers |
//! | `GET /readyz` | 200 only while new connections are accepted, else 503 |
//! | `GET /stats` | counters, as JSON |
//! | `GET /plugins` | each plugin's state, as JSON |
//! | `POST /plugins/NAME/reload` | loads the plugin again; needs `Authorization: Bearer KEY` |

mod access;
pub mod client;
pub mod sign;
pub mod state;

use crate::settings::Secret;
use access::{Action, Denied};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use std::{fmt, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Calls that are answered at the same time; more wait to be accepted.
const CONNECTIONS: usize = 64;
/// A caller that has not sent its request head by then is cut off.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// One call, from its first byte to the last of its answer: a reload compiles a plugin.
const CALL_WITHIN: Duration = Duration::from_secs(120);
/// Accepting failed, most likely for want of file descriptors: try again after so long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the admin listener shows and does; the gateway implements it.
pub trait Source: fmt::Debug + Send + Sync {
    /// Whether new connections are accepted.
    fn ready(&self) -> bool;

    /// Counters and gauges.
    fn stats(&self) -> Value;

    /// A list with the state of each plugin.
    fn plugins(&self) -> Value;

    /// Loads a plugin again from its file. Ok: its new state. Err: why the old version goes on serving.
    fn reload<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Value, String>>;
}

/// What every call needs.
#[derive(Debug)]
struct Admin {
    listen: SocketAddr,
    source: Arc<dyn Source>,
    keys: Vec<Secret>,
}

/// Answers calls until `stop`; calls that are being answered then are finished.
pub async fn serve(
    listener: TcpListener,
    source: Arc<dyn Source>,
    keys: Vec<Secret>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let Ok(listen) = listener.local_addr() else {
        tracing::error!("the admin listener has no address and is not served");
        return;
    };
    let admin = Arc::new(Admin { listen, source, keys });
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = accept(&listener, &places) => accepted,
        };
        match stream {
            Ok((stream, peer, place)) => {
                let (admin, stop) = (Arc::clone(&admin), stop.clone());
                tasks.spawn(async move {
                    if let Err(error) = one_connection(stream, admin, stop).await {
                        tracing::debug!(%peer, %error, "admin call failed");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "admin listener cannot accept");
                pause(&stop).await;
            }
        }
    }
}

/// The next caller, once there is a place.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

async fn pause(stop: &CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
    }
}

/// One call per connection: nothing idles, so the places are bounded by work and not by patience.
async fn one_connection(
    stream: TcpStream,
    admin: Arc<Admin>,
    stop: CancellationToken,
) -> io::Result<()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let admin = Arc::clone(&admin);
        async move { Ok::<_, std::convert::Infallible>(admin.answer(&request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .keep_alive(false)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let deadline = tokio::time::sleep(CALL_WITHIN);
    let mut deadline = std::pin::pin!(deadline);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = &mut connection => return ended.map_err(io::Error::other),
            () = &mut deadline => return Err(io::ErrorKind::TimedOut.into()),
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

impl Admin {
    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let action = match access::check(request, self.listen, &self.keys) {
            Ok(action) => action,
            Err(denied) => {
                tracing::warn!(path = request.uri().path(), why = %denied, "admin call refused");
                return refuse(&denied);
            }
        };
        match action {
            Action::Health => respond(StatusCode::OK, &json!({ "status": "ok" })),
            Action::Ready => match self.source.ready() {
                true => respond(StatusCode::OK, &json!({ "ready": true })),
                false => respond(StatusCode::SERVICE_UNAVAILABLE, &json!({ "ready": false })),
            },
            Action::Stats => respond(StatusCode::OK, &self.source.stats()),
            Action::Plugins => respond(StatusCode::OK, &self.source.plugins()),
            Action::Reload(name) => match self.source.reload(name).await {
                Ok(state) => respond(StatusCode::OK, &state),
                Err(why) => respond(StatusCode::CONFLICT, &json!({ "error": why })),
            },
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
        _ => {}
    }
    answer
}

fn respond(status: StatusCode, value: &Value) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(format!("{value}\n"))));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests;
