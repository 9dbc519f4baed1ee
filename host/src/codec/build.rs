//! What a parser makes of the grammar it walks: values, or nothing but the certainty that it is well formed.

use super::value::Value;

/// The consumer of one walk. Closures run only where values are wanted, so that checking allocates nothing.
pub(super) trait Build {
    type Value;
    type Items: Default;

    fn leaf(make: impl FnOnce() -> Value) -> Self::Value;
    fn push(items: &mut Self::Items, item: Self::Value);
    fn collect(items: Self::Items, make: impl FnOnce(Vec<Value>) -> Value) -> Self::Value;
    fn wrap(value: Self::Value, make: impl FnOnce(Value) -> Value) -> Self::Value;
}

/// Only checks.
pub(super) struct Check;

impl Build for Check {
    type Value = ();
    type Items = ();

    fn leaf(_: impl FnOnce() -> Value) {}
    fn push((): &mut (), (): ()) {}
    fn collect((): (), _: impl FnOnce(Vec<Value>) -> Value) {}
    fn wrap((): (), _: impl FnOnce(Value) -> Value) {}
}

/// Builds the value.
pub(super) struct Keep;

impl Build for Keep {
    type Value = Value;
    type Items = Vec<Value>;

    fn leaf(make: impl FnOnce() -> Value) -> Value {
        make()
    }

    fn push(items: &mut Vec<Value>, item: Value) {
        items.push(item);
    }

    fn collect(items: Vec<Value>, make: impl FnOnce(Vec<Value>) -> Value) -> Value {
        make(items)
    }

    fn wrap(value: Value, make: impl FnOnce(Value) -> Value) -> Value {
        make(value)
    }
}

/// Keys and values in turn, as pairs.
pub(super) fn pairs(items: Vec<Value>) -> Vec<(Value, Value)> {
    let mut pairs = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        pairs.push((key, value));
    }
    pairs
}
