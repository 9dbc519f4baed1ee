//! The port: bind, accept, and one HTTP connection after the other.

use crate::{hub::Counters, upgrade::Upgrades};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The largest request head, in bytes.
const HEAD_MAX: usize = 16 << 10;
/// Header lines of a request.
const HEADERS_MAX: usize = 64;
/// Waited after an accept that failed: the file limit is reached, most likely.
const BACK_OFF: Duration = Duration::from_millis(50);
/// How many times as long as for a request's head an HTTP connection may last in all, answers and further requests
/// included: who asks and never reads would hold its place for ever.
const PATIENCE: u32 = 6;

/// What the listener goes by.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Most requests that are under way at one time, before they are connections. More wait to be accepted.
    pub requests: usize,
    /// How long a request's head may take to arrive.
    pub head_within: Duration,
}

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
    rules: Rules,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(rules.requests));
    let mut failed = 0_u64;
    loop {
        let place = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let Ok(place) = place else { return };
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                if failed > 0 {
                    tracing::info!(failed, "connections are accepted again");
                    failed = 0;
                }
                let within = rules.head_within;
                let request =
                    request(stream, peer, Arc::clone(&upgrades), within, stop.clone(), place);
                tasks.spawn(request);
            }
            Err(error) => {
                // Said once, not twenty times a second for as long as it lasts.
                if failed == 0 {
                    tracing::warn!(%error, "accepting a connection failed; the limit of open files may be reached");
                }
                failed += 1;
                time::sleep(BACK_OFF).await;
            }
        }
    }
}

/// Serves the requests of one HTTP connection, until an upgrade takes its socket away.
async fn request(
    stream: TcpStream,
    peer: SocketAddr,
    upgrades: Arc<Upgrades>,
    head_within: Duration,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "the socket ended before its first request");
        return;
    }
    let hub = Arc::clone(&upgrades.around.hub);
    let service = service_fn(move |request| {
        let upgrades = Arc::clone(&upgrades);
        async move { Ok::<_, Infallible>(upgrades.respond(request, peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_within)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => Some(result),
        () = ended_by(&stop, head_within * PATIENCE) => {
            connection.as_mut().graceful_shutdown();
            time::timeout(head_within, connection).await.ok()
        }
    };
    match result {
        Some(Ok(())) => return,
        Some(Err(error)) => tracing::debug!(%peer, %error, "request failed"),
        None => tracing::debug!(%peer, "an HTTP connection took too long and was cut off"),
    }
    Counters::add(&hub.counters.failed_requests, 1);
}

/// Waits until the gateway ends or the time is over.
async fn ended_by(stop: &CancellationToken, after: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = time::sleep(after) => {}
    }
}
