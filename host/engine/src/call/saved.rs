//! What an instance has saved, in its pieces.

use crate::{error::PluginError, guest::bindings::snapshot::Piece};

/// What a piece counts beside its bytes, so that empty ones have an end.
const PIECE: usize = 64;

/// The state of one instance.
#[derive(Debug, Default)]
pub(crate) struct Saved {
    pub(super) pieces: Vec<Piece>,
    /// Bytes of all pieces, and what else they take.
    pub(super) size: usize,
}

impl Saved {
    /// The format that its plugin wrote it in.
    pub(crate) fn format(&self) -> Option<&str> {
        self.pieces.first().map(|first| first.format.as_str())
    }

    /// What was written, piece by piece.
    pub(crate) fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| piece.bytes.as_slice())
    }

    /// Bytes of all of it.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The number of the next piece.
    pub(super) fn next(&self) -> u32 {
        u32::try_from(self.pieces.len()).unwrap_or(u32::MAX)
    }

    /// One piece more, of the format of the others; whether it is the last one.
    pub(super) fn add(&mut self, piece: Piece) -> Result<bool, PluginError> {
        if self.pieces.first().is_some_and(|first| first.format != piece.format) {
            let message = "a piece of its state has another format than the first".to_owned();
            return Err(PluginError::Refused { function: "save", message });
        }
        // A state in one piece is as large as it is.
        let beside = if self.pieces.is_empty() { 0 } else { PIECE };
        self.size = self.size.saturating_add(piece.bytes.len()).saturating_add(beside);
        let is_last = piece.is_last;
        self.pieces.push(piece);
        Ok(is_last)
    }
}
