//! Values as MessagePack: what it has no type for becomes what it becomes in JSON.

use super::{
    super::{
        convert::{self, Key},
        error::WriteError,
        value::Value,
    },
    head, instant,
};
use rmp::Marker;

/// Writes a value.
///
/// Integers of 64 bits, decimals, bytes and instants are MessagePack's own, in the shortest form. Keyword (without its
/// colon), symbol, character, UUID, ratio, and numbers that no machine type holds → string; list, set → array; tagged →
/// `{"#tag": value}`. A key that is neither string, keyword, symbol nor number is an error. Two keys that become the same:
/// the last one stays.
pub fn write(out: &mut Vec<u8>, value: &Value<'_>) -> Result<(), WriteError> {
    match value {
        Value::Nil => out.push(Marker::Null.to_u8()),
        Value::Bool(truth) => out.push(if *truth { Marker::True } else { Marker::False }.to_u8()),
        Value::Integer(number) => head::integer(out, *number),
        Value::BigInteger(digits) => big_integer(out, digits)?,
        Value::Float(number) => head::float(out, *number),
        Value::Ratio(text) | Value::BigDecimal(text) => string(out, text)?,
        Value::String(text) | Value::Symbol(text) | Value::Keyword(text) => string(out, text)?,
        Value::Char(character) => string(out, character.encode_utf8(&mut [0; 4]))?,
        Value::Uuid(uuid) => string(out, &uuid.to_string())?,
        Value::Inst(inst) => instant::write(out, *inst),
        Value::Bytes(bytes) => {
            head::bytes(out, length(bytes.len())?);
            out.extend_from_slice(bytes);
        }
        Value::List(items) | Value::Vector(items) | Value::Set(items) => {
            head::vector(out, length(items.len())?);
            items.iter().try_for_each(|item| write(out, item))?;
        }
        Value::Map(pairs) => map(out, pairs)?,
        Value::Tagged(tag, value) => {
            head::map(out, 1);
            string(out, &format!("#{tag}"))?;
            write(out, value)?;
        }
    }
    Ok(())
}

fn length(length: usize) -> Result<u32, WriteError> {
    u32::try_from(length)
        .map_err(|_| WriteError::Own("MessagePack has no length of 4 GiB or more; send less"))
}

fn string(out: &mut Vec<u8>, text: &str) -> Result<(), WriteError> {
    head::string(out, length(text.len())?);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// A number where 64 bits hold it.
fn big_integer(out: &mut Vec<u8>, digits: &str) -> Result<(), WriteError> {
    if let Ok(number) = digits.parse() {
        head::integer(out, number);
    } else if let Ok(number) = digits.parse() {
        head::unsigned(out, number);
    } else {
        string(out, digits)?;
    }
    Ok(())
}

fn map(out: &mut Vec<u8>, pairs: &[(Value<'_>, Value<'_>)]) -> Result<(), WriteError> {
    let keys = pairs.iter().map(|(key, _)| self::key(key)).collect::<Result<Vec<_>, _>>()?;
    let superseded = convert::superseded(&keys).unwrap_or_default();
    let count = pairs.len() - superseded.iter().filter(|again| **again).count();
    head::map(out, length(count)?);
    for (place, (key, value)) in pairs.iter().enumerate() {
        if superseded.get(place) != Some(&true) {
            write(out, key)?;
            write(out, value)?;
        }
    }
    Ok(())
}

fn key<'k>(key: &'k Value<'_>) -> Result<Key<'k>, WriteError> {
    Key::of(key).ok_or(WriteError::Key { format: "MessagePack", kind: key.kind() })
}
