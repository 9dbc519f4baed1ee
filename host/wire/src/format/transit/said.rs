//! What strings of Transit say: all of its values that have no parts, but for JSON's own.

use super::super::{edn, error::Problem, inst::Inst, value::Value};
use std::borrow::Cow;

pub(super) const TAG: Problem =
    Problem::Own("a tag stands first in an array of two: `[\"~#tag\", value]`");
const SPECIAL: Problem = Problem::Own("`~z` takes `NaN`, `INF` or `-INF`");
const BOOLEAN: Problem = Problem::Own("`~?` takes `t` or `f`, and `~_` nothing");
const INTEGER: Problem = Problem::Own("`~i` and `~n` take digits with an optional `-`");
const DECIMAL: Problem =
    Problem::Own("`~d` and `~f` take a decimal number, such as `-1.5` or `1e9`");
const CHAR: Problem = Problem::Own("`~c` takes one character");
const INST: Problem = Problem::Own(
    "`~m` takes milliseconds since 1970, and `~t` a time such as `2024-02-29T12:30:00.000Z`",
);
const LATE: Problem =
    Problem::Foreign("only Transit has points in time outside of the years 0 to 9999");
const UUID: Problem =
    Problem::Own("`~u` takes a UUID such as `123e4567-e89b-12d3-a456-426614174000`");
const BASE64: Problem = Problem::Own("`~b` takes base64 with padding");

/// The tag of what Transit has a kind of its own for, and EDN has not.
pub(super) const URI: &str = "uri";

/// The value that a string says, as it is written between its quotes, without JSON's escapes.
pub(super) fn value(said: Cow<'_, str>) -> Result<Value<'_>, Problem> {
    let mut characters = said.strip_prefix('~').unwrap_or_default().chars();
    let Some(kind) = characters.next() else { return Ok(Value::String(said)) };
    match kind {
        '~' | '^' | '`' => Ok(Value::String(cut(said, 1))),
        '#' => Err(TAG),
        _ if is_ground(kind) => ground(kind, cut(said, 1 + kind.len_utf8())),
        _ => {
            let text = Value::String(cut(said, 1 + kind.len_utf8()));
            Ok(Value::Tagged(kind.to_string().into(), Box::new(text)))
        }
    }
}

/// Without its first bytes.
pub(super) fn cut(said: Cow<'_, str>, first: usize) -> Cow<'_, str> {
    match said {
        Cow::Borrowed(said) => said.get(first..).unwrap_or_default().into(),
        Cow::Owned(said) => said.get(first..).unwrap_or_default().to_owned().into(),
    }
}

/// Whether values of this kind are known.
pub(super) fn is_ground(kind: char) -> bool {
    "_?indfzc:$mtubr'".contains(kind)
}

/// The value of a known kind.
pub(super) fn ground(kind: char, text: Cow<'_, str>) -> Result<Value<'_>, Problem> {
    let integer = || is_integer(&text).then_some(());
    Ok(match kind {
        '_' if text.is_empty() => Value::Nil,
        '?' if matches!(&*text, "t" | "f") => Value::Bool(text == "t"),
        '_' | '?' => return Err(BOOLEAN),
        // transit-js writes every number so that is a key.
        'i' if !is_integer(&text) && edn::is_decimal(&text) => {
            Value::Float(text.parse().map_err(|_| DECIMAL)?)
        }
        'i' => {
            integer().ok_or(INTEGER)?;
            text.parse().map_or(Value::BigInteger(text), Value::Integer)
        }
        'n' => {
            integer().ok_or(INTEGER)?;
            Value::BigInteger(text)
        }
        'd' | 'f' if !edn::is_decimal(&text) => return Err(DECIMAL),
        'd' => Value::Float(text.parse().map_err(|_| DECIMAL)?),
        'f' => Value::BigDecimal(text),
        'z' => Value::Float(match &*text {
            "NaN" => f64::NAN,
            "INF" => f64::INFINITY,
            "-INF" => f64::NEG_INFINITY,
            _ => return Err(SPECIAL),
        }),
        'c' => {
            let mut characters = text.chars();
            let character = characters.next().filter(|_| characters.next().is_none());
            Value::Char(character.ok_or(CHAR)?)
        }
        ':' => Value::Keyword(text),
        '$' => Value::Symbol(text),
        'm' => {
            integer().ok_or(INST)?;
            millis(text.parse().map_err(|_| LATE)?)?
        }
        't' => Value::Inst(Inst::parse(&text).ok_or(INST)?),
        'u' => Value::Uuid(edn::parse_uuid(&text).ok_or(UUID)?),
        'b' => Value::Bytes(edn::parse_base64(&text).ok_or(BASE64)?),
        'r' => Value::Tagged(URI.into(), Box::new(Value::String(text))),
        _ => Value::String(text),
    })
}

/// A point in time, by milliseconds since 1970.
pub(super) fn millis(millis: i64) -> Result<Value<'static>, Problem> {
    let nanos = u32::try_from(millis.rem_euclid(1000)).unwrap_or_default() * 1_000_000;
    Inst::new(millis.div_euclid(1000), nanos).map(Value::Inst).ok_or(LATE)
}

/// Digits as every format writes them.
fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    let leads = digits.first() == Some(&b'0') && (digits.len() > 1 || text.len() > 1);
    !digits.is_empty() && !leads && digits.iter().all(u8::is_ascii_digit)
}
