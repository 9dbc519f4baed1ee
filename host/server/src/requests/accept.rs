//! Who comes to a port gets a place and is served, one after the other.

use super::{
    farewell::Farewell,
    places::{Place, Places},
};
use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tengen_core::often::Often;
use tokio::{
    net::{TcpListener, TcpStream},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Waited after an accept that failed: the file limit is reached, most likely.
const BACK_OFF: Duration = Duration::from_millis(50);

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Remote {
    pub peer: SocketAddr,
    pub scheme: Scheme,
}

/// How the stream of a request is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
}

impl Scheme {
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
        }
    }
}

/// Somebody who has a place.
#[derive(Debug)]
pub struct Caller {
    pub(super) stream: TcpStream,
    pub remote: Remote,
    pub(super) place: Place,
}

/// A port and its places.
#[derive(Debug)]
pub struct Door {
    /// In the log: whose connections these are.
    pub name: &'static str,
    pub listener: TcpListener,
    pub places: Arc<Places>,
}

/// Accepts until `stop`, and serves each caller in a task of its own. `refused` hears of those whose address has its
/// share of places already.
pub async fn accept<F: Future<Output = ()> + Send + 'static>(
    door: Door,
    serve: impl Fn(Caller) -> F,
    refused: impl Fn(SocketAddr),
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let mut failures = Failures::default();
    let accepting = async {
        loop {
            let (stream, peer) = door.next(&mut failures).await;
            match door.places.take(peer.ip()).await {
                // In a box: it is moved several times until it runs, and again when it has ended.
                Some(place) => {
                    let remote = Remote { peer, scheme: Scheme::Http };
                    drop(tasks.spawn(Box::pin(serve(Caller { stream, remote, place }))));
                }
                None => {
                    Farewell::share().send(&stream);
                    refused(peer);
                }
            }
        }
    };
    // Nothing comes out of it: it goes on until it is stopped.
    let _stopped: Option<std::convert::Infallible> = stop.run_until_cancelled(accepting).await;
}

impl Door {
    async fn next(&self, failures: &mut Failures) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    failures.end(self.name);
                    // On a port of both families a peer of IPv4 comes as `[::ffff:…]`.
                    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                    return (stream, peer);
                }
                Err(error) => {
                    failures.add(self.name, &error);
                    time::sleep(BACK_OFF).await;
                }
            }
        }
    }
}

/// Accepts that failed, most likely for want of files, which peers can bring about and end as they like.
#[derive(Debug, Default)]
struct Failures {
    often: Often,
    /// Since somebody was accepted.
    number: u64,
    /// The log has at least one of them.
    told: bool,
}

impl Failures {
    fn add(&mut self, listener: &str, error: &io::Error) {
        self.number += 1;
        // Not twenty times a second for as long as it lasts.
        if let Some(untold) = self.often.untold("accept", Instant::now()) {
            self.told = true;
            tracing::warn!(listener, %error, untold, "accepting a connection failed; the limit of open files may be reached");
        }
    }

    /// Somebody was accepted. Whoever heard that it failed hears of it.
    fn end(&mut self, listener: &str) {
        if std::mem::take(&mut self.told) {
            tracing::info!(listener, failed = self.number, "connections are accepted again");
        }
        self.number = 0;
    }
}
