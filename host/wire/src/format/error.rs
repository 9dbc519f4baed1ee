//! Why bytes could not be read or a value could not be written.

use super::MAX_DEPTH;

/// Bytes that are not what their format allows, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {problem}")]
pub struct ReadError {
    /// Counted from 0 at the start.
    pub at: usize,
    pub problem: Problem,
}

/// What is wrong at one place, in words for whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the text ends where {0} is expected")]
    Ends(&'static str),
    #[error("expected {0}")]
    Expected(&'static str),
    #[error("the string that begins here has no closing quote")]
    OpenString,
    #[error("nested deeper than {MAX_DEPTH} levels; send a flatter value")]
    TooDeep,
    #[error("a control character in a string; write it as an escape such as `\\n` or `\\u0000`")]
    Control,
    #[error("an escape that does not exist here; there are {0}")]
    Escape(&'static str),
    #[error("not a number: {0}")]
    Number(&'static str),
    #[error("this key or element occurs twice; maps and sets hold each one once")]
    Duplicate,
    #[error("the map has a key without a value")]
    Odd,
    #[error("not a name: {0}")]
    Name(&'static str),
    #[error(
        "not a character; write `\\a`, `\\newline`, `\\space`, `\\tab`, `\\return` or `\\u0061`"
    )]
    Char,
    #[error("only space, tab, line breaks and commas separate values")]
    Separator,
    #[error("`{0}` is Clojure syntax, not EDN; send plain data")]
    NotData(char),
    #[error("`#inst` takes a string such as \"2024-02-29T12:30:00.000Z\"")]
    Inst,
    #[error("`#uuid` takes a string such as \"123e4567-e89b-12d3-a456-426614174000\"")]
    Uuid,
    #[error("`#base64` takes a string of base64 with padding")]
    Base64,
    #[error("`##` takes `NaN`, `Inf` or `-Inf`")]
    Symbolic,
    #[error("a second value; only one is expected")]
    Second,
    /// In formats that are no text.
    #[error("the bytes end where {0} is expected")]
    Cut(&'static str),
    #[error("not UTF-8")]
    Utf8,
    /// Of one format alone.
    #[error("{0}")]
    Own(&'static str),
    /// Well formed, and nothing that our values or other formats can hold.
    #[error("{0}")]
    Foreign(&'static str),
}

impl Problem {
    pub(crate) fn at(self, at: usize) -> ReadError {
        ReadError { at, problem: self }
    }
}

/// A value that a format has no way to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("{format} has no map key for {kind}; use a string, keyword, symbol or number")]
    Key { format: &'static str, kind: &'static str },
    #[error("`{0}` cannot be written as an EDN name; use letters, digits and `*!_?+-./`")]
    Name(String),
    #[error("`#{0}` means something of its own in Transit; use another tag")]
    Tag(String),
    /// Of one format alone.
    #[error("{0}")]
    Own(&'static str),
}
