//! WebSocket frames written and read by hand (RFC 6455 section 5): what a client library would refuse to send.

/// Opcodes of RFC 6455 section 5.2.
pub const CONTINUATION: u8 = 0;
pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// Every frame gets the same key: masking hides nothing from a test, and equal frames are equal bytes.
const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One frame, as wrong as a test wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub fin: bool,
    /// The three reserved bits, as a number from 0 to 7.
    pub rsv: u8,
    pub opcode: u8,
    pub masked: bool,
    pub payload: Vec<u8>,
    /// The length that the header claims, if it is not the payload's.
    pub claims: Option<u64>,
}

impl Frame {
    pub fn new(opcode: u8, payload: impl Into<Vec<u8>>) -> Self {
        let payload = payload.into();
        Self { fin: true, rsv: 0, opcode, masked: true, payload, claims: None }
    }

    pub fn text(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(TEXT, payload)
    }

    pub fn binary(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(BINARY, payload)
    }

    pub fn ping(payload: impl Into<Vec<u8>>) -> Self {
        Self::new(PING, payload)
    }

    pub fn close(code: u16, reason: &[u8]) -> Self {
        Self::new(CLOSE, [&code.to_be_bytes(), reason].concat())
    }

    /// Not the last of its message.
    #[must_use]
    pub fn more(self) -> Self {
        Self { fin: false, ..self }
    }

    #[must_use]
    pub fn rsv(self, rsv: u8) -> Self {
        Self { rsv, ..self }
    }

    #[must_use]
    pub fn claiming(self, length: u64) -> Self {
        Self { claims: Some(length), ..self }
    }

    #[must_use]
    pub fn unmasked(self) -> Self {
        Self { masked: false, ..self }
    }

    /// The frame's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let length = self.claims.unwrap_or(self.payload.len() as u64);
        let mut bytes = Vec::with_capacity(self.payload.len() + 14);
        bytes.push(u8::from(self.fin) << 7 | self.rsv << 4 | self.opcode);
        let mask = u8::from(self.masked) << 7;
        match length {
            0..=125 => bytes.push(mask | length as u8),
            126..=0xffff => {
                bytes.push(mask | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend(length.to_be_bytes());
            }
        }
        if !self.masked {
            bytes.extend(&self.payload);
            return bytes;
        }
        bytes.extend(KEY);
        let start = bytes.len();
        bytes.extend(&self.payload);
        mask_in_place(bytes.get_mut(start..).unwrap_or_default());
        bytes
    }
}

/// Eight bytes at a time: tests send megabytes, and their build is not optimised.
fn mask_in_place(bytes: &mut [u8]) {
    let key = u32::from_ne_bytes(KEY);
    let wide = u64::from(key) << 32 | u64::from(key);
    let (chunks, rest) = bytes.as_chunks_mut::<8>();
    for chunk in chunks {
        *chunk = (u64::from_ne_bytes(*chunk) ^ wide).to_ne_bytes();
    }
    for (byte, key) in rest.iter_mut().zip(KEY.iter().cycle()) {
        *byte ^= key;
    }
}

/// A message in frames of `size` bytes.
pub fn fragments(opcode: u8, payload: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let last = payload.len().div_ceil(size).saturating_sub(1);
    for (place, part) in payload.chunks(size).enumerate() {
        let opcode = if place == 0 { opcode } else { CONTINUATION };
        bytes.extend(Frame { fin: place == last, ..Frame::new(opcode, part) }.encode());
    }
    bytes
}

/// The first frame of what a server sent, and how many bytes it takes; none while it is not whole.
pub fn decode(bytes: &[u8]) -> Option<(Frame, usize)> {
    let [first, second, ..] = *bytes else { return None };
    let (length, start) = match second & 0x7f {
        126 => (u64::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)), 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?), 10),
        short => (u64::from(short), 2),
    };
    let end = start + usize::try_from(length).ok()?;
    let frame = Frame {
        fin: first & 0x80 != 0,
        rsv: first >> 4 & 7,
        opcode: first & 0xf,
        masked: second & 0x80 != 0,
        payload: bytes.get(start..end)?.to_vec(),
        claims: None,
    };
    Some((frame, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_what_the_standard_shows() {
        // RFC 6455 section 5.7: a masked "Hello", with the key of its example.
        let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        assert_eq!(Frame::text("Hello").encode(), hello);
    }

    #[test]
    fn what_is_written_unmasked_reads_back_at_every_length() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let frame = Frame::binary(vec![7; length]).more().rsv(5).unmasked();
            let bytes = frame.encode();
            assert_eq!(decode(&bytes), Some((frame, bytes.len())));
            assert_eq!(decode(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn masking_wide_is_masking_byte_by_byte() {
        let payload: Vec<u8> = (0..=42).collect();
        let masked = Frame::binary(payload.clone()).encode();
        let expected: Vec<u8> =
            payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
        assert_eq!(&masked[6..], expected);
    }
}
