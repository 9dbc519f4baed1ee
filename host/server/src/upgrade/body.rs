//! What an answer carries: a short text, a part of a file that is read while it is sent, or a stream of events.

use crate::transport::event_stream;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    fs::File,
    io::{AsyncRead, ReadBuf},
};

/// Read of a file at a time. So much of it waits for a peer twice, here and with hyper, and no more.
const CHUNK: usize = 32 << 10;

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    Text(Full<Bytes>),
    File(Excerpt),
    Events(event_stream::Body),
}

impl Default for Body {
    fn default() -> Self {
        Self::Text(Full::default())
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

/// So many bytes of a file, from where it stands.
#[derive(Debug)]
pub struct Excerpt {
    file: File,
    left: u64,
}

impl Excerpt {
    pub(super) fn new(mut file: File, length: u64) -> Self {
        file.set_max_buf_size(CHUNK);
        Self { file, left: length }
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let most = usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK);
        if most == 0 {
            return Poll::Ready(None);
        }
        let mut space = vec![0; most];
        let mut chunk = ReadBuf::new(&mut space);
        if let Err(error) = ready!(Pin::new(&mut self.file).poll_read(cx, &mut chunk)) {
            return Poll::Ready(Some(Err(error)));
        }
        let length = chunk.filled().len();
        if length == 0 {
            // Its length was promised: the connection ends, so that nobody takes this for the whole.
            let shorter = io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter");
            return Poll::Ready(Some(Err(shorter)));
        }
        self.left -= length as u64;
        space.truncate(length);
        Poll::Ready(Some(Ok(Frame::data(space.into()))))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Text(text) => Pin::new(text).poll_frame(cx).map_err(|never| match never {}),
            Self::File(excerpt) => excerpt.poll_chunk(cx),
            Self::Events(stream) => stream.poll_next(cx).map(|piece| piece.map(Ok)),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Text(text) => text.is_end_stream(),
            Self::File(excerpt) => excerpt.left == 0,
            Self::Events(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Text(text) => text.size_hint(),
            Self::File(excerpt) => SizeHint::with_exact(excerpt.left),
            Self::Events(_) => SizeHint::default(),
        }
    }
}
