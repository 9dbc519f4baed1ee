//! Who comes to a port gets a place and is served, one after the other.

use super::{
    farewell::Farewell,
    places::{Place, Places},
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Waited after an accept that failed: the file limit is reached, most likely.
const BACK_OFF: Duration = Duration::from_millis(50);

/// Somebody who has a place.
#[derive(Debug)]
pub struct Caller {
    pub(super) stream: TcpStream,
    pub peer: SocketAddr,
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
    let mut failed = 0_u64;
    let accepting = async {
        loop {
            let (stream, peer) = door.next(&mut failed).await;
            match door.places.take(peer.ip()).await {
                Some(place) => drop(tasks.spawn(serve(Caller { stream, peer, place }))),
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
    async fn next(&self, failed: &mut u64) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(caller) => {
                    if *failed > 0 {
                        tracing::info!(
                            listener = self.name,
                            failed,
                            "connections are accepted again"
                        );
                        *failed = 0;
                    }
                    return caller;
                }
                Err(error) => {
                    // Said once, not twenty times a second for as long as it lasts.
                    if *failed == 0 {
                        tracing::warn!(listener = self.name, %error, "accepting a connection failed; the limit of open files may be reached");
                    }
                    *failed += 1;
                    time::sleep(BACK_OFF).await;
                }
            }
        }
    }
}
