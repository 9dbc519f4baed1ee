//! Somebody else's server, byte by byte.

use anyhow::{Context, Result};
use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[derive(Debug)]
pub(crate) struct Backend(TcpListener);

impl Backend {
    pub(crate) async fn start() -> Result<Self> {
        Self::at("127.0.0.1:0").await
    }

    pub(crate) async fn at(address: &str) -> Result<Self> {
        Ok(Self(TcpListener::bind(address).await?))
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().expect("it is bound").port()
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/", self.port())
    }

    /// Takes a request, and says it with the connection to answer on.
    pub(crate) async fn asked(&self) -> Result<(String, TcpStream)> {
        let (mut socket, _) = self.0.accept().await?;
        let mut bytes = Vec::new();
        loop {
            let read = socket.read_buf(&mut bytes).await?;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if read == 0 || is_whole(&text) {
                return Ok((text, socket));
            }
        }
    }

    /// Takes a request, answers it with this status and text, and says what was asked.
    pub(crate) async fn answer(&self, status: &str, text: &str) -> Result<String> {
        let (asked, mut socket) = self.asked().await?;
        let length = text.len();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nX-Own: 1\r\n");
        socket.write_all(format!("{head}\r\n{text}").as_bytes()).await?;
        Ok(asked)
    }

    /// Takes a request, and sends this again and again until the other side has had enough.
    pub(crate) async fn answer_without_end(&self, part: &[u8]) -> Result<()> {
        let (_, mut socket) = self.asked().await?;
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        while socket.write_all(part).await.is_ok() {}
        Ok(())
    }

    /// Whether nobody has connected.
    pub(crate) async fn is_untouched(&self) -> bool {
        tokio::task::yield_now().await;
        self.0.accept().now_or_never().is_none()
    }
}

fn is_whole(text: &str) -> bool {
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// The value of a request's header.
pub(crate) fn header<'a>(asked: &'a str, name: &str) -> Result<&'a str> {
    let lines = asked.lines().filter_map(|line| line.split_once(": "));
    let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|it| it.1);
    found.next().with_context(|| format!("no `{name}` in {asked}"))
}
