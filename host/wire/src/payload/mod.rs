//! Bytes with the name of the format they are written in, and how they get into another one.

mod transcode;

pub use crate::{format::Encoding, frame::Frame};
pub use transcode::{checked, embeddable, transcode};

use bytes::Bytes;
use std::{
    hash::{Hash, Hasher},
    ops::Range,
};

/// A value that nobody had to read yet: the bytes stay as they came until another format is needed.
///
/// An absent value (an event without data) is the encoding's nil: `null` or `nil`; for text and binary, no bytes.
#[derive(Debug, Clone)]
pub struct Payload {
    pub encoding: Encoding,
    pub body: Bytes,
    /// Where in the body its value stands, when it was read and found to be exactly one.
    value: Option<Span>,
}

/// What there is to know of a payload beside its body.
#[derive(Debug, Clone, Copy)]
pub struct Form {
    encoding: Encoding,
    value: Option<Span>,
}

impl Form {
    /// The payload, with a body of the same bytes as it had.
    pub fn with(self, body: Bytes) -> Payload {
        let Self { encoding, value } = self;
        Payload { encoding, body, value }
    }
}

/// A part of a body. No body is longer than a guest's memory.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn of(span: &Range<usize>) -> Option<Self> {
        let (start, end) = (u32::try_from(span.start).ok()?, u32::try_from(span.end).ok()?);
        Some(Self { start, end })
    }
}

/// Payloads are the same when their bytes are: who checked them says nothing of what they are.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.encoding == other.encoding && self.body == other.body
    }
}

impl Eq for Payload {}

impl Hash for Payload {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.encoding.hash(state);
        self.body.hash(state);
    }
}

impl Payload {
    /// Bytes that nobody has read.
    pub fn new(encoding: Encoding, body: impl Into<Bytes>) -> Self {
        Self { encoding, body: body.into(), value: None }
    }

    /// Bytes that a format has read or written: exactly one value. They stand in frames as they are.
    pub fn checked(encoding: Encoding, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let value = Span::of(&(0..body.len()));
        Self { encoding, body, value }
    }

    /// Bytes in which a format has found exactly one value at `span`, and beside it nothing that means anything.
    pub(crate) fn checked_at(encoding: Encoding, body: Bytes, span: &Range<usize>) -> Self {
        Self { encoding, body, value: Span::of(span) }
    }

    /// Whether a format has read the body and found it to be what the encoding says.
    pub fn is_checked(&self) -> bool {
        self.value.is_some()
    }

    /// All but the body, which may be kept elsewhere.
    pub fn form(&self) -> Form {
        Form { encoding: self.encoding, value: self.value }
    }

    /// The value alone, as it can stand in a frame; none when nobody has read the body yet.
    pub(crate) fn value(&self) -> Option<Bytes> {
        let Span { start, end } = self.value?;
        let (start, end) = (start as usize, end as usize);
        Some(match end - start == self.body.len() {
            true => self.body.clone(),
            false => self.body.slice(start..end),
        })
    }

    /// Data of the gateway's own, written once and transcoded to what each peer speaks.
    pub fn json(value: &serde_json::Value) -> Self {
        Self::checked(Encoding::Json, value.to_string())
    }

    /// The absent value in this encoding.
    pub fn nil(encoding: Encoding) -> Self {
        Self::checked(encoding, Bytes::from_static(encoding.nil()))
    }
}
