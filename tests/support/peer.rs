//! A peer on a raw TCP socket: it can send anything, at any pace, and stop at any place.

use crate::{
    client::PATIENCE,
    frames::{self, CLOSE, Frame},
};
use anyhow::{Context, Result, bail, ensure};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The key of RFC 6455's example, and the answer to it.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// An HTTP answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Status line and header lines, in lower case.
    pub head: String,
    pub body: String,
}

/// What a peer sees next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    Frame(Frame),
    /// The gateway ended the TCP connection, in order.
    End,
    /// The TCP connection was reset.
    Reset,
}

#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    /// Bytes that were read and not looked at yet.
    unread: Vec<u8>,
}

impl Peer {
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// Connects and becomes a WebSocket.
    pub async fn open(address: SocketAddr, path: &str) -> Result<Self> {
        let mut peer = Self::connect(address).await?;
        peer.send(upgrade(path, "").as_bytes()).await?;
        let answer = peer.answer().await?;
        ensure!(answer.status == 101, "{answer:?}");
        ensure!(answer.head.contains(&ACCEPT.to_lowercase()), "{answer:?}");
        Ok(peer)
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.send_within(bytes, PATIENCE).await
    }

    /// Sends to one that may not read for so long.
    pub async fn send_within(&mut self, bytes: &[u8], patience: Duration) -> Result<()> {
        timeout(patience, self.stream.write_all(bytes))
            .await
            .context("the gateway does not read")??;
        Ok(())
    }

    /// Sends in pieces of so many bytes, each in a write of its own.
    pub async fn send_in_pieces(&mut self, bytes: &[u8], size: usize) -> Result<()> {
        for piece in bytes.chunks(size) {
            self.send(piece).await?;
        }
        Ok(())
    }

    pub async fn frame(&mut self, frame: Frame) -> Result<()> {
        self.send(&frame.encode()).await
    }

    /// Ends the sending half: the gateway reads to the end, and can still answer.
    pub async fn half_close(&mut self) -> Result<()> {
        Ok(self.stream.shutdown().await?)
    }

    /// Throws the connection away: the gateway sees a reset.
    pub fn reset(self) -> Result<()> {
        Ok(self.stream.set_zero_linger()?)
    }

    /// The next HTTP answer, with as much of a body as its head promises.
    pub async fn answer(&mut self) -> Result<Answer> {
        let end = loop {
            if let Some(at) = self.unread.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            ensure!(
                self.read().await? == Read::Some,
                "the connection ended before an answer: {:?}",
                String::from_utf8_lossy(&self.unread)
            );
        };
        let head: Vec<u8> = self.unread.drain(..end).collect();
        let head = String::from_utf8(head)?.to_lowercase();
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(Ok(0), str::parse)?;
        while self.unread.len() < length {
            ensure!(self.read().await? == Read::Some, "the body ends early");
        }
        let body = String::from_utf8(self.unread.drain(..length).collect())?;
        Ok(Answer { status, head, body })
    }

    /// The next frame, or how the connection ended.
    pub async fn next(&mut self) -> Result<Seen> {
        loop {
            if let Some((frame, length)) = frames::decode(&self.unread) {
                self.unread.drain(..length);
                ensure!(!frame.masked && frame.rsv == 0, "no server sends this: {frame:?}");
                return Ok(Seen::Frame(frame));
            }
            match self.read().await? {
                Read::Some => {}
                Read::End if self.unread.is_empty() => return Ok(Seen::End),
                Read::End => bail!("the connection ended inside a frame"),
                Read::Reset => return Ok(Seen::Reset),
            }
        }
    }

    /// The next text or binary message: its opcode and payload. Answers no ping.
    pub async fn message(&mut self) -> Result<(u8, Vec<u8>)> {
        loop {
            match self.next().await? {
                Seen::Frame(frame) if frame.opcode < CLOSE => {
                    ensure!(frame.fin, "the gateway does not fragment");
                    return Ok((frame.opcode, frame.payload));
                }
                Seen::Frame(frame) if frame.opcode > CLOSE => {}
                other => bail!("expected a message, got {other:?}"),
            }
        }
    }

    pub async fn text(&mut self) -> Result<String> {
        Ok(String::from_utf8(self.message().await?.1)?)
    }

    /// Reads to the close frame, passing over everything else; its code, 1005 without one, and its reason.
    pub async fn closed(&mut self) -> Result<(u16, String)> {
        loop {
            match self.next().await? {
                Seen::Frame(frame) if frame.opcode == CLOSE => return close_of(&frame),
                Seen::Frame(_) => {}
                other => bail!("no close frame before the connection ended: {other:?}"),
            }
        }
    }

    /// Waits for the end of the TCP connection, passing over everything that still comes.
    pub async fn ended(&mut self) -> Result<()> {
        loop {
            self.unread.clear();
            if self.read().await? != Read::Some {
                return Ok(());
            }
        }
    }

    /// Whether the TCP connection has ended already. Does not wait; what was not read before the end is lost.
    pub fn has_ended(&mut self) -> bool {
        let mut scrap = [0; 4096];
        loop {
            match self.stream.try_read(&mut scrap) {
                Ok(1..) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return false,
                Ok(0) | Err(_) => return true,
            }
        }
    }

    async fn read(&mut self) -> Result<Read> {
        self.unread.reserve(64 << 10);
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.unread));
        match read.await.context("the gateway says nothing")? {
            Ok(0) => Ok(Read::End),
            Ok(_) => Ok(Read::Some),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(Read::Reset),
            Err(error) => Err(error.into()),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Read {
    Some,
    End,
    Reset,
}

/// A good upgrade request, with further header lines.
pub fn upgrade(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: gateway.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

/// Code and reason of a close frame.
pub fn close_of(frame: &Frame) -> Result<(u16, String)> {
    match frame.payload.as_slice() {
        [] => Ok((1005, String::new())),
        [high, low, reason @ ..] => {
            Ok((u16::from_be_bytes([*high, *low]), String::from_utf8(reason.to_vec())?))
        }
        [_] => bail!("a close frame of one byte"),
    }
}
