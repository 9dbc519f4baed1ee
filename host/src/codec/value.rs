//! One value model for all formats: EDN's, and bytes.

use super::inst::Inst;
use uuid::Uuid;

/// A value as EDN has it.
///
/// Numbers that no machine type holds stay text, in the form that the format's grammar gives them. Maps and sets keep
/// the order in which they were written; readers see to it that no key occurs twice.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Nil,
    Bool(bool),
    Integer(i64),
    /// Decimal digits with an optional `-`: what is beyond `i64`, or was written with EDN's `N`.
    BigInteger(String),
    /// `numerator/denominator`, as written: not reduced.
    Ratio(String),
    Float(f64),
    /// Digits with optional `-`, fraction and exponent; EDN's `M` is not part of it.
    BigDecimal(String),
    Char(char),
    String(String),
    Symbol(String),
    /// Without the colon: `ns/name` or `name`.
    Keyword(String),
    List(Vec<Value>),
    Vector(Vec<Value>),
    Map(Vec<(Value, Value)>),
    Set(Vec<Value>),
    /// A tag that has no variant of its own here, without the `#`.
    Tagged(String, Box<Value>),
    Inst(Inst),
    Uuid(Uuid),
    /// `#base64` in EDN.
    Bytes(Vec<u8>),
}

impl Value {
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
