//! Fan-out through a broadcast channel: each subscriber's task writes what waits, then flushes once.

use super::socket::{self, Socket};
use anyhow::Result;
use futures_util::{SinkExt, StreamExt};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::{
    net::TcpStream,
    sync::broadcast::{self, error::RecvError},
};
use tokio_tungstenite::tungstenite::Message;

/// Publications that wait for the slowest subscriber.
const CAPACITY: usize = 1024;

#[derive(Debug, Clone)]
pub(super) struct Room {
    said: broadcast::Sender<Message>,
    offset: Arc<AtomicU64>,
}

impl Default for Room {
    fn default() -> Self {
        Self { said: broadcast::Sender::new(CAPACITY), offset: Arc::default() }
    }
}

impl Room {
    pub(super) async fn serve(self, stream: TcpStream) -> Result<()> {
        let mut socket = socket::accept(stream).await?;
        while let Some(message) = socket.next().await.transpose()? {
            match Said::of(&message) {
                Some(Said::Join) => {
                    let said = self.said.subscribe();
                    socket.send(Message::text(Said::JOINED)).await?;
                    return listen(socket, said).await;
                }
                Some(Said::Say(data)) => {
                    let offset = self.offset.fetch_add(1, Ordering::Relaxed) + 1;
                    // Without subscribers nobody misses it.
                    self.said.send(Message::text(Said::publication(data, offset))).ok();
                }
                None => {}
            }
        }
        Ok(())
    }
}

async fn listen(mut socket: Socket, mut said: broadcast::Receiver<Message>) -> Result<()> {
    loop {
        match said.recv().await {
            Ok(message) => socket.feed(message).await?,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return Ok(()),
        }
        while let Ok(message) = said.try_recv() {
            socket.feed(message).await?;
        }
        socket.flush().await?;
    }
}

/// What a client of a fan-out says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said<'a> {
    Join,
    /// Publish this.
    Say(&'a str),
}

impl<'a> Said<'a> {
    pub(super) const JOINED: &'static str = r#"[1,"cb"]"#;

    pub(super) fn of(message: &'a Message) -> Option<Self> {
        let Message::Text(text) = message else { return None };
        if text.starts_with(r#"[["relay/join""#) {
            return Some(Self::Join);
        }
        text.strip_prefix(r#"[["relay/say","#)?.strip_suffix("],null]").map(Self::Say)
    }

    /// What subscribers get, byte for byte as from the gateway.
    pub(super) fn publication(data: &str, offset: u64) -> String {
        format!(
            r#"[[["tengen/publication",{{"channel":"relay/all","id":"relay/said","data":{data},"offset":{offset}}}]],null]"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_joins_and_says() {
        let join = Message::text(r#"[["relay/join",1],"cb"]"#);
        assert_eq!(Said::of(&join), Some(Said::Join));
        let say = Message::text(r#"[["relay/say","x"],null]"#);
        assert_eq!(Said::of(&say), Some(Said::Say(r#""x""#)));
        assert_eq!(Said::of(&Message::text("[]")), None);
    }
}
