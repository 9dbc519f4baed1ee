//! From a stream's bytes to messages.

use super::{
    Received, Violation,
    header::{Header, Opcode, close_code, unmask},
};
use crate::frame::Frame;
use bytes::{Buf, BytesMut};

/// What is left of a read is moved into a buffer of its own when it is no longer than this: the rest of the read may
/// then be given back.
const MOVED: usize = 4096;
/// Of a frame so much of which has come, more is believed to come: its buffer then grows to its length or to so many times what
/// is there, instead of twice. Each growth copies what is there to fresh memory; whoever only says how long its frame is holds
/// no more than that.
const BEGUN: usize = 64 << 10;
const GROWTH: usize = 4;

/// Puts frames from a client together.
#[derive(Debug)]
pub struct Reader {
    max_message: usize,
    /// What came in and has not been read.
    buffer: BytesMut,
    /// Nobody else holds what `buffer` lies in.
    alone: bool,
    /// The header that was taken off in front of `buffer`.
    frame: Option<Header>,
    /// The fragments so far of a message that has more.
    message: Option<Box<Message>>,
    /// How many messages, and control frames outside of them, have become whole.
    whole: u64,
    /// Messages are thrown away.
    skims: bool,
}

/// Something that has begun to come in and is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfinished {
    /// Another number is another message. Control frames and fragments in a message do not make it another one.
    pub number: u64,
    /// So much of it has come in.
    pub bytes: usize,
}

#[derive(Debug)]
struct Message {
    text: bool,
    body: BytesMut,
    /// So many bytes of a text are known to be UTF-8.
    valid: usize,
}

impl Reader {
    /// `max_message`: the longest message, in bytes, whatever its number of fragments.
    pub fn new(max_message: usize) -> Self {
        Self {
            max_message,
            buffer: BytesMut::new(),
            alone: true,
            frame: None,
            message: None,
            whole: 0,
            skims: false,
        }
    }

