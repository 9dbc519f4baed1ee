//! Frames: as a dialect makes them, and as the bytes that are ready to be written.

use bytes::Bytes;

/// The longest header: RFC 6455's of a payload over 64 KiB.
const HEAD_MAX: usize = 10;

/// One message of a wire, ready for a transport. Cloning shares the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Text frame (the bytes are UTF-8) or binary frame.
    pub text: bool,
    pub body: Bytes,
}

/// A frame as a transport writes it: a header, and a body that is not copied for it. Cloning shares the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Framed {
    head: Head,
    pub body: Bytes,
}

impl Framed {
    /// Bytes that need no header.
    pub fn whole(body: Bytes) -> Self {
        Self { head: Head::default(), body }
    }

    /// A body behind the header that `put` writes.
    pub(crate) fn headed(body: Bytes, put: impl FnOnce(&mut Head)) -> Self {
        let mut head = Head::default();
        put(&mut head);
        Self { head, body }
    }

    pub fn head(&self) -> &[u8] {
        self.head.bytes()
    }

    /// Of header and body.
    pub fn len(&self) -> usize {
        self.head().len() + self.body.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Puts all of it behind what is there.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.head());
        out.extend_from_slice(&self.body);
    }
}

/// A header, in place. What does not fit in ten bytes is none.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    bytes: [u8; HEAD_MAX],
    length: u8,
}

impl Head {
    /// Appends bytes, as long as there is room for them.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let start = usize::from(self.length);
        let room = self.bytes.get_mut(start..start + bytes.len());
        debug_assert!(room.is_some(), "a header has {HEAD_MAX} bytes at most");
        if let Some(room) = room {
            room.copy_from_slice(bytes);
            self.length += bytes.len() as u8;
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }
}
