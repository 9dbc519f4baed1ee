//! What must hold for any value and any bytes.

use super::super::{
    super::{inst::Inst, value::Value},
    check, read, write,
};
use crate::payload::{Encoding, Payload, transcode};
use proptest::prelude::*;

/// Values that MessagePack has a type for.
fn value() -> impl Strategy<Value = Value<'static>> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        (-300_i64..300).prop_map(Value::Integer),
        (i64::MAX as u64 + 1..).prop_map(|number| Value::BigInteger(number.to_string().into())),
        any::<f64>().prop_map(Value::Float),
        ".{0,40}".prop_map(|text| Value::String(text.into())),
        any::<Vec<u8>>().prop_map(Value::Bytes),
        (-62_167_219_200_i64..253_402_300_800, prop_oneof![Just(0), 0_u32..1_000_000_000])
            .prop_map(|(seconds, nanos)| Value::Inst(Inst { seconds, nanos })),
    ];
    // A key that reads as a keyword comes back as one.
    let key = prop_oneof![
        "[a-z]{1,4}(/[a-z]{1,4})?".prop_map(|text| Value::Keyword(text.into())),
        "[0-9 :]{1,5}".prop_map(|text| Value::String(text.into())),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_filter("unlike itself", |float| !float.is_nan()).prop_map(Value::Float),
    ];
    leaf.prop_recursive(5, 60, 20, move |inner| {
        let pairs = prop::collection::vec((key.clone(), inner.clone()), 0..20);
        prop_oneof![
            prop::collection::vec(inner, 0..20).prop_map(Value::Vector),
            pairs.prop_map(|mut pairs| {
                let mut seen = Vec::new();
                pairs.retain(|(key, _)| {
                    !seen.contains(key) && {
                        seen.push(key.clone());
                        true
                    }
                });
                Value::Map(pairs)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn values_come_back_from_their_bytes(value in value()) {
        let mut written = Vec::new();
        write(&mut written, &value).unwrap();
        prop_assert_eq!(check(&written), Ok(0..written.len()));
        // As debug text, because NaN is not equal to itself.
        prop_assert_eq!(format!("{:?}", read(&written)), format!("{:?}", Ok::<_, ()>(value)));
    }

    #[test]
    fn what_messagepack_says_comes_back_from_edn(value in value()) {
        let mut written = Vec::new();
        write(&mut written, &value).unwrap();
        let edn = transcode(&Payload::new(Encoding::Msgpack, written.clone()), Encoding::Edn).unwrap();
        let back = transcode(&edn, Encoding::Msgpack).unwrap();
        let same = |body: &[u8]| format!("{:?}", read(body));
        prop_assert_eq!(same(&back.body), same(&written));
    }

    #[test]
    fn any_bytes_are_taken_or_refused_with_a_place(
        body in prop::collection::vec(prop_oneof![any::<u8>(), 0x80_u8..0xa4, 0xc0_u8..0xe0, Just(0)], 0..40),
    ) {
        match (check(&body), read(&body)) {
            (Ok(span), read) => {
                prop_assert_eq!(span, 0..body.len());
                let Ok(value) = read else { return Ok(()) };
                let mut written = Vec::new();
                write(&mut written, &value).unwrap();
                prop_assert_eq!(format!("{:?}", self::read(&written)), format!("{:?}", Ok::<_, ()>(value)));
            }
            (Err(error), read) => {
                prop_assert!(error.at <= body.len());
                prop_assert!(read.is_err());
            }
        }
    }
}
