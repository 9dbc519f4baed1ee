//! Values as JSON text: what JSON has no type for becomes text, and says so nowhere (the loss is by design).

use super::super::{convert, error::WriteError, text::strings::quote, value::Value};
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use std::fmt::Write;

/// Integers up to here (2^53) mean the same number to every JSON reader.
const EXACT: u64 = 1 << 53;

/// Writes a value.
///
/// Keyword → its name without colon, also as a key; symbol, character, UUID, instant (RFC 3339) → string; list, set →
/// array; ratio, big integer and decimal, integer beyond 2^53 → string; bytes → base64; tagged → `{"#tag": value}`;
/// NaN and infinities → null. A key that is neither string, keyword, symbol nor number is an error. Two keys that
/// become the same text: the last one stays.
pub fn write(out: &mut String, value: &Value<'_>) -> Result<(), WriteError> {
    match value {
        Value::Nil => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Integer(number) if number.unsigned_abs() <= EXACT => {
            push(out, format_args!("{number}"))
        }
        Value::Integer(number) => push(out, format_args!("\"{number}\"")),
        Value::Float(number) if number.is_finite() => push(out, format_args!("{number:?}")),
        Value::Float(_) => out.push_str("null"),
        Value::BigInteger(text) | Value::Ratio(text) | Value::BigDecimal(text) => quote(out, text),
        Value::String(text) | Value::Symbol(text) | Value::Keyword(text) => quote(out, text),
        Value::Char(character) => quote(out, character.encode_utf8(&mut [0; 4])),
        Value::Inst(inst) => quote(out, &inst.to_rfc3339()),
        Value::Uuid(uuid) => push(out, format_args!("\"{uuid}\"")),
        Value::Bytes(bytes) => quote(out, &BASE64.encode(bytes)),
        Value::List(items) | Value::Vector(items) | Value::Set(items) => array(out, items)?,
        Value::Map(pairs) => object(out, pairs)?,
        Value::Tagged(tag, value) => {
            out.push('{');
            quote(out, &format!("#{tag}"));
            out.push(':');
            write(out, value)?;
            out.push('}');
        }
    }
    Ok(())
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _ok = out.write_fmt(text);
}

fn array(out: &mut String, items: &[Value<'_>]) -> Result<(), WriteError> {
    out.push('[');
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(',');
        }
        write(out, item)?;
    }
    out.push(']');
    Ok(())
}

fn object(out: &mut String, pairs: &[(Value<'_>, Value<'_>)]) -> Result<(), WriteError> {
    // Most often there is nothing to compare, and a text may be full of such maps.
    if let [(key, value)] = pairs {
        out.push('{');
        quote(out, &convert::key_to_json(key)?);
        out.push(':');
        write(out, value)?;
        out.push('}');
        return Ok(());
    }
    let keys =
        pairs.iter().map(|(key, _)| convert::key_to_json(key)).collect::<Result<Vec<_>, _>>()?;
    let superseded = convert::superseded(&keys).unwrap_or_default();
    out.push('{');
    let mut first = true;
    for (place, (key, (_, value))) in keys.iter().zip(pairs).enumerate() {
        if superseded.get(place) == Some(&true) {
            continue;
        }
        if !first {
            out.push(',');
        }
        first = false;
        quote(out, key);
        out.push(':');
        write(out, value)?;
    }
    out.push('}');
    Ok(())
}
