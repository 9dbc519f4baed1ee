//! Which keys are equal, against a slow and simple answer: each value written so that equal ones are written the same.

use super::{super::value::Value, check, read};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Equality is Clojure's: lists equal vectors, big integers equal small ones, sets and maps know no order.
fn normal(value: &Value<'_>) -> String {
    let sorted = |parts: Vec<String>| parts.into_iter().collect::<BTreeSet<_>>();
    match value {
        Value::List(items) | Value::Vector(items) => {
            format!("{:?}", items.iter().map(normal).collect::<Vec<_>>())
        }
        Value::Set(items) => format!("#{:?}", sorted(items.iter().map(normal).collect())),
        Value::Map(pairs) => {
            let pair = |(key, value): &(Value<'_>, Value<'_>)| normal(key) + "=" + &normal(value);
            format!("map{:?}", sorted(pairs.iter().map(pair).collect()))
        }
        Value::Tagged(tag, value) => format!("#{tag} {}", normal(value)),
        Value::Integer(number) => format!("i{number}"),
        Value::BigInteger(digits) => format!("i{digits}"),
        leaf => format!("{leaf:?}"),
    }
}

/// Few values, so that the same one comes up again, and often in another spelling.
fn element() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "1",
        "+1",
        "1N",
        "-0",
        "0",
        "0N",
        "1.0",
        "1.00",
        "-0.0",
        "0.0",
        "1M",
        "1/2",
        "##NaN",
        "##Inf",
        "1e999",
        "\"a\"",
        "\"\\u0061\"",
        "\\a",
        "\\u0061",
        ":a",
        ":n/a",
        "a",
        "n/a",
        "_/a",
        "nil",
        "true",
        "#inst \"2024\"",
        "#inst \"2024-01-01\"",
        "#base64 \"\"",
        "#t 1",
        "#t +1",
    ]);
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 3, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..3).prop_map(|items| items.join(" "));
        prop_oneof![
            items.clone().prop_map(|items| format!("[{items}]")),
            items.clone().prop_map(|items| format!("({items})")),
            items.clone().prop_map(|items| format!("#{{{items}}}")),
            items.prop_map(|items| format!("#t [{items}]")),
            (inner.clone(), inner.clone()).prop_map(|(key, value)| format!("{{{key} {value}}}")),
            (inner.clone(), inner.clone(), inner).prop_map(|(key, other, value)| {
                format!("#:n{{{key} {value} {other} {value}}}")
            }),
        ]
    })
}

proptest! {
    // What is compared by digests is equal exactly when it was when it was compared in full.
    #[test]
    fn elements_are_equal_exactly_when_they_are_written_the_same(
        elements in prop::collection::vec(element(), 1..14),
    ) {
        let alone: Vec<_> = elements.iter().filter(|element| check(element).is_ok()).collect();
        let values: Vec<_> = alone.iter().map(|element| normal(&read(element).unwrap())).collect();
        let distinct = values.iter().collect::<BTreeSet<_>>().len() == values.len();
        let spelt: Vec<_> = alone.iter().map(|element| element.as_str()).collect();
        let set = format!("#{{{}}}", spelt.join(" "));
        prop_assert_eq!(check(&set).is_ok(), distinct, "{}", set);
        let map = format!("{{{} nil}}", spelt.join(" nil "));
        prop_assert_eq!(alone.is_empty() || check(&map).is_ok(), distinct, "{}", map);
    }
}
