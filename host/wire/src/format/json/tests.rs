//! JSON against the RFC, and against the reader that plugins use.

use super::{super::value::Value, check, read, write};
use proptest::prelude::*;

#[track_caller]
fn refused(text: &str, message: &str) {
    assert_eq!(check(text).unwrap_err().to_string(), message, "{text:?}");
    assert_eq!(read(text).unwrap_err().to_string(), message, "{text:?}");
}

#[test]
fn mistakes_are_named_with_their_place() {
    refused("", "byte 0: the text ends where a JSON value is expected");
    refused("  ", "byte 2: the text ends where a JSON value is expected");
    refused("[1,]", "byte 3: expected a JSON value");
    refused("[1 2]", "byte 3: expected `,` or `]`");
    refused("[1}", "byte 2: expected `,` or `]`");
    refused("[1", "byte 2: the text ends where `,` or `]` is expected");
    refused("{\"a\":1,}", "byte 7: expected a key in double quotes");
    refused("{a:1}", "byte 1: expected a key in double quotes");
    refused("{\"a\" 1}", "byte 5: expected `:` after the key");
    refused("{\"a\":1]", "byte 6: expected `,` or `}`");
    refused("nul", "byte 0: expected a JSON value (words are `true`, `false` and `null`)");
    refused("'a'", "byte 0: expected a JSON value");
    refused("01", "byte 0: not a number: it may not begin with 0");
    refused("-", "byte 1: not a number: digits must follow the `-`");
    refused("1.", "byte 2: not a number: digits must follow the point");
    refused("1e+", "byte 3: not a number: digits must follow the exponent's `e`");
    refused("\"a", "byte 0: the string that begins here has no closing quote");
    refused(
        "\"a\nb\"",
        "byte 2: a control character in a string; write it as an escape such as `\\n` or `\\u0000`",
    );
    refused(
        r#""a\x""#,
        r#"byte 2: an escape that does not exist here; there are `\"`, `\\`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t` and `\u` with four hex digits"#,
    );
    refused("1 2", "byte 2: a second value; only one is expected");
    refused("\u{feff}1", "byte 0: expected a JSON value");
}

#[test]
fn half_a_character_is_read_as_the_replacement_character() {
    for (text, meant) in [
        (r#""\ud83d""#, "\u{fffd}"),
        (r#""\udc00""#, "\u{fffd}"),
        (r#""cut \ud83d\u0061""#, "cut \u{fffd}a"),
        (r#""\ud800\ud800\udc00""#, "\u{fffd}\u{10000}"),
        (r#""\ud800\n\\ud800\\\udfff""#, "\u{fffd}\n\\ud800\\\u{fffd}"),
        (r#""\ud83d\ude00""#, "😀"),
    ] {
        assert_eq!(check(text), Ok(0..text.len()), "{text}");
        assert_eq!(read(text), Ok(Value::String(meant.into())), "{text}");
    }
}

#[test]
fn a_value_is_found_between_white_space() {
    assert_eq!(check(" \n[1, {\"a\": \"]\"}]\t"), Ok(2..17));
}

#[test]
fn depth_is_bounded_whatever_nests() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(read(&nested(64)).is_ok());
    refused(&nested(65), "byte 64: nested deeper than 64 levels; send a flatter value");
    for endless in ["[", "{\"a\":", "[[],", "{\"a\":["] {
        let error = check(&endless.repeat(1_000_000)).unwrap_err();
        assert!(error.to_string().contains("nested deeper"), "{endless}: {error}");
    }
}

#[test]
fn large_objects_do_not_cost_the_square_of_their_size() {
    let fields: Vec<_> = (0..100_000).map(|key| format!("\"k{key}\":{key}")).collect();
    let text = format!("{{{}}}", fields.join(","));
    let Value::Map(pairs) = read(&text).unwrap() else { panic!("no map") };
    assert_eq!(pairs.len(), 100_000);
}

/// JSON as a client would write it: integers that JSON's readers agree on, fractions that have an exact text.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        any::<i32>().prop_map(|number| (f64::from(number) / 8.0).into()),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::hash_map("[a-z0-9/ .+\"\\\\]{0,4}|.{0,3}", inner, 0..12)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn json_comes_back_from_the_value_model(value in json(), pretty: bool) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        prop_assert_eq!(check(&text), Ok(0..text.len()));
        let mut written = String::new();
        write(&mut written, &read(&text).unwrap()).unwrap();
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&written).unwrap(), value);
    }

    #[test]
    fn the_grammar_is_the_one_that_plugins_read(
        text in r#"([\[\]{},: ]|true|false|null|"[a\\u0dn"]{0,3}"|-?[0-9]{1,2}(\.[0-9]?)?(e[+-]?[0-9]?)?|\PC){0,12}"#,
    ) {
        let theirs = serde_json::from_str::<serde_json::Value>(&text);
        prop_assert_eq!(check(&text).is_ok(), theirs.is_ok(), "{:?} {:?}", check(&text), theirs);
    }

    #[test]
    fn checking_and_reading_agree(text in r#"([\[\]{},:" 0e.\\-]|true|null|"a"|\PC){0,30}"#) {
        prop_assert_eq!(check(&text).map(drop), read(&text).map(drop));
    }
}
