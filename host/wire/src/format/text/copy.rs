//! A text that is put together from pieces of another one.

use super::strings;

/// What most pieces are shorter than. So much is copied without asking how much is meant: that takes a turn or two of the
/// processor, and a call for as many bytes as it takes a dozen.
const SHORT: usize = 16;

/// What is written, and what its pieces are taken from.
#[derive(Debug)]
pub(crate) struct Copy<'a> {
    text: &'a str,
    out: Vec<u8>,
}

impl<'a> Copy<'a> {
    /// With room for what most texts become in the other format.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, out: Vec::with_capacity(text.len() + text.len() / 8 + SHORT) }
    }

    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    pub(crate) fn done(self) -> Vec<u8> {
        self.out
    }

    #[inline(always)]
    pub(crate) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    #[inline(always)]
    pub(crate) fn bytes<const N: usize>(&mut self, bytes: &[u8; N]) {
        self.out.extend_from_slice(bytes);
    }

    /// What stands from one byte to another.
    #[inline(always)]
    pub(crate) fn piece(&mut self, (start, end): (usize, usize)) {
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let length = end - start;
        match rest.first_chunk::<SHORT>() {
            Some(chunk) if length <= SHORT => {
                let before = self.out.len();
                self.out.extend_from_slice(chunk);
                self.out.truncate(before + length);
            }
            _ => self.out.extend_from_slice(rest.get(..length).unwrap_or_default()),
        }
    }

    /// The string between these bytes, which has to be written in another way.
    #[cold]
    pub(crate) fn requoted<E: strings::Escapes>(&mut self, (start, end): (usize, usize)) {
        let mut quoted = String::with_capacity(end - start + SHORT);
        strings::requote::<E>(&mut quoted, self.text.get(start..end).unwrap_or_default());
        self.out.extend_from_slice(quoted.as_bytes());
    }

    /// What somebody else writes.
    #[cold]
    pub(crate) fn written<T>(&mut self, write: impl FnOnce(&mut String) -> Option<T>) -> Option<T> {
        let mut written = String::new();
        let answer = write(&mut written)?;
        self.out.extend_from_slice(written.as_bytes());
        Some(answer)
    }
}
