//! The WebSocket of one connection: frames in and out, tungstenite behind it and nowhere else.

use crate::{close::Reason, payload::Frame};
use bytes::Bytes;
use futures_util::{Sink, Stream};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time,
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message, Utf8Bytes,
        error::CapacityError,
        handshake::derive_accept_key,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

/// Bytes that the codec asks the kernel for at a time. It zeroes them before every read and keeps them for as long as
/// the connection lives, so a larger buffer costs time and memory on every connection.
const READ_BUFFER: usize = 1024;
/// Frames smaller than this are written together.
const WRITE_BUFFER: usize = 16 << 10;
/// What the codec may hold that the kernel did not take yet, besides one message.
const WRITE_SLACK: usize = 64 << 10;
/// How long a peer may take to answer our close frame.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// What a read brought.
#[derive(Debug)]
pub(super) enum Received {
    Frame(Frame),
    /// A ping or pong of the WebSocket layer: answered by the codec, but a sign of life.
    Control,
}

#[derive(Debug)]
pub(super) struct Socket<S> {
    stream: WebSocketStream<S>,
    /// Something was handed to the codec that is not flushed.
    dirty: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Takes over a socket whose upgrade was answered; `already_read` came in behind the request.
    pub(super) async fn new(io: S, already_read: Vec<u8>, max_message: usize) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_write_buffer_size(WRITE_BUFFER + WRITE_SLACK + max_message)
            .max_message_size(Some(max_message))
            .max_frame_size(Some(max_message));
        let stream = if already_read.is_empty() {
            WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await
        } else {
            WebSocketStream::from_partially_read(io, already_read, Role::Server, Some(config)).await
        };
        Self { stream, dirty: false }
    }

    /// The next frame; Err: why no more will come.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Reason>> {
        let message = match ready!(Pin::new(&mut self.stream).poll_next(cx)) {
            Some(Ok(message)) => message,
            Some(Err(error)) => return Poll::Ready(Err(reason_of(&error))),
            None => return Poll::Ready(Err(Reason::Lost)),
        };
        Poll::Ready(match message {
            Message::Text(text) => {
                Ok(Received::Frame(Frame { text: true, body: Bytes::from(text) }))
            }
            Message::Binary(body) => Ok(Received::Frame(Frame { text: false, body })),
            Message::Close(frame) => {
                Err(Reason::Peer(frame.map_or(1005, |frame| frame.code.into())))
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {
                self.dirty = true;
                Ok(Received::Control)
            }
        })
    }

    /// Whether the codec takes another frame; pending while the kernel takes nothing.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        Pin::new(&mut self.stream).poll_ready(cx).map_err(|error| reason_of(&error))
    }

    /// Hands a frame to the codec. Only after [`Socket::poll_ready`].
    pub(super) fn send(&mut self, frame: Frame) -> Result<(), Reason> {
        let message = match frame.text {
            true => Message::Text(Utf8Bytes::try_from(frame.body).map_err(|_| Reason::Internal)?),
            false => Message::Binary(frame.body),
        };
        self.start_send(message)
    }

    /// Hands a ping of the WebSocket layer to the codec.
    pub(super) fn send_ping(&mut self) -> Result<(), Reason> {
        self.start_send(Message::Ping(Bytes::new()))
    }

    /// Writes out what the codec holds.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Reason>> {
        if self.dirty {
            ready!(Pin::new(&mut self.stream).poll_flush(cx)).map_err(|error| reason_of(&error))?;
            self.dirty = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Says goodbye: a close frame where one is due, then a bounded wait for the peer's.
    pub(super) async fn close(mut self, reason: &Reason) {
        let goodbye = async {
            if !matches!(reason, Reason::Peer(_) | Reason::Lost) {
                let code = CloseCode::from(reason.code());
                let frame = CloseFrame { code, reason: Utf8Bytes::from(reason.word()) };
                if self.start_send(Message::Close(Some(frame))).is_err() {
                    return;
                }
            }
            self.dirty = true;
            if std::future::poll_fn(|cx| self.poll_flush(cx)).await.is_err()
                || *reason == Reason::Lost
            {
                return;
            }
            // The server ends TCP first (RFC 6455 section 7.1.1): a peer whose close frame is answered waits for that.
            let io = self.stream.get_mut();
            if io.shutdown().await.is_err() {
                return;
            }
            // A socket closed with unread bytes is reset, and the reset may overtake the close frame.
            let mut scrap = [0; 512];
            while matches!(io.read(&mut scrap).await, Ok(1..)) {}
        };
        // The peer had its time: what it did not take by now is lost, which its close code says.
        drop(time::timeout(CLOSE_WITHIN, goodbye).await);
    }

    fn start_send(&mut self, message: Message) -> Result<(), Reason> {
        self.dirty = true;
        Pin::new(&mut self.stream).start_send(message).map_err(|error| reason_of(&error))
    }
}

/// `Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key` (RFC 6455 section 4.2.2).
pub fn accept_key(key: &[u8]) -> String {
    derive_accept_key(key)
}

fn reason_of(error: &Error) -> Reason {
    match error {
        Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) => Reason::Lost,
        Error::Capacity(CapacityError::MessageTooLong { .. }) => Reason::TooLarge,
        Error::Utf8(_) => Reason::NotUtf8,
        Error::Protocol(
            tokio_tungstenite::tungstenite::error::ProtocolError::ResetWithoutClosingHandshake,
        ) => Reason::Lost,
        Error::Protocol(_) => Reason::Protocol,
        _ => Reason::Internal,
    }
}
