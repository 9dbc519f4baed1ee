//! Values as EDN text, so that reading it gives the same value.

use super::{
    super::{
        error::WriteError,
        text::{strings::quote, surrogate},
        value::Value,
    },
    name, parser,
};
use base64::prelude::{BASE64_STANDARD as BASE64, Engine as _};
use std::fmt::Write;

/// Writes a value. Err: a name that is none, which only values have that were not read from EDN.
pub fn write(out: &mut String, value: &Value<'_>) -> Result<(), WriteError> {
    match value {
        Value::Nil => out.push_str("nil"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Integer(number) => push(out, format_args!("{number}")),
        Value::BigInteger(digits) => push(out, format_args!("{digits}N")),
        Value::Ratio(text) => out.push_str(text),
        Value::Float(number) => float(out, *number),
        Value::BigDecimal(text) => push(out, format_args!("{text}M")),
        Value::Char(character) => self::character(out, *character),
        Value::String(text) => quote(out, text),
        Value::Symbol(name) if !parser::is_symbol(name) => return Err(not_edn(name)),
        Value::Symbol(name) => self::name(out, name)?,
        Value::Keyword(name) => {
            out.push(':');
            self::name(out, name)?;
        }
        Value::List(items) => sequence(out, "(", items, ')')?,
        Value::Vector(items) => sequence(out, "[", items, ']')?,
        Value::Set(items) => sequence(out, "#{", items, '}')?,
        Value::Map(pairs) => map(out, pairs)?,
        Value::Tagged(tag, _) if !is_tag(tag) => return Err(not_edn(tag)),
        Value::Tagged(tag, value) => {
            out.push('#');
            name(out, tag)?;
            out.push(' ');
            write(out, value)?;
        }
        Value::Inst(inst) => push(out, format_args!("#inst \"{}\"", inst.to_edn())),
        Value::Uuid(uuid) => push(out, format_args!("#uuid \"{uuid}\"")),
        Value::Bytes(bytes) => push(out, format_args!("#base64 \"{}\"", BASE64.encode(bytes))),
    }
    Ok(())
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _ok = out.write_fmt(text);
}

fn float(out: &mut String, number: f64) {
    match number {
        f64::INFINITY => out.push_str("##Inf"),
        f64::NEG_INFINITY => out.push_str("##-Inf"),
        number if number.is_nan() => out.push_str("##NaN"),
        number => push(out, format_args!("{number:?}")),
    }
}

fn character(out: &mut String, character: char) {
    out.push('\\');
    match character {
        '\n' => out.push_str("newline"),
        '\r' => out.push_str("return"),
        '\t' => out.push_str("tab"),
        ' ' => out.push_str("space"),
        other if other.is_whitespace() || other.is_control() => {
            out.pop();
            // Writing to a `String` cannot fail.
            let _ok = surrogate::write_escape(out, other);
        }
        other => out.push(other),
    }
}

fn not_edn(name: &str) -> WriteError {
    WriteError::Name(name.to_owned())
}

/// Whether a tag of another format's is read as that tag: not as one that EDN has a value for, nor as a sign.
fn is_tag(tag: &str) -> bool {
    tag.starts_with(char::is_alphabetic) && !matches!(tag, "inst" | "uuid" | "base64")
}

fn name(out: &mut String, text: &str) -> Result<(), WriteError> {
    if !text.chars().all(name::is_constituent) || name::check_name(text).is_err() {
        return Err(not_edn(text));
    }
    out.push_str(text);
    Ok(())
}

fn sequence(
    out: &mut String,
    open: &str,
    items: &[Value<'_>],
    close: char,
) -> Result<(), WriteError> {
    out.push_str(open);
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(' ');
        }
        write(out, item)?;
    }
    out.push(close);
    Ok(())
}

fn map(out: &mut String, pairs: &[(Value<'_>, Value<'_>)]) -> Result<(), WriteError> {
    out.push('{');
    for (place, (key, value)) in pairs.iter().enumerate() {
        if place > 0 {
            out.push(' ');
        }
        write(out, key)?;
        out.push(' ');
        write(out, value)?;
    }
    out.push('}');
    Ok(())
}
