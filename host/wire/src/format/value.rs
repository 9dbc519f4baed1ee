//! One value model for all formats: EDN's, and bytes.

use super::inst::Inst;
use std::borrow::Cow;
use uuid::Uuid;

/// A value as EDN has it.
///
/// Numbers that no machine type holds stay text, in the form that the format's grammar gives them. Maps and sets keep
/// the order in which they were written; readers see to it that no key occurs twice. Text is lent from what was read
/// wherever it stands there as it is meant.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Nil,
    Bool(bool),
    Integer(i64),
    /// Decimal digits with an optional `-`: what is beyond `i64`, or was written with EDN's `N`.
    BigInteger(Cow<'a, str>),
    /// `numerator/denominator`, as written: not reduced.
    Ratio(Cow<'a, str>),
    Float(f64),
    /// Digits with optional `-`, fraction and exponent; EDN's `M` is not part of it.
    BigDecimal(Cow<'a, str>),
    Char(char),
    String(Cow<'a, str>),
    Symbol(Cow<'a, str>),
    /// Without the colon: `ns/name` or `name`.
    Keyword(Cow<'a, str>),
    List(Vec<Self>),
    Vector(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Set(Vec<Self>),
    /// A tag that has no variant of its own here, without the `#`.
    Tagged(Cow<'a, str>, Box<Self>),
    Inst(Inst),
    Uuid(Uuid),
    /// `#base64` in EDN.
    Bytes(Vec<u8>),
}

impl Value<'_> {
    /// The kind of value, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::BigInteger(_) => "an integer",
            Self::Ratio(_) => "a ratio",
            Self::Float(_) | Self::BigDecimal(_) => "a decimal",
            Self::Char(_) => "a character",
            Self::String(_) => "a string",
            Self::Symbol(_) => "a symbol",
            Self::Keyword(_) => "a keyword",
            Self::List(_) => "a list",
            Self::Vector(_) => "a vector",
            Self::Map(_) => "a map",
            Self::Set(_) => "a set",
            Self::Tagged(..) => "a tagged value",
            Self::Inst(_) => "an instant",
            Self::Uuid(_) => "a UUID",
            Self::Bytes(_) => "bytes",
        }
    }
}
