//! Finding keys and elements that occur twice, without building values where texts can be compared.

use super::{
    super::value::Value,
    parser::{Parser, qualify},
};
use std::{fmt::Write, ops::Range};

/// How many keys are compared each with each; more are sorted.
const FEW: usize = 8;

/// The keys of one map, or the elements of one set, as they are read.
#[derive(Debug, Default)]
pub(super) struct Keys {
    few: [Range<usize>; FEW],
    count: usize,
    /// All of them, once they are more than [`FEW`].
    many: Vec<Range<usize>>,
    /// Some key can be written in several ways.
    varied: bool,
}

impl Keys {
    /// `varied`: another text may mean the same key.
    pub(super) fn add(&mut self, span: Range<usize>, varied: bool) {
        self.varied |= varied;
        match self.few.get_mut(self.count) {
            Some(place) => *place = span,
            None => {
                if self.many.is_empty() {
                    self.many.extend(self.few.iter().cloned());
                }
                self.many.push(span);
            }
        }
        self.count += 1;
    }

    /// Where a key begins that was there before.
    pub(super) fn duplicate(&self, text: &str, namespace: Option<&str>) -> Option<usize> {
        let keys = if self.count > FEW {
            self.many.as_slice()
        } else {
            self.few.get(..self.count).unwrap_or_default()
        };
        if self.varied || namespace.is_some() {
            return sorted(
                keys.iter().map(|key| (normal(text, key, namespace), key.start)).collect(),
            );
        }
        let slice = |key: &Range<usize>| text.get(key.clone()).unwrap_or_default();
        if self.count > FEW {
            return sorted(keys.iter().map(|key| (slice(key), key.start)).collect());
        }
        keys.iter().enumerate().find_map(|(place, key)| {
            keys.iter().take(place).any(|earlier| slice(earlier) == slice(key)).then_some(key.start)
        })
    }
}

fn sorted<T: Ord>(mut keys: Vec<(T, usize)>) -> Option<usize> {
    keys.sort_unstable();
    keys.iter().zip(keys.iter().skip(1)).find(|(one, next)| one.0 == next.0).map(|(_, next)| next.1)
}

/// A text that equal keys have in common and others have not.
fn normal(text: &str, key: &Range<usize>, namespace: Option<&str>) -> String {
    let mut out = String::new();
    // The span was checked when it was read.
    if let Ok(mut value) = Parser::trusting(text.get(key.clone()).unwrap_or_default()).read() {
        if let Some(namespace) = namespace {
            qualify(&mut value, namespace);
        }
        push_normal(&mut out, &value);
    }
    out
}

/// Equality is Clojure's: lists equal vectors, big integers equal small ones, sets and maps know no order.
fn push_normal(out: &mut String, value: &Value) {
    match value {
        Value::List(items) | Value::Vector(items) => {
            sequence(out, '[', items.iter().map(normal_of).collect())
        }
        Value::Set(items) => {
            let mut items: Vec<_> = items.iter().map(normal_of).collect();
            items.sort_unstable();
            sequence(out, '#', items);
        }
        Value::Map(pairs) => {
            let pair = |(key, value): &(Value, Value)| normal_of(key) + &normal_of(value);
            let mut pairs: Vec<_> = pairs.iter().map(pair).collect();
            pairs.sort_unstable();
            sequence(out, '{', pairs);
        }
        Value::Tagged(tag, value) => sequence(out, 't', vec![tag.clone(), normal_of(value)]),
        Value::Integer(number) => sequence(out, 'i', vec![number.to_string()]),
        Value::BigInteger(digits) => sequence(out, 'i', vec![digits.clone()]),
        // A leaf's debug text names its kind and quotes its text. Writing to a `String` cannot fail.
        leaf => {
            let _ok = write!(out, "{leaf:?}");
        }
    }
}

fn normal_of(value: &Value) -> String {
    let mut out = String::new();
    push_normal(&mut out, value);
    out
}

/// Each part with its length, so that no two sequences look alike.
fn sequence(out: &mut String, kind: char, parts: Vec<String>) {
    out.push(kind);
    for part in parts {
        let _ok = write!(out, "{}:{part}", part.len());
    }
    out.push(';');
}
