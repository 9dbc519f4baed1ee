//! The only place that opens a socket.

use crate::{gate::Pass, resolver::Resolve, tls::Tls};
use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tengen_wire::fault::{Fault, FaultId};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use url::Host;

/// How long one address is given to answer.
const EACH: Duration = Duration::from_secs(5);

/// How many of a name's addresses are tried.
const TRIED: usize = 4;

/// Bytes to and from a server.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Opens connections to where a pass leads.
#[derive(Debug)]
pub(crate) struct Connector {
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) tls: Tls,
}

impl Connector {
    pub(crate) async fn connect(&self, pass: &Pass) -> Result<Box<dyn Stream>, Fault> {
        let target = &pass.target;
        let addresses = match &target.host {
            Host::Domain(name) => self.resolver.resolve(name.clone()).await.map_err(|why| {
                tracing::debug!(%name, %why, "an outgoing request's name was not found");
                unreachable(pass, "has no address that could be found")
            })?,
            Host::Ipv4(address) => vec![IpAddr::from(*address)],
            Host::Ipv6(address) => vec![IpAddr::from(*address)],
        };
        let socket = open(pass, &addresses).await?;
        socket.set_nodelay(true).map_err(|_| unreachable(pass, "ended the connection"))?;
        if target.plain {
            return Ok(Box::new(socket));
        }
        let secured = timeout(EACH, self.tls.secure(socket, &target.host)).await;
        match secured.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => Ok(Box::new(stream)),
            Err(why) => {
                Err(unreachable(pass, format_args!("could not be spoken to by TLS: {why}")))
            }
        }
    }
}

/// Connects to the first address that answers, of those that the gate lets through. What is checked is what is connected to:
/// between the two stands nothing that could look anything up.
async fn open(pass: &Pass, addresses: &[IpAddr]) -> Result<TcpStream, Fault> {
    let mut tried = addresses.iter().copied().filter(|it| pass.lets(*it)).take(TRIED).peekable();
    if tried.peek().is_none() {
        return Err(match addresses.first() {
            Some(address) => pass.refusal(*address),
            None => unreachable(pass, "has no address"),
        });
    }
    let mut last = None;
    for address in tried {
        let to = SocketAddr::new(address.to_canonical(), pass.target.port);
        match timeout(EACH, TcpStream::connect(to)).await {
            Ok(Ok(socket)) => return Ok(socket),
            Ok(Err(why)) => last = Some(why.kind()),
            Err(_) => last = Some(io::ErrorKind::TimedOut),
        }
    }
    let why = last.unwrap_or(io::ErrorKind::NotConnected);
    Err(unreachable(pass, format_args!("could not be connected to: {why}")))
}

fn unreachable(pass: &Pass, why: impl fmt::Display) -> Fault {
    Fault::new(FaultId::Unreachable, format!("`{}` {why}", pass.target.authority()))
}
