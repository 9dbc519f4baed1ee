//! What a parser makes of the grammar it walks: values, or nothing but the certainty that it is well formed.

use super::value::Value;
use std::borrow::Cow;

/// A map's keys and values, in their order.
pub(super) type Pairs<'a> = Vec<(Value<'a>, Value<'a>)>;

/// The consumer of one walk. Closures run only where values are wanted, so that checking allocates nothing.
pub(super) trait Build<'a> {
    type Value;
    type Items: Default;
    type Set: Default;
    type Map: Default;
    /// The consumer of what stands as a key, if keys are to be told apart by what it makes of them.
    type Key: Build<'a>;

    /// Whether keys and elements that occur twice are looked for.
    const COMPARES: bool;
    /// Whether values are wanted: then what is no value of ours is a mistake.
    const BUILDS: bool;

    fn leaf(make: impl FnOnce() -> Value<'a>) -> Self::Value;
    /// A leaf that was met before: what it is compared by need not be made again.
    fn again(make: impl FnOnce() -> Value<'a>, _digest: impl FnOnce() -> u64) -> Self::Value {
        Self::leaf(make)
    }
    fn push(items: &mut Self::Items, item: Self::Value);
    fn sequence(items: Self::Items, make: fn(Vec<Value<'a>>) -> Value<'a>) -> Self::Value;
    fn insert(set: &mut Self::Set, element: Self::Value);
    fn set(set: Self::Set) -> Self::Value;
    fn pair(map: &mut Self::Map, key: Self::Value, value: Self::Value);
    fn map(map: Self::Map, make: fn(Pairs<'a>) -> Value<'a>) -> Self::Value;
    fn tagged(tag: Cow<'a, str>, value: Self::Value) -> Self::Value;

    /// By what the value is compared as a key; none where it was not made as one.
    fn digest(value: &Self::Value) -> Option<u64>;
    /// What a key is where it stands.
    fn of_key(key: <Self::Key as Build<'a>>::Value) -> Self::Value;
}

/// Builds the value. What is built has been checked before.
pub(super) struct Keep;

impl<'a> Build<'a> for Keep {
    type Value = Value<'a>;
    type Items = Vec<Value<'a>>;
    type Set = Vec<Value<'a>>;
    type Map = Pairs<'a>;
    type Key = Self;

    const COMPARES: bool = false;
    const BUILDS: bool = true;

    fn leaf(make: impl FnOnce() -> Value<'a>) -> Value<'a> {
        make()
    }

    fn push(items: &mut Vec<Value<'a>>, item: Value<'a>) {
        push(items, item);
    }

    fn sequence(items: Vec<Value<'a>>, make: fn(Vec<Value<'a>>) -> Value<'a>) -> Value<'a> {
        make(items)
    }

    fn insert(set: &mut Vec<Value<'a>>, element: Value<'a>) {
        push(set, element);
    }

    fn set(set: Vec<Value<'a>>) -> Value<'a> {
        Value::Set(set)
    }

    fn pair(map: &mut Pairs<'a>, key: Value<'a>, value: Value<'a>) {
        push(map, (key, value));
    }

    fn map(map: Pairs<'a>, make: fn(Pairs<'a>) -> Value<'a>) -> Value<'a> {
        make(map)
    }

    fn tagged(tag: Cow<'a, str>, value: Value<'a>) -> Value<'a> {
        Value::Tagged(tag, Box::new(value))
    }

    fn digest(_: &Value<'a>) -> Option<u64> {
        None
    }

    fn of_key(key: Value<'a>) -> Value<'a> {
        key
    }
}

/// Adds to a list. A text may be full of lists of one element: these take no room for more.
fn push<T>(list: &mut Vec<T>, item: T) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
    list.push(item);
}
