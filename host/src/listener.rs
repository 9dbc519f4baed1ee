//! The port: bind, accept, and one HTTP connection after the other.

use crate::upgrade::Upgrades;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Requests that may be under way at one time, before they are connections.
const HANDSHAKES: usize = 4096;
/// The largest request head, in bytes.
const HEAD_MAX: usize = 16 << 10;
/// Header lines of a request.
const HEADERS_MAX: usize = 64;
/// Waited after an accept that failed: the file limit is reached, most likely.
const BACK_OFF: Duration = Duration::from_millis(50);

/// The listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    pub address: SocketAddr,
    #[source]
    pub source: io::Error,
}

/// Opens the port. From here on clients can connect; they are served by [`serve`].
pub fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let open = || {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            Some(socket2::Protocol::TCP),
        )?;
        // A gateway that was restarted gets its port back at once.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(4096)?;
        TcpListener::from_std(socket.into())
    };
    open().map_err(|source| BindError { address, source })
}

/// Accepts until `stop`; requests that are under way then are finished.
pub async fn serve(
    listener: TcpListener,
    upgrades: Arc<Upgrades>,
    head_within: Duration,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
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
                let request =
                    request(stream, peer, Arc::clone(&upgrades), head_within, stop.clone(), place);
                tasks.spawn(request);
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection failed");
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
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            match time::timeout(head_within, connection).await {
                Ok(result) => result,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = result {
        tracing::debug!(%peer, %error, "request failed");
    }
}
