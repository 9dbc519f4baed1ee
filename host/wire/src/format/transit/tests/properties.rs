//! What must hold for any value and any text.

use super::super::{
    super::{inst::Inst, value::Value},
    check, read, recode, write,
};
use crate::{
    format::transit::cache::Cache,
    payload::{Encoding, Payload, transcode},
};
use proptest::prelude::*;
use uuid::Uuid;

fn name() -> impl Strategy<Value = String> {
    "[a-z]{1,4}(/[a-z]{1,4})?"
}

/// Values without parts, of every kind.
fn leaf() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        (-300_i64..300).prop_map(Value::Integer),
        "-?[1-9][0-9]{0,40}".prop_map(|digits| Value::BigInteger(digits.into())),
        "-?[1-9][0-9]{0,9}/[1-9][0-9]{0,9}".prop_map(|text| Value::Ratio(text.into())),
        any::<f64>().prop_map(Value::Float),
        "-?(0|[1-9][0-9]{0,9})\\.[0-9]{1,9}(E-?[0-9]{1,3})?"
            .prop_map(|text| Value::BigDecimal(text.into())),
        any::<char>().prop_map(Value::Char),
        ".{0,20}".prop_map(|text| Value::String(text.into())),
        "[~^` #:'a]{0,5}".prop_map(|text| Value::String(text.into())),
        name().prop_map(|name| Value::Symbol(name.into())),
        name().prop_map(|name| Value::Keyword(name.into())),
        (-62_167_219_200_i64..253_402_300_800, prop_oneof![Just(5_000_000), 0_u32..1_000_000_000])
            .prop_map(|(seconds, nanos)| Value::Inst(Inst { seconds, nanos })),
        any::<u128>().prop_map(|bits| Value::Uuid(Uuid::from_u128(bits))),
        any::<Vec<u8>>().prop_map(Value::Bytes),
    ]
    .prop_filter("symbols that are words", |value| {
        !matches!(value, Value::Symbol(name) if matches!(&**name, "nil" | "true" | "false"))
    })
}

fn value() -> impl Strategy<Value = Value<'static>> {
    leaf().prop_recursive(5, 60, 12, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..12);
        let tag = prop_oneof!["[A-Z]", "[a-z]{2,3}/[a-z]{1,4}", Just("uri".to_owned())];
        prop_oneof![
            items.clone().prop_map(Value::Vector),
            items.clone().prop_map(Value::List),
            items.prop_map(|items| Value::Set(distinct(items, |item| item))),
            prop::collection::vec((inner.clone(), inner.clone()), 0..12)
                .prop_map(|pairs| Value::Map(distinct(pairs, |(key, _)| key))),
            (tag, inner).prop_map(|(tag, value)| Value::Tagged(tag.into(), Box::new(value))),
        ]
    })
}

/// Each of them once, as EDN tells them apart.
fn distinct<T>(mut all: Vec<T>, key: fn(&T) -> &Value<'static>) -> Vec<T> {
    let mut seen: Vec<Value<'static>> = Vec::new();
    all.retain(|one| {
        let mut set = seen.clone();
        set.push(key(one).clone());
        let is_new = check(&written(&Value::Set(set.clone()))).is_ok();
        if is_new {
            seen = set;
        }
        is_new
    });
    all
}

fn written(value: &Value<'_>) -> String {
    let mut out = String::new();
    write(&mut out, value).unwrap();
    out
}

/// As debug text, because NaN is not equal to itself.
fn debug(value: &Value<'_>) -> String {
    format!("{value:?}")
}

proptest! {
    #[test]
    fn values_come_back_from_their_text(value in value()) {
        let text = written(&value);
        prop_assert_eq!(check(&text), Ok(0..text.len()), "{}", text);
        prop_assert_eq!(debug(&read(&text).unwrap()), debug(&value), "{}", text);
        serde_json::from_str::<serde_json::Value>(&text).unwrap();
    }

    #[test]
    fn between_edn_and_transit_nothing_is_lost(value in value()) {
        let transit = written(&value);
        let edn = transcode(&Payload::new(Encoding::Transit, transit.clone()), Encoding::Edn).unwrap();
        let back = transcode(&edn, Encoding::Transit).unwrap();
        prop_assert_eq!(std::str::from_utf8(&back.body), Ok(&*transit));
    }

    #[test]
    fn json_comes_back_from_transit(value in value()) {
        let json = |from: Encoding, text: String| transcode(&Payload::new(from, text), Encoding::Json);
        let Ok(direct) = json(Encoding::Transit, written(&value)) else { return Ok(()) };
        let transit = transcode(&direct, Encoding::Transit).unwrap();
        let again = transcode(&transit, Encoding::Json).unwrap();
        let alone = |payload: &Payload| serde_json::from_slice::<serde_json::Value>(&payload.body).unwrap();
        prop_assert_eq!(alone(&again), alone(&direct));
    }

    #[test]
    fn a_value_behind_others_means_the_same(value in value(), taken in 0_usize..1937) {
        let text = written(&value);
        let mut out = Vec::new();
        recode::recode(&text, 0..text.len(), Cache::default(), taken, &mut out).unwrap();
        let names: String = (0..taken).map(|number| format!("\"~:before{number}\",")).collect();
        let frame = format!("[{names}{}]", String::from_utf8(out).unwrap());
        let Value::Vector(items) = read(&frame).unwrap() else { panic!("no vector") };
        prop_assert_eq!(debug(items.last().unwrap()), debug(&value));
    }

    #[test]
    fn any_text_is_taken_or_refused_with_a_place(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "[", "]", "{", "}", ",", ":", " ", "\"^ \"", "\"^0\"", "\"^1\"", "\"~:name\"", "\"~#set\"", "\"~#cmap\"",
            "\"~#x\"", "\"~#'\"", "\"key4\"", "1", "null", "\"~m0\"", "\"\\u007e:a\"", "\"~u\"", "\"é\"",
        ]), 0..24),
    ) {
        let text = pieces.concat();
        match (check(&text), read(&text)) {
            (Ok(_), Ok(value)) => {
                prop_assert_eq!(debug(&read(&written(&value)).unwrap()), debug(&value));
            }
            (Err(error), Err(same)) => {
                prop_assert!(error.at <= text.len());
                prop_assert_eq!(error, same);
            }
            (check, read) => prop_assert!(false, "{:?}, {:?}: {}", check, read, text),
        }
    }
}
