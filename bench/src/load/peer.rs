//! One client connection: the upgrade, then frames in and out with as little work as possible.

use super::frame::{self, Opcode};
use anyhow::{Context as _, Result, bail};
use std::{cell::RefCell, io, net::SocketAddr, time::Duration};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// How long anything may take that should take milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes asked for at a time.
const READ: usize = 64 << 10;
/// The receive buffer of a peer that does not read, in bytes.
const NARROW: u32 = 4 << 10;
const REQUEST_HEAD_MAX: usize = 8 << 10;

thread_local! {
    /// Read into by every connection of the thread: ten thousand idle ones need no buffer each.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// What an endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `tengen.v1.json`.
    Tengen,
    /// `tengen.v1.edn`.
    Edn,
    /// Each frame is an event, and comes back as it is.
    Raw,
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Peer {
    stream: TcpStream,
    /// Bytes that were read and not taken.
    unread: Vec<u8>,
    /// Where they begin.
    start: usize,
}

impl Peer {
    /// Connects, upgrades in `tengen.v1.json` and reads the dialect's first frame.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        Self::open_as(address, Dialect::Tengen).await
    }

    /// Connects and waits until events may be sent.
    pub(crate) async fn open_as(address: SocketAddr, dialect: Dialect) -> Result<Self> {
        let opened = async {
            if dialect == Dialect::Raw {
                return Self::connect(address, "/ws", "").await;
            }
            let (mut peer, begin) = match dialect {
                Dialect::Edn => {
                    let headers = "Sec-WebSocket-Protocol: tengen.v1.edn\r\n";
                    (Self::connect(address, "/ws", headers).await?, "[[:chsk/handshake ")
                }
                _ => (Self::upgrade(address, "").await?, r#"[["chsk/handshake","#),
            };
            let greeting = peer.text().await?;
            if !greeting.starts_with(begin.as_bytes()) {
                bail!("the first frame is no handshake: {}", String::from_utf8_lossy(greeting));
            }
            Ok(peer)
        };
        timeout(PATIENCE, opened).await.context("opening a connection took too long")?
    }

    /// Connects and upgrades in `tengen.v1.json`; `headers` are further lines of the request, each with its end.
    pub(crate) async fn upgrade(address: SocketAddr, headers: &str) -> Result<Self> {
        let headers = format!("Sec-WebSocket-Protocol: tengen.v1.json\r\n{headers}");
        Self::connect(address, "/ws", &headers).await
    }

    /// As [`Peer::open`], on a socket that takes no more than a few kilobytes before somebody reads.
    pub(crate) async fn open_narrow(address: SocketAddr) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(NARROW)?;
        let stream = socket.connect(address).await.context("connecting")?;
        let opened = async {
            let headers = "Sec-WebSocket-Protocol: tengen.v1.json\r\n";
            let mut peer = Self::over(stream, &request(address, "/ws", headers)).await?;
            peer.text().await?;
            Ok(peer)
        };
        timeout(PATIENCE, opened).await.context("opening a connection took too long")?
    }

    /// Connects and upgrades, naming no format but what the headers name.
    pub(crate) async fn connect(address: SocketAddr, path: &str, headers: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        Self::over(stream, &request(address, path, headers)).await
    }

    async fn over(stream: TcpStream, request: &str) -> Result<Self> {
        stream.set_nodelay(true)?;
        // Closed by reset: a hundred thousand connections would use up the ports while waiting for late packets.
        stream.set_zero_linger()?;
        let mut peer = Self { stream, unread: Vec::new(), start: 0 };
        peer.send(request.as_bytes()).await?;
        peer.read_answer().await?;
        Ok(peer)
    }

    async fn read_answer(&mut self) -> Result<()> {
        loop {
            self.fill().await.context("waiting for the answer to the upgrade")?;
            if let Some(end) = self.unread.windows(4).position(|window| window == b"\r\n\r\n") {
                if !self.unread.starts_with(b"HTTP/1.1 101") {
                    bail!("the upgrade was refused: {}", String::from_utf8_lossy(&self.unread));
                }
                self.start = end + 4;
                return Ok(());
            }
            anyhow::ensure!(
                self.unread.len() < REQUEST_HEAD_MAX,
                "the answer to the upgrade has no end"
            );
        }
    }

    /// Writes all of it.
    pub(crate) async fn send(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.stream.try_write(bytes) {
                Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.stream.writable().await?
                }
                Err(error) => return Err(error).context("writing"),
            }
        }
        Ok(())
    }

    /// Waits for bytes and reads what is there.
    pub(crate) async fn fill(&mut self) -> Result<()> {
        while !self.try_fill()? {
            self.stream.readable().await?;
        }
        Ok(())
    }

    /// Reads what is there. Whether anything was.
    pub(crate) fn try_fill(&mut self) -> Result<bool> {
        let read = SCRATCH.with_borrow_mut(|scratch| {
            let read = self.stream.try_read(scratch)?;
            self.unread.drain(..self.start);
            self.start = 0;
            self.unread.extend_from_slice(scratch.get(..read).unwrap_or_default());
            io::Result::Ok(read)
        });
        match read {
            Ok(0) => bail!("the server closed the connection"),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).context("reading"),
        }
    }

    /// The next frame of those that were read.
    pub(crate) fn pop(&mut self) -> Result<Option<(Opcode, &[u8])>> {
        let rest = self.unread.get(self.start..).unwrap_or_default();
        let Some(found) = frame::first(rest)? else { return Ok(None) };
        self.start += found.end;
        Ok(rest.get(found.header..found.end).map(|payload| (found.opcode, payload)))
    }

    /// The next text frame; anything else ends the connection.
    pub(crate) async fn text(&mut self) -> Result<&[u8]> {
        loop {
            if frame::first(self.unread.get(self.start..).unwrap_or_default())?.is_some() {
                break;
            }
            self.fill().await?;
        }
        match self.pop()? {
            Some((Opcode::Text, payload)) => Ok(payload),
            Some((other, payload)) => {
                bail!("not a text frame: {other:?} {}", String::from_utf8_lossy(payload))
            }
            None => bail!("a frame went away"),
        }
    }
}

fn request(address: SocketAddr, path: &str, headers: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    )
}
