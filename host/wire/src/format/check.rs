//! Checking without building: what is well formed leaves nothing behind, and a key leaves a digest to be compared by.

use super::{
    build::{Build, Pairs},
    value::Value,
};
use foldhash::quality::{FoldHasher, RandomState};
use std::{
    borrow::Cow,
    hash::{BuildHasher, Hash, Hasher},
    sync::LazyLock,
};

/// Only checks.
pub(super) struct Check;

impl<'a> Build<'a> for Check {
    type Value = ();
    type Items = ();
    type Set = ();
    type Map = ();
    type Key = Digest;

    const COMPARES: bool = true;
    const BUILDS: bool = false;

    fn leaf(_: impl FnOnce() -> Value<'a>) {}
    fn push((): &mut (), (): ()) {}
    fn sequence((): (), _: fn(Vec<Value<'a>>) -> Value<'a>) {}
    fn insert((): &mut (), (): ()) {}
    fn set((): ()) {}
    fn pair((): &mut (), (): (), (): ()) {}
    fn map((): (), _: fn(Pairs<'a>) -> Value<'a>) {}
    fn tagged(_: Cow<'a, str>, (): ()) {}
    fn digest((): &()) -> Option<u64> {
        None
    }
    fn of_key(_: u64) {}
}

/// Makes a number of each value that equal values have in common and others have not.
///
/// It is made of the numbers of the parts, once for each part, however deep keys are nested in keys. The hash has a secret
/// seed, and `AGAIN` has another: two values that agree under both are equal.
pub(super) struct Digest<const AGAIN: bool = false>;

static FIRST: LazyLock<RandomState> = LazyLock::new(RandomState::default);
static SECOND: LazyLock<RandomState> = LazyLock::new(RandomState::default);

impl<const AGAIN: bool> Digest<AGAIN> {
    fn hasher() -> FoldHasher<'static> {
        if AGAIN { SECOND.build_hasher() } else { FIRST.build_hasher() }
    }

    fn of(parts: impl Hash) -> u64 {
        let mut hasher = Self::hasher();
        parts.hash(&mut hasher);
        hasher.finish()
    }

    /// Equality is Clojure's: a big integer equals a small one. Decimals, ratios and floats are told apart by their kind.
    fn of_leaf(value: &Value<'_>) -> u64 {
        match value {
            Value::Integer(number) => Self::of((0_u8, number)),
            Value::BigInteger(digits) => match digits.parse::<i64>() {
                Ok(number) => Self::of((0_u8, number)),
                Err(_) => Self::of((1_u8, digits)),
            },
            Value::Ratio(text) => Self::of((2_u8, text)),
            Value::Float(number) if number.is_nan() => Self::of(3_u8),
            Value::Float(number) => Self::of((4_u8, number.to_bits())),
            Value::BigDecimal(text) => Self::of((5_u8, text)),
            Value::Char(character) => Self::of((6_u8, character)),
            Value::String(text) => Self::of((7_u8, text)),
            Value::Symbol(name) => Self::of((8_u8, name)),
            Value::Keyword(name) => Self::of((9_u8, name)),
            Value::Inst(inst) => Self::of((10_u8, inst)),
            Value::Uuid(uuid) => Self::of((11_u8, uuid)),
            Value::Bytes(bytes) => Self::of((12_u8, bytes)),
            Value::Bool(truth) => Self::of((13_u8, truth)),
            // What has parts never comes here: its digest is made of theirs.
            _ => Self::of(14_u8),
        }
    }
}

/// The parts of a list or vector, which are equal when their elements are.
pub(super) struct Parts<const AGAIN: bool>(FoldHasher<'static>);

impl<const AGAIN: bool> Default for Parts<AGAIN> {
    fn default() -> Self {
        let mut hasher = Digest::<AGAIN>::hasher();
        hasher.write_u8(20);
        Self(hasher)
    }
}

/// The parts of what knows no order: how many, and the sum of their digests.
#[derive(Default)]
pub(super) struct Sum {
    count: u64,
    sum: u64,
}

impl Sum {
    fn add(&mut self, digest: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(digest);
    }
}

impl<'a, const AGAIN: bool> Build<'a> for Digest<AGAIN> {
    type Value = u64;
    type Items = Parts<AGAIN>;
    type Set = Sum;
    type Map = Sum;
    type Key = Self;

    // The second time, it is known to be well formed.
    const COMPARES: bool = !AGAIN;
    const BUILDS: bool = false;

    fn leaf(make: impl FnOnce() -> Value<'a>) -> u64 {
        Self::of_leaf(&make())
    }

    fn again(_: impl FnOnce() -> Value<'a>, digest: impl FnOnce() -> u64) -> u64 {
        digest()
    }

    fn push(items: &mut Parts<AGAIN>, item: u64) {
        items.0.write_u64(item);
    }

    fn sequence(items: Parts<AGAIN>, _: fn(Vec<Value<'a>>) -> Value<'a>) -> u64 {
        items.0.finish()
    }

    fn insert(set: &mut Sum, element: u64) {
        set.add(element);
    }

    fn set(Sum { count, sum }: Sum) -> u64 {
        Self::of((21_u8, count, sum))
    }

    fn pair(map: &mut Sum, key: u64, value: u64) {
        map.add(Self::of((22_u8, key, value)));
    }

    fn map(Sum { count, sum }: Sum, _: fn(Pairs<'a>) -> Value<'a>) -> u64 {
        Self::of((23_u8, count, sum))
    }

    fn tagged(tag: Cow<'a, str>, value: u64) -> u64 {
        Self::of((24_u8, tag, value))
    }

    fn digest(digest: &u64) -> Option<u64> {
        Some(*digest)
    }

    fn of_key(key: u64) -> u64 {
        key
    }
}
