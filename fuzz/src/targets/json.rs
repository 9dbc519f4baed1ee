//! JSON: the grammar is RFC 8259's, and what was read is written so that it means the same.

use serde_json::Value;
use tengen_wire::format::{
    error::Problem,
    json::{check, read, write},
};

/// Integers up to here are numbers to every reader of JSON; larger ones are written as strings.
const EXACT: u64 = 1 << 53;

pub fn json(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (checked, read) = (check(text), read(text));
    assert_eq!(checked.clone().map(drop), read.clone().map(drop), "checking and reading differ");
    let theirs = serde_json::from_str::<Value>(text);
    let value = match read {
        Ok(value) => value,
        Err(error) => {
            assert!(error.at <= text.len(), "{error}");
            // Ours is the smaller depth.
            let too_deep = error.problem == Problem::TooDeep;
            assert!(theirs.is_err() || too_deep, "only we refuse it: {error}");
            return;
        }
    };
    let mut written = String::new();
    write(&mut written, &value).expect("what was JSON can be written as JSON");
    match theirs {
        Ok(theirs) => same(&serde_json::from_str(&written).expect("JSON is written"), &theirs),
        // A number that is no double is text to us, and half a character is U+FFFD.
        Err(error) => assert!(is_ours_alone(&error), "{error}"),
    }
    let mut again = String::new();
    let back = self::read(&written).expect("we read what we write");
    write(&mut again, &back).expect("what was JSON can be written as JSON");
    assert_eq!(written, again, "a second pass changes the text");
}

/// What only other readers refuse.
fn is_ours_alone(error: &serde_json::Error) -> bool {
    let text = error.to_string();
    text.starts_with("number out of range")
        || text.contains("surrogate")
        || text.starts_with("unexpected end of hex escape")
}

/// Ours went through the value model, theirs did not.
fn same(ours: &Value, theirs: &Value) {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            assert_eq!(ours.len(), theirs.len());
            ours.iter().zip(theirs).for_each(|(ours, theirs)| same(ours, theirs));
        }
        (Value::Object(ours), Value::Object(theirs)) => {
            assert_eq!(ours.len(), theirs.len(), "{ours:?} {theirs:?}");
            for (key, theirs) in theirs {
                same(ours.get(key).expect("no key is lost"), theirs);
            }
        }
        (Value::String(ours), Value::Number(theirs)) => {
            let large = theirs.as_i64().map(i64::unsigned_abs).or(theirs.as_u64());
            assert!(large.is_none_or(|number| number > EXACT), "{ours} became text");
            assert_eq!(ours.parse::<f64>().ok(), theirs.as_f64());
        }
        _ => assert_eq!(ours, theirs),
    }
}
