//! How large a request may be: as large as is wise, and where a collector takes less, as it takes.

use prost::{Message, length_delimiter_len};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes of one request, as protobuf: well within the 4 MiB that collectors take over gRPC.
pub(crate) const LARGEST: usize = 3 << 20;
/// What the lengths around the items of a request grow by with these, at most: there are two of four bytes each.
pub(crate) const GROWTH: usize = 8;

/// What an item adds to a request: itself, its number and its length.
pub(crate) fn weight(item: &impl Message) -> usize {
    let own = item.encoded_len();
    1 + length_delimiter_len(own) + own
}

/// Halved by each request that is too large, and a little more again with each that is not: a collector may have been told
/// meanwhile to take more.
#[derive(Debug)]
pub(crate) struct Room(AtomicUsize);

impl Default for Room {
    fn default() -> Self {
        Self(AtomicUsize::new(LARGEST))
    }
}

impl Room {
    pub(crate) fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// A request of so many bytes was refused for its size.
    pub(crate) fn is_too_small_for(&self, bytes: usize) {
        self.0.fetch_min(bytes / 2, Ordering::Relaxed);
    }

    /// A request was taken.
    pub(crate) fn fits(&self) {
        let more = |bytes: usize| Some((bytes + bytes / 16 + 1).min(LARGEST));
        // It never says no.
        _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_less_is_sent_less_and_asked_again_later() {
        let room = Room::default();
        room.fits();
        assert_eq!(room.bytes(), LARGEST);
        room.is_too_small_for(LARGEST);
        room.is_too_small_for(1 << 20);
        assert_eq!(room.bytes(), 512 << 10);
        room.is_too_small_for(4 << 20);
        assert_eq!(room.bytes(), 512 << 10, "another that was under way says nothing new");
        let tries = std::iter::repeat_with(|| room.fits()).take_while(|()| room.bytes() < LARGEST);
        assert!((8..64).contains(&tries.count()));
    }
}
