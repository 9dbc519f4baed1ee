//! The clients' port: bind, accept, and one HTTP connection after the other.

use crate::{
    requests::{self, Caller, Door, Ended, Places, Rules},
    upgrade::Upgrades,
};
use std::{io, net::SocketAddr, sync::Arc, time::Instant};
use tengen_core::{meter::Happened, security};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    pub address: SocketAddr,
    #[source]
    pub source: io::Error,
}

/// A port that is taken and not open: whoever connects is refused at once, and does not wait.
#[derive(Debug)]
pub struct Reserved {
    socket: socket2::Socket,
    /// The real one, when the system chose the port.
    address: SocketAddr,
}

/// Takes the port, or says that somebody else has it.
pub fn reserve(address: SocketAddr) -> Result<Reserved, BindError> {
    let take = || {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            Some(socket2::Protocol::TCP),
        )?;
        // A gateway that was restarted gets its port back at once.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let real = socket.local_addr()?.as_socket();
        Ok(Reserved { socket, address: real.unwrap_or(address) })
    };
    take().map_err(|source| BindError { address, source })
}

impl Reserved {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Opens the port. From here on clients can connect; they are served by [`serve`].
    pub fn open(self) -> Result<TcpListener, BindError> {
        let Self { socket, address } = self;
        let open = || {
            socket.listen(4096)?;
            TcpListener::from_std(socket.into())
        };
        open().map_err(|source| BindError { address, source })
    }
}

/// Accepts until `stop`; requests that are under way then are finished.
pub async fn serve(
    listener: TcpListener,
    upgrades: Arc<Upgrades>,
    places: Arc<Places>,
    rules: Rules,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let door = Door { name: "clients", listener, places };
    let serve = |caller: Caller| {
        let (upgrades, stop) = (Arc::clone(&upgrades), stop.clone());
        async move {
            let remote = caller.remote;
            let served = Arc::clone(&upgrades);
            let answer = move |request| {
                let upgrades = Arc::clone(&served);
                async move { upgrades.respond(request, remote).await }
            };
            let ended = requests::serve(caller, answer, rules, &stop).await;
            note(&upgrades, remote.peer, &ended);
        }
    };
    let refused = |peer| {
        upgrades.around.hub.meter.note(Happened::RequestFailed("address"));
        if let Some(untold) = upgrades.failures.untold("address", Instant::now()) {
            tracing::info!(name: security::ADDRESS, %peer, untold, "a connection was refused: its address has its share of `limits.per_address`");
        }
    };
    requests::accept(door, serve, refused, tasks, stop.clone()).await;
}

/// Counts a connection that did not end as it should. What an operator can do something about is told, once a second for
/// each kind.
fn note(upgrades: &Upgrades, peer: SocketAddr, ended: &Ended) {
    let Some(why) = ended.label() else { return };
    upgrades.around.hub.meter.note(Happened::RequestFailed(why));
    let untold = upgrades.failures.untold(why, Instant::now());
    match (ended, untold) {
        (Ended::HeadBytes(limit), Some(untold)) => {
            tracing::warn!(%peer, limit, untold, "a request was refused (431): its head is larger than `limits.request_head`, for its cookies most likely; raise that, or have less of them set");
        }
        (Ended::HeadLines(limit), Some(untold)) => {
            tracing::warn!(%peer, limit, untold, "a request was refused (431): it has more header lines than `limits.request_lines`; raise that, or have the proxy add fewer");
        }
        (Ended::Evicted, Some(untold)) => {
            tracing::warn!(%peer, untold, "HTTP connections without a whole request are closed for newcomers: all places are taken; a higher limit of open files makes more of them, `limits.per_address` shares them out");
        }
        (Ended::Failed(error), _) => tracing::debug!(%peer, %error, why, "request failed"),
        _ => tracing::debug!(%peer, why, "request failed"),
    }
}
