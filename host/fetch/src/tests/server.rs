//! A server that answers what it is told to, byte by byte.

use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

#[derive(Debug)]
pub(super) struct Server(TcpListener);

impl Server {
    pub(super) async fn start(at: &str) -> Self {
        Self(TcpListener::bind(at).await.unwrap())
    }

    pub(super) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    pub(super) fn url(&self, host: &str, path: &str) -> String {
        format!("http://{host}:{}{path}", self.port())
    }

    /// The grant to reach it under this name, wherever that leads.
    pub(super) fn grant(&self, host: &str) -> String {
        format!("http://{host}:{}!", self.port())
    }

    pub(super) async fn accept(&self) -> TcpStream {
        self.0.accept().await.unwrap().0
    }

    /// Takes one request, answers it, and says what it was.
    pub(super) async fn answer(&self, answer: impl AsRef<[u8]>) -> String {
        let mut socket = self.accept().await;
        let asked = read(&mut socket).await;
        socket.write_all(answer.as_ref()).await.unwrap();
        asked
    }

    /// Takes one request, and sends this again and again until the other side has had enough.
    pub(super) async fn answer_without_end(&self, head: &str, part: &[u8]) {
        let mut socket = self.accept().await;
        read(&mut socket).await;
        socket.write_all(head.as_bytes()).await.unwrap();
        while socket.write_all(part).await.is_ok() {}
    }

    /// Takes one request and begins an answer, then waits for the other side to leave.
    pub(super) async fn answer_in_part(&self, part: &str) {
        let mut socket = self.accept().await;
        read(&mut socket).await;
        socket.write_all(part.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        drop(socket.read_to_end(&mut rest).await);
    }

    /// Whether nobody has connected.
    pub(super) async fn is_untouched(&self) -> bool {
        tokio::task::yield_now().await;
        self.0.accept().now_or_never().is_none()
    }
}

/// A request's head and body.
pub(super) async fn read(socket: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    loop {
        assert_ne!(socket.read_buf(&mut bytes).await.unwrap(), 0, "a whole request");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
            return text;
        }
    }
}
