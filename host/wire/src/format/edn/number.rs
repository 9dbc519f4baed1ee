//! EDN's numbers, and Clojure's ratios.

use super::super::{error::Problem, value::Value};

/// Whether a token is a number or nothing: a digit first, or a sign before one.
pub(super) fn is_number(token: &str) -> bool {
    token.strip_prefix(['+', '-']).unwrap_or(token).starts_with(|c: char| c.is_ascii_digit())
}

/// What kind of number a token is; all parts have been checked.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number<'a> {
    Integer(&'a str),
    Big(&'a str),
    Ratio(&'a str),
    Float(&'a str),
    Decimal(&'a str),
}

/// Checks a token.
pub(super) fn parse(token: &str) -> Result<Number<'_>, Problem> {
    let text = token.strip_prefix('+').unwrap_or(token);
    let (whole, rest) = split_digits(text.strip_prefix('-').unwrap_or(text));
    if whole.len() > 1 && whole.starts_with('0') {
        return Err(Problem::Number("it may not begin with 0"));
    }
    match rest.as_bytes() {
        [] => return Ok(Number::Integer(text)),
        b"N" => return Ok(Number::Big(cut(text, 1))),
        [b'/', ..] => return ratio(text, cut_front(rest, 1)),
        _ => {}
    }
    let mut rest = rest;
    if let Some(fraction) = rest.strip_prefix('.') {
        let (digits, after) = split_digits(fraction);
        if digits.is_empty() {
            return Err(Problem::Number("digits must follow the point"));
        }
        rest = after;
    }
    if let Some(exponent) = rest.strip_prefix(['e', 'E']) {
        let (digits, after) = split_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
        if digits.is_empty() {
            return Err(Problem::Number("digits must follow the exponent's `e`"));
        }
        rest = after;
    }
    match rest {
        "" => Ok(Number::Float(text)),
        "M" => Ok(Number::Decimal(cut(text, 1))),
        _ => Err(Problem::Number(
            "decimal digits, and `N` or `M` at most, make a number; names begin with a letter",
        )),
    }
}

fn ratio<'a>(text: &'a str, denominator: &str) -> Result<Number<'a>, Problem> {
    let (digits, rest) = split_digits(denominator);
    if digits.is_empty() || !rest.is_empty() || digits.starts_with('0') {
        return Err(Problem::Number(
            "a ratio has digits on both sides of its `/`, not beginning with 0",
        ));
    }
    Ok(Number::Ratio(text))
}

impl<'a> Number<'a> {
    pub(super) fn value(self) -> Value<'a> {
        match self {
            Self::Integer(text) => {
                text.parse().map_or_else(|_| Value::BigInteger(text.into()), Value::Integer)
            }
            Self::Big("-0") => Value::BigInteger("0".into()),
            Self::Big(text) => Value::BigInteger(text.into()),
            // Nothing is no less than nothing; a big integer of Transit has no sign before its 0.
            Self::Ratio(text) if text.starts_with("-0/") => {
                Value::Ratio(text.trim_start_matches('-').into())
            }
            Self::Ratio(text) => Value::Ratio(text.into()),
            // Cannot fail on what `parse` has checked; beyond the range it is infinite, as in Clojure.
            Self::Float(text) => Value::Float(text.parse().unwrap_or(f64::NAN)),
            Self::Decimal(text) => Value::BigDecimal(text.into()),
        }
    }
}

fn split_digits(text: &str) -> (&str, &str) {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at_checked(count).unwrap_or((text, ""))
}

fn cut(text: &str, last: usize) -> &str {
    text.get(..text.len() - last).unwrap_or_default()
}

fn cut_front(text: &str, first: usize) -> &str {
    text.get(first..).unwrap_or_default()
}
