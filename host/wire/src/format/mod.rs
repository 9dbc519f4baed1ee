//! Formats: bytes to values and back, and from one format to another without loss where the formats allow it.
//!
//! A format is a `Format`: one folder, and its lines in the list below. All of them meet in one value model ([`value`]). Text
//! formats share how strings are written; what walks a frame without building it is a `Walk`, what writes one a
//! `writer::Writer`.

mod build;
mod check;
mod convert;
pub(crate) mod direct;
pub mod edn;
mod encoding;
pub mod error;
pub mod inst;
pub mod json;
pub mod msgpack;
#[cfg(test)]
mod spoil;
mod straight;
pub(crate) mod text;
pub mod transit;
pub mod value;
pub(crate) mod walk;
#[cfg(test)]
mod work;
pub(crate) mod writer;

pub(crate) use encoding::no_format;
pub use text::strings::quoted;

use crate::list::listed;
use bytes::Bytes;
use error::{ReadError, WriteError};
use std::borrow::Cow;
use value::Value;
use walk::{Inside, Walk};
use writer::Out;

listed! {
    /// How the bytes of a payload are to be read.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub enum Encoding {
        Json,
        Edn,
        Transit,
        Msgpack,
        /// Text that the gateway does not read (raw endpoints).
        Text,
        /// Bytes that the gateway does not read (raw endpoints).
        Binary,
    }
}

/// Does something in the format of an encoding, which is known by name inside; what is done for encodings that are no
/// format follows behind.
macro_rules! in_format {
    ($encoding:expr, $format:ident => $does:expr, $($other:pat => $without:expr),+ $(,)?) => {
        match $encoding {
            $crate::format::Encoding::Json => {
                type $format = $crate::format::json::Json;
                $does
            }
            $crate::format::Encoding::Edn => {
                type $format = $crate::format::edn::Edn;
                $does
            }
            $crate::format::Encoding::Transit => {
                type $format = $crate::format::transit::Transit;
                $does
            }
            $crate::format::Encoding::Msgpack => {
                type $format = $crate::format::msgpack::Msgpack;
                $does
            }
            $($other => $without,)+
        }
    };
}

pub(crate) use in_format;

/// How deep values may be nested, tags and discarded forms included. More than anyone writes by hand, and little enough
/// for every reader's stack.
pub const MAX_DEPTH: usize = 64;

/// How one format is read and written. A member has a folder of its own, and its lines in the list.
pub(crate) trait Format {
    const ENCODING: Encoding;
    /// The word used in configuration, subprotocols and messages.
    const WORD: &'static str;
    /// Whether its bytes are text in UTF-8, and its frames text frames.
    const TEXT: bool;
    /// The absent value.
    const NIL: &'static [u8];
    /// Whether bytes have a type that all its readers know: then those of raw endpoints need not become text.
    const HAS_BYTES: bool;
    const NOTATION: Notation;
    type Walk<'a>: Walk<'a>;

    /// Begins to walk these bytes.
    fn walk(body: &[u8]) -> Result<Self::Walk<'_>, ReadError>;

    /// Bytes that cannot be walked, as far as they can: whoever waits for an answer shall have one.
    fn legible(body: &[u8]) -> Cow<'_, [u8]> {
        Cow::Borrowed(body)
    }

    /// The only value of these bytes. `is_checked`: they were walked to their end before.
    fn read(body: &[u8], is_checked: bool) -> Result<Value<'_>, ReadError>;

    fn write(value: &Value<'_>) -> Result<Vec<u8>, WriteError>;

    /// What a value is that stands alone in these bytes and was walked.
    fn sight(value: &[u8]) -> Sight;

    /// Well formed bytes without halves of characters. As long as they were.
    fn whole(body: &Bytes) -> Bytes {
        body.clone()
    }

    /// Goes into a collection of so many elements or pairs.
    fn begin(out: &mut Out, inside: Inside, count: usize);
    /// Parts two elements or pairs.
    fn between(out: &mut Out);
    /// Leaves a collection.
    fn end(out: &mut Out, inside: Inside);
    /// A key of the gateway's own, which is a plain name, with what parts it from its value.
    fn key(out: &mut Out, key: &str);
    /// An event id: a keyword where the format has them.
    fn name(out: &mut Out, name: &str);
    /// Whether an event id can be written as one. [`Notation::name`] says how it has to be.
    fn is_name(name: &str) -> bool;
    fn string(out: &mut Out, text: &str);
    fn number(out: &mut Out, number: u64);
    /// A value that is written already and stands alone in its bytes.
    fn value(out: &mut Out, written: &[u8]) {
        out.put(written);
    }
}

/// What a value is, as far as frames have to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    Nil,
    /// A string, which takes so many bytes without its quotes.
    String(usize),
    Other,
}

/// What peers are told of mistakes in a frame, in words that show how they write it right.
#[derive(Debug)]
pub(crate) struct Notation {
    /// What is expected in place of a frame that is none.
    pub(crate) frame: &'static str,
    pub(crate) event: &'static str,
    pub(crate) id: &'static str,
    pub(crate) callback: &'static str,
    pub(crate) meta: &'static str,
    /// Why an event id cannot be written: what it is not, and how it would have to be.
    pub(crate) name: &'static str,
}