    /// Takes in what came from the peer. Call [`Reader::take`] until it has nothing more.
    pub fn feed(&mut self, input: &[u8]) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::from(input);
            self.alone = true;
        } else {
            self.make_room(input.len());
            self.buffer.extend_from_slice(input);
        }
    }

    /// Room for this much more, and for what is believed to come behind it.
    fn make_room(&mut self, more: usize) {
        let (there, room) = (self.buffer.len(), self.buffer.capacity());
        let Some(header) = self.frame.filter(|_| there >= BEGUN && there + more > room) else {
            return;
        };
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        self.buffer.reserve(length.min(GROWTH * there).saturating_sub(there));
    }

    /// The next message or control frame; none until more comes in.
    pub fn take(&mut self) -> Result<Option<Received>, Violation> {
        loop {
            let header = match self.frame {
                Some(header) => header,
                None => match Header::parse(&self.buffer)? {
                    Some(header) => self.begin(header)?,
                    None => return Ok(None),
                },
            };
            let length = usize::try_from(header.length).map_err(|_| Violation::TooLarge)?;
            if self.skims && !header.opcode.is_control() {
                if self.skim(header, length) {
                    continue;
                }
                return Ok(None);
            }
            if self.buffer.len() < length {
                return Ok(None);
            }
            self.frame = None;
            let mut payload = self.cut(length);
            unmask(&mut payload, header.mask);
            if let Some(received) = self.join(header, payload)? {
                self.whole += u64::from(self.message.is_none());
                return Ok(Some(received));
            }
        }
    }

    /// To be called when nothing more can be read for now: gives back what is not needed while waiting.
    pub fn rest(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        } else if !self.alone && self.buffer.len() <= MOVED {
            self.buffer = BytesMut::from(self.buffer.as_ref());
            self.alone = true;
        }
    }

    /// What has begun to come in and is not whole.
    pub fn unfinished(&self) -> Option<Unfinished> {
        let message = self.message.as_ref().map_or(0, |message| message.body.len());
        let begun = self.message.is_some() || self.frame.is_some() || !self.buffer.is_empty();
        begun.then(|| Unfinished { number: self.whole, bytes: message + self.buffer.len() })
    }

    /// From now on messages are thrown away as they come in, and only control frames are taken. What has come of a message is
    /// let go of at once: its rest may take its time.
    pub fn throw_away(&mut self) {
        self.skims = true;
        if let Some(message) = &mut self.message {
            message.body = BytesMut::new();
        }
        if let Some(header) = self.frame.filter(|header| !header.opcode.is_control()) {
            self.skim(header, usize::try_from(header.length).unwrap_or(usize::MAX));
        }
        self.buffer = BytesMut::from(self.buffer.as_ref());
        self.alone = true;
    }

    /// Throws away what is there of a data frame. True: the frame is over.
    fn skim(&mut self, header: Header, length: usize) -> bool {
        let there = length.min(self.buffer.len());
        self.buffer.advance(there);
        if there < length {
            self.frame = Some(Header { length: (length - there) as u64, ..header });
            return false;
        }
        self.frame = None;
        let nothing = || Message { text: false, body: BytesMut::new(), valid: 0 };
        self.message = (!header.last).then(|| Box::new(nothing()));
        true
    }

    /// Bytes that it holds.
    pub fn held(&self) -> usize {
        self.buffer.capacity() + self.message.as_ref().map_or(0, |message| message.body.capacity())
    }

    /// A frame begins: whether it may is known from its header.
    fn begin(&mut self, header: Header) -> Result<Header, Violation> {
        let fragments = self.message.as_ref().map(|message| message.body.len());
        if !header.opcode.is_control() {
            if fragments.is_some() != (header.opcode == Opcode::Continuation) {
                return Err(Violation::Protocol);
            }
            let room = self.max_message - fragments.unwrap_or(0).min(self.max_message);
            if header.length > room as u64 {
                return Err(Violation::TooLarge);
            }
        }
        self.buffer.advance(header.size);
        self.frame = Some(header);
        Ok(header)
    }

    fn cut(&mut self, length: usize) -> BytesMut {
        if length == self.buffer.len() {
            return std::mem::take(&mut self.buffer);
        }
        self.alone = false;
        self.buffer.split_to(length)
    }

    /// A frame is whole; none: its message is not.
    fn join(&mut self, header: Header, payload: BytesMut) -> Result<Option<Received>, Violation> {
        match header.opcode {
            Opcode::Ping => return Ok(Some(Received::Ping(payload.freeze()))),
            Opcode::Pong => return Ok(Some(Received::Pong)),
            Opcode::Close => return close_code(&payload).map(|code| Some(Received::Close(code))),
            Opcode::Text | Opcode::Binary if header.last => {
                let text = header.opcode == Opcode::Text;
                if text && std::str::from_utf8(&payload).is_err() {
                    return Err(Violation::NotUtf8);
                }
                return Ok(Some(Received::Message(Frame { text, body: payload.freeze() })));
            }
            Opcode::Text | Opcode::Binary => {
                let text = header.opcode == Opcode::Text;
                self.message = Some(Box::new(Message { text, body: payload, valid: 0 }));
            }
            Opcode::Continuation => {
                if let Some(message) = &mut self.message {
                    message.body.extend_from_slice(&payload);
                }
            }
        }
        if let Some(message) = &mut self.message {
            message.validate(header.last)?;
        }
        let whole = if header.last { self.message.take() } else { None };
        Ok(whole.map(|message| {
            let Message { text, body, .. } = *message;
            Received::Message(Frame { text, body: body.freeze() })
        }))
    }
}

impl Message {
    /// Looks at what has not been looked at yet. A character may be cut by the end of a fragment, not of the message.
    fn validate(&mut self, last: bool) -> Result<(), Violation> {
        if !self.text {
            return Ok(());
        }
        let unseen = self.body.get(self.valid..).unwrap_or_default();
        match std::str::from_utf8(unseen) {
            Ok(_) => self.valid = self.body.len(),
            Err(error) if error.error_len().is_none() && !last => self.valid += error.valid_up_to(),
            Err(_) => return Err(Violation::NotUtf8),
        }
        Ok(())
    }
}
