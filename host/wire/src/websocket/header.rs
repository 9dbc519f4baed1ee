//! Frame headers, masks and the body of close frames.

use super::Violation;
use crate::frame::{Framed, Head};
use bytes::Bytes;

/// What a frame is (RFC 6455 section 5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// The longest payload of a control frame (section 5.5).
const CONTROL_MAX: u64 = 125;

impl Opcode {
    fn of(nibble: u8) -> Option<Self> {
        Some(match nibble {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xA => Self::Pong,
            _ => return None,
        })
    }

    fn nibble(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// The header of a frame from a client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    pub(super) last: bool,
    pub(super) opcode: Opcode,
    pub(super) mask: [u8; 4],
    /// Of the payload.
    pub(super) length: u64,
    /// Of the header itself.
    pub(super) size: usize,
}

impl Header {
    /// Reads a header; none while it is not whole. What is wrong with its first two bytes is said without the rest.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        let opcode = Opcode::of(first & 0x0F).ok_or(Violation::Protocol)?;
        let (last, reserved) = (first & 0x80 != 0, first & 0x70 != 0);
        let (masked, short) = (second & 0x80 != 0, u64::from(second & 0x7F));
        let long_control = opcode.is_control() && (!last || short > CONTROL_MAX);
        if reserved || !masked || long_control {
            return Err(Violation::Protocol);
        }
        let (length, rest, size) = match short {
            126 => match rest.split_first_chunk::<2>() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest, 8),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk::<8>() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest, 14),
                None => return Ok(None),
            },
            length => (length, rest, 6),
        };
        if length > i64::MAX as u64 {
            return Err(Violation::Protocol);
        }
        let Some(mask) = rest.first_chunk::<4>() else { return Ok(None) };
        Ok(Some(Self { last, opcode, mask: *mask, length, size }))
    }
}

/// Takes a client's mask off (section 5.3).
pub(super) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (chunks, rest) = payload.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// A whole, unmasked frame: what a server sends. The body is not copied.
pub fn framed(opcode: Opcode, body: Bytes) -> Framed {
    let length = body.len();
    Framed::headed(body, |head| put_header(head, opcode, length))
}

pub(super) fn put_header(head: &mut Head, opcode: Opcode, length: usize) {
    let first = 0x80 | opcode.nibble();
    if length <= 125 {
        head.put(&[first, length as u8]);
    } else if let Ok(length) = u16::try_from(length) {
        head.put(&[first, 126]);
        head.put(&length.to_be_bytes());
    } else {
        head.put(&[first, 127]);
        head.put(&(length as u64).to_be_bytes());
    }
}

/// The payload of a close frame; empty for 1005, which stands for "none named" and is never sent (section 7.4.1).
/// The reason is at most 123 bytes long: the rest of a longer one is left out.
pub fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    if code == 1005 {
        return Vec::new();
    }
    let end = reason.floor_char_boundary(crate::close::REASON_MAX);
    let reason = reason.get(..end).unwrap_or_default();
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// Reads the payload of a close frame (section 5.5.1; codes: section 7.4 and IANA's registry up to 1014).
pub(super) fn close_code(payload: &[u8]) -> Result<u16, Violation> {
    if payload.is_empty() {
        return Ok(1005);
    }
    let (code, reason) = payload.split_first_chunk::<2>().ok_or(Violation::Protocol)?;
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Violation::Protocol);
    }
    std::str::from_utf8(reason).map_err(|_| Violation::NotUtf8)?;
    Ok(code)
}
