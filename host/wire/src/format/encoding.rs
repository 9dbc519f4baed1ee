//! What there is to know of each encoding, format or not.

use super::{Encoding, Format as _, in_format};
use crate::fault::{Fault, FaultId};

impl Encoding {
    /// The word used in configuration, subprotocols and messages.
    pub const fn word(self) -> &'static str {
        in_format!(self, F => F::WORD,
            Self::Text => "text", Self::Binary => "binary")
    }

    /// The reverse of [`Encoding::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|encoding| encoding.word() == word)
    }

    /// Whether the gateway reads and writes it.
    pub const fn is_spoken(self) -> bool {
        in_format!(self, _F => true, Self::Text | Self::Binary => false)
    }

    /// Whether its bytes are opaque by design: nobody's format, and never converted for a plugin.
    pub const fn is_opaque(self) -> bool {
        matches!(self, Self::Text | Self::Binary)
    }

    /// Whether its bytes are text in UTF-8.
    pub const fn is_text(self) -> bool {
        in_format!(self, F => F::TEXT, Self::Text => true, Self::Binary => false)
    }

    /// The absent value.
    pub(crate) const fn nil(self) -> &'static [u8] {
        in_format!(self, F => F::NIL, Self::Text | Self::Binary => b"")
    }

    /// The words of all formats that can be spoken, for a sentence.
    pub(crate) fn choice() -> String {
        let spoken = Self::ALL.into_iter().filter(|encoding| encoding.is_spoken());
        let words: Vec<_> = spoken.map(|encoding| format!("`{}`", encoding.word())).collect();
        match words.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }
}

/// What to answer where a format is asked for that exists on the wire and not yet in here.
pub(crate) fn no_format(encoding: Encoding) -> Fault {
    let (word, choice) = (encoding.word(), Encoding::choice());
    let why = format!("this gateway does not speak `{word}`: use {choice}");
    Fault::new(FaultId::Unsupported, why)
}
