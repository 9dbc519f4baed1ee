//! Fan-out without tasks: the publisher's own loop writes the encoded frame to every socket.

use super::{broadcast::Said, socket};
use anyhow::Result;
use futures_util::{SinkExt, StreamExt};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

#[derive(Debug, Clone, Default)]
pub(super) struct Room(Arc<Mutex<Members>>);

#[derive(Debug, Default)]
struct Members {
    sockets: Vec<TcpStream>,
    offset: u64,
}

impl Room {
    pub(super) async fn serve(self, stream: TcpStream) -> Result<()> {
        let mut socket = socket::accept(stream).await?;
        while let Some(message) = socket.next().await.transpose()? {
            match Said::of(&message) {
                Some(Said::Join) => {
                    socket.send(Message::text(Said::JOINED)).await?;
                    self.lock().sockets.push(socket.into_inner());
                    return Ok(());
                }
                Some(Said::Say(data)) => self.lock().publish(data),
                None => {}
            }
        }
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Members {
    /// A socket that does not take the whole frame at once is given up.
    fn publish(&mut self, data: &str) {
        self.offset += 1;
        let frame = frame(&Said::publication(data, self.offset));
        self.sockets
            .retain(|socket| socket.try_write(&frame).is_ok_and(|written| written == frame.len()));
    }
}

/// A server's text frame of at most 64 KiB.
fn frame(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    let mut frame = vec![0x81];
    match u8::try_from(length) {
        Ok(short @ 0..126) => frame.push(short),
        _ => {
            frame.push(126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame.extend_from_slice(text.as_bytes());
    frame
}
