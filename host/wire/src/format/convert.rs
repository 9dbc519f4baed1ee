//! What becomes of keys between EDN's world, which has keywords, and JSON's, to which MessagePack belongs here.
//!
//! From there: a key that reads as a keyword becomes one, everything else stays what it is. To there: see
//! [`super::json::write`], which uses the texts that are made here, and [`super::msgpack::write`].

use super::{build::Pairs, edn, error::WriteError, value::Value};
use std::borrow::Cow;

/// Keys of so small a map are compared each with each, which costs less than sorting them.
const FEW: usize = 24;

/// A JSON object's key: a keyword if it reads as one, else a string.
pub(super) fn key_from_json(key: Cow<'_, str>) -> Value<'_> {
    if reads_as_keyword(&key) { Value::Keyword(key) } else { Value::String(key) }
}

/// Letters, digits and `*!_?+-./`, not beginning with a digit, and such that every EDN reader takes it: with a slash,
/// namespace and name each have to be a name.
pub(super) fn reads_as_keyword(key: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "*!_?+-./".contains(c);
    key.chars().all(plain) && edn::is_portable_name(key)
}

/// The text of an object's key for a key that JSON can have.
pub(super) fn key_to_json<'k>(key: &'k Value<'_>) -> Result<Cow<'k, str>, WriteError> {
    Ok(match key {
        Value::String(text) | Value::Keyword(text) | Value::Symbol(text) => Cow::Borrowed(text),
        Value::BigInteger(text) | Value::Ratio(text) | Value::BigDecimal(text) => {
            Cow::Borrowed(text)
        }
        Value::Integer(number) => Cow::Owned(number.to_string()),
        Value::Float(number) if number.is_nan() => Cow::Borrowed("NaN"),
        Value::Float(number) if number.is_infinite() => {
            Cow::Borrowed(if *number > 0.0 { "Infinity" } else { "-Infinity" })
        }
        Value::Float(number) => Cow::Owned(format!("{number:?}")),
        other => return Err(WriteError::Key { format: "JSON", kind: other.kind() }),
    })
}

/// What keys are told apart by in formats whose keys are texts and numbers. Numbers that are written differently and
/// mean the same are one key; a decimal is never the same key as an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'k> {
    Text(&'k str),
    Integer(i64),
    Unsigned(u64),
    Float(u64),
}

impl<'k> Key<'k> {
    /// None: it is neither text nor number.
    pub(super) fn of(key: &'k Value<'_>) -> Option<Self> {
        Some(match key {
            Value::String(text) | Value::Keyword(text) | Value::Symbol(text) => Self::Text(text),
            Value::Ratio(text) | Value::BigDecimal(text) => Self::Text(text),
            Value::Integer(number) => Self::Integer(*number),
            Value::BigInteger(digits) => match (digits.parse(), digits.parse()) {
                (Ok(number), _) => Self::Integer(number),
                (_, Ok(number)) => Self::Unsigned(number),
                _ => Self::Text(digits),
            },
            Value::Float(number) if number.is_nan() => Self::Float(f64::NAN.to_bits()),
            Value::Float(number) => Self::Float(number.to_bits()),
            _ => return None,
        })
    }
}

/// Keeps the last of several pairs with the same key, as readers of JSON and MessagePack do.
pub(super) fn last_wins(mut pairs: Pairs<'_>) -> Pairs<'_> {
    if pairs.len() < 2 {
        return pairs;
    }
    let keys: Vec<_> = pairs.iter().map(|(key, _)| Key::of(key)).collect();
    if let Some(superseded) = superseded(&keys) {
        let mut superseded = superseded.into_iter();
        pairs.retain(|_| !superseded.next().unwrap_or(false));
    }
    pairs
}

/// Marks each key that occurs again further on; none when there is nothing to mark.
pub(super) fn superseded<K: Ord>(keys: &[K]) -> Option<Vec<bool>> {
    let few = keys.len() <= FEW;
    let again = |(place, key): (usize, &K)| keys.iter().skip(place + 1).any(|later| later == key);
    if few && !keys.iter().enumerate().any(again) {
        return None;
    }
    let mut order: Vec<(&K, usize)> =
        keys.iter().enumerate().map(|(place, key)| (key, place)).collect();
    order.sort_unstable();
    let mut marks = Vec::new();
    for (one, next) in order.iter().zip(order.iter().skip(1)) {
        if one.0 == next.0 {
            marks.resize(keys.len(), false);
            if let Some(mark) = marks.get_mut(one.1) {
                *mark = true;
            }
        }
    }
    (!marks.is_empty()).then_some(marks)
}

#[cfg(test)]
mod tests {
    use crate::{
        fault::FaultId,
        payload::{Encoding, Payload, transcode},
    };

    #[track_caller]
    fn convert(from: Encoding, text: &str, to: Encoding) -> String {
        let payload = transcode(&Payload::new(from, text.to_owned()), to).unwrap();
        assert_eq!(payload.encoding, to);
        String::from_utf8(payload.body.to_vec()).unwrap()
    }

    #[track_caller]
    fn to_json(edn: &str, json: &str) {
        assert_eq!(convert(Encoding::Edn, edn, Encoding::Json), json);
    }

    #[track_caller]
    fn to_edn(json: &str, edn: &str) {
        assert_eq!(convert(Encoding::Json, json, Encoding::Edn), edn);
    }

    #[test]
    fn edn_becomes_json_row_by_row() {
        to_json("nil", "null");
        to_json("[true false]", "[true,false]");
        // keyword → its name without colon, also as a key
        to_json("[:a :a/b :ns.x/y-z?]", r#"["a","a/b","ns.x/y-z?"]"#);
        to_json("{:a 1 :a/b 2 \"c d\" 3 e 4}", r#"{"a":1,"a/b":2,"c d":3,"e":4}"#);
        // symbol, character, UUID → string
        to_json("[sym ns/sym]", r#"["sym","ns/sym"]"#);
        to_json(r"[\a \newline \u20ac \\]", r#"["a","\n","€","\\"]"#);
        to_json(
            "#uuid \"123E4567-e89b-12d3-a456-426614174000\"",
            r#""123e4567-e89b-12d3-a456-426614174000""#,
        );
        // instant → RFC 3339
        to_json("#inst \"2024-02-29T12:30:00.250-01:00\"", r#""2024-02-29T13:30:00.250Z""#);
        to_json("#inst \"2024\"", r#""2024-01-01T00:00:00.000Z""#);
        // set, list, vector → array
        to_json("[#{1} (2 3) [] ()]", "[[1],[2,3],[],[]]");
        // ratio, big integer, integer beyond 2^53 → string
        to_json("[22/7 -1/2]", r#"["22/7","-1/2"]"#);
        to_json("[5N 12345678901234567890 1.50M]", r#"["5","12345678901234567890","1.50"]"#);
        to_json(
            "[9007199254740992 -9007199254740992 9007199254740993 -9007199254740993]",
            r#"[9007199254740992,-9007199254740992,"9007199254740993","-9007199254740993"]"#,
        );
        to_json("[0 -7 +7 1.5 -0.0 1e3]", "[0,-7,7,1.5,-0.0,1000.0]");
        // bytes → base64
        to_json("#base64 \"AP8Q\"", r#""AP8Q""#);
        // tagged → {"#tag": value}
        to_json("#my/point [1 2]", r##"{"#my/point":[1,2]}"##);
        to_json("#a #b :c", r##"{"#a":{"#b":"c"}}"##);
        // NaN and infinities → null
        to_json("[##NaN ##Inf ##-Inf 1e400]", "[null,null,null,null]");
        // numbers as keys
        to_json(
            "{1 :a 1.5 :b 2/3 :c 9007199254740993 :d 7N :e}",
            r#"{"1":"a","1.5":"b","2/3":"c","9007199254740993":"d","7":"e"}"#,
        );
        to_json("\"tab\t \\\"q\\\" \\u0007é\"", r#""tab\t \"q\" \u0007é""#);
        to_json(
            "#:user{:id 1 :_/plain 2 :other/x 3 \"s\" 4}",
            r#"{"user/id":1,"plain":2,"other/x":3,"s":4}"#,
        );
    }

    #[test]
    fn json_becomes_edn_row_by_row() {
        to_edn("null", "nil");
        to_edn("[true,false]", "[true false]");
        // keys that read as keywords → keywords, others → strings
        for key in
            ["a", "ns/name", "a.b", "ping-ms", "ok?", "do!", "*x*", "a_b", "+", "-x", "é", "x1"]
        {
            to_edn(&format!("{{\"{key}\":1}}"), &format!("{{:{key} 1}}"));
        }
        for key in [
            "",
            "1",
            "1a",
            "with space",
            "a:b",
            "#tag",
            "a/",
            "/a",
            "/",
            "a/b/c",
            "a/1",
            "-1",
            "+1",
            ".5",
            "a,b",
            "(",
            "@",
            "$",
            "a%",
        ] {
            to_edn(&format!("{{\"{key}\":1}}"), &format!("{{\"{key}\" 1}}"));
        }
        to_edn(r#"{"\u0061":1,"q\"":2}"#, r#"{:a 1 "q\"" 2}"#);
        // strings stay strings
        to_edn(
            r#"["a/b",":a","2024-01-01T00:00:00Z","line\nbreak","\ud83d\ude00"]"#,
            r#"["a/b" ":a" "2024-01-01T00:00:00Z" "line\nbreak" "😀"]"#,
        );
        to_edn("[1,-2,1.0,1e2,-0,0.5]", "[1 -2 1.0 100.0 -0.0 0.5]");
        to_edn(
            "[9007199254740993,12345678901234567890,1e400]",
            "[9007199254740993 12345678901234567890N 1e400M]",
        );
        to_edn(r#"{"a":{"b":[{}]},"c":[]}"#, "{:a {:b [{}]} :c []}");
    }

    #[test]
    fn a_key_that_json_has_not_is_refused() {
        for key in
            ["nil", "true", r"\a", "[1]", "{}", "#{}", "#inst \"2024\"", "#t 1", "#base64 \"\""]
        {
            let edn = Payload::new(Encoding::Edn, format!("{{{key} 1}}"));
            let fault = transcode(&edn, Encoding::Json).unwrap_err();
            assert_eq!(fault.id, FaultId::Unsupported, "{key}");
            assert!(fault.message.contains("JSON has no map key for"), "{}", fault.message);
        }
    }

    #[test]
    fn of_keys_that_become_one_the_last_stays() {
        to_json("{:a 1 \"a\" 2 :b 3 a 4}", r#"{"b":3,"a":4}"#);
        to_edn(r#"{"a":1,"b":2,"a":3}"#, "{:b 2 :a 3}");
        let many: String = (0..40).map(|key| format!("\"k{}\":{key},", key % 20)).collect();
        let last: Vec<_> = (20..40).map(|key| format!(":k{} {key}", key - 20)).collect();
        to_edn(&format!("{{{}}}", many.trim_end_matches(',')), &format!("{{{}}}", last.join(" ")));
    }

    #[test]
    fn what_would_grow_without_bound_is_refused_and_what_is_small_may_grow() {
        let map = |keys: usize, namespace: usize| {
            let keys: String = (0..keys).map(|key| format!(":k{key} 1 ")).collect();
            Payload::new(Encoding::Edn, format!("#:{}{{{keys}}}", "n".repeat(namespace)))
        };
        assert!(transcode(&map(400, 120), Encoding::Json).is_ok(), "53 KB");
        assert!(transcode(&map(20_000, 40), Encoding::Json).is_ok(), "five times as long");
        let fault = transcode(&map(20_000, 120), Encoding::Json).unwrap_err();
        assert_eq!(fault.id, FaultId::Unsupported);
        assert!(fault.message.contains("without a namespace"), "{}", fault.message);
    }

    #[test]
    fn text_and_bytes_of_raw_endpoints_become_strings() {
        let convert = |from, body: &[u8], to| {
            transcode(&Payload::new(from, body.to_vec()), to).map(|payload| payload.body.to_vec())
        };
        for format in [Encoding::Json, Encoding::Edn] {
            assert_eq!(
                convert(Encoding::Text, b"say \"hi\"\n", format).unwrap(),
                br#""say \"hi\"\n""#
            );
            assert_eq!(convert(Encoding::Text, b"", format).unwrap(), b"\"\"");
            assert_eq!(convert(Encoding::Binary, &[0, 255, 16], format).unwrap(), b"\"AP8Q\"");
            assert_eq!(convert(Encoding::Text, &[255], format).unwrap_err().id, FaultId::Malformed);
            assert_eq!(convert(format, b"{ ", Encoding::Text).unwrap(), b"{ ");
            assert_eq!(convert(format, &[255], Encoding::Binary).unwrap(), [255]);
        }
        assert_eq!(convert(Encoding::Binary, b"plain", Encoding::Text).unwrap(), b"plain");
        assert_eq!(
            convert(Encoding::Binary, &[255], Encoding::Text).unwrap_err().id,
            FaultId::Unsupported
        );
    }

    #[test]
    fn what_a_plugin_sends_is_refused_with_the_place() {
        for (from, text, to, message) in [
            (
                Encoding::Json,
                "{\"a\":}",
                Encoding::Edn,
                "the payload is not `json`: byte 5: expected a JSON value",
            ),
            (
                Encoding::Edn,
                "{:a}",
                Encoding::Json,
                "the payload is not `edn`: byte 3: the map has a key without a value",
            ),
            (
                Encoding::Edn,
                "",
                Encoding::Json,
                "the payload is not `edn`: byte 0: the text ends where a value is expected",
            ),
        ] {
            let fault = transcode(&Payload::new(from, text.to_owned()), to).unwrap_err();
            assert_eq!((fault.id, fault.message.as_str()), (FaultId::Malformed, message));
        }
    }
}
