//! The cache: what is written as a code, what codes stand for, and values that change places.

use super::{
    super::{cache, check, read, recode, write},
    convert,
};
use crate::{format::value::Value, payload::Encoding};

fn written(value: &Value<'_>) -> String {
    let mut out = String::new();
    write(&mut out, value).unwrap();
    out
}

/// A value after so many places that are taken.
#[track_caller]
fn behind(transit: &str, taken: usize) -> String {
    check(transit).unwrap();
    let mut out = Vec::new();
    recode::recode(transit, 0..transit.len(), cache::Cache::default(), taken, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// What a reader makes of a value in an array behind so many keywords, and of the value alone.
#[track_caller]
fn reads_alike(transit: &str, taken: usize) {
    let before: Vec<_> = (0..taken).map(|number| format!("\"~:before{number}\"")).collect();
    let before = before.join(",");
    let comma = if taken == 0 { "" } else { "," };
    let text = format!("[{before}{comma}{}]", behind(transit, taken));
    let Value::Vector(items) = read(&text).unwrap_or_else(|why| panic!("{why}: {text}")) else {
        panic!("no vector")
    };
    assert_eq!(items.last(), Some(&read(transit).unwrap()), "{transit} behind {taken}");
}

#[test]
fn names_and_keys_of_four_characters_and_more_are_said_once() {
    for (edn, transit) in [
        ("[:ab :ab :abc :a :ab]", r#"["~:ab","^0","~:abc","~:a","^0"]"#),
        ("[abcd abcd]", r#"["~$abcd","^0"]"#),
        (
            "[\"abcd\" {\"abcd\" 1} {\"abcd\" \"abcd\"}]",
            r#"["abcd",["^ ","abcd",1],["^ ","^0","abcd"]]"#,
        ),
        ("[{\"abc\" 1} {\"abc\" 2}]", r#"[["^ ","abc",1],["^ ","abc",2]]"#),
        ("[{\"~ab\" 1} {\"~ab\" 2}]", r#"[["^ ","~~ab",1],["^ ","^0",2]]"#),
        (
            "[{12 :a} {12 :b} {1 :c} {1 :d}]",
            r#"[["^ ","~i12","~:a"],["^ ","^0","~:b"],["^ ","~i1","~:c"],["^ ","~i1","~:d"]]"#,
        ),
        ("[#t/x 1 #t/x 2]", r#"[["~#t/x",1],["^0",2]]"#),
        // As UTF-16 counts: an emoji is two.
        (
            "[{\"😀a\" 1} {\"😀a\" 2} {\"😀😀\" 3} {\"😀😀\" 4}]",
            r#"[["^ ","😀a",1],["^ ","😀a",2],["^ ","😀😀",3],["^ ","^0",4]]"#,
        ),
        ("[:é :é :éé :éé]", r#"["~:é","~:é","~:éé","^0"]"#),
    ] {
        assert_eq!(convert(Encoding::Edn, edn, Encoding::Transit), transit);
        assert_eq!(convert(Encoding::Transit, transit, Encoding::Edn), edn);
    }
}

#[test]
fn codes_have_one_digit_and_then_two_and_begin_again_when_all_are_taken() {
    for (place, code) in [
        (0, "\"^0\""),
        (43, "\"^[\""),
        (44, "\"^10\""),
        (87, "\"^1[\""),
        (88, "\"^20\""),
        (1935, "\"^[[\""),
    ] {
        let (bytes, length) = cache::code(place);
        assert_eq!(std::str::from_utf8(&bytes[..length]), Ok(code));
        assert_eq!(cache::place(code.trim_matches('"')), Some(place));
    }
    for none in ["^", "^\\", "^/", "^000", "^0\\", "^é"] {
        assert_eq!(cache::place(none), None, "{none}");
    }
    let names: Vec<_> = (0..2000).map(|number| format!("name{number}")).collect();
    let keyword = |number: usize| Value::Keyword(names[number].as_str().into());
    let all: Vec<_> = (0..1936).chain([0, 1935, 1936, 0, 0, 1936]).map(keyword).collect();
    let text = written(&Value::Vector(all.clone()));
    assert!(
        text.ends_with(r#""~:name1935","^0","^[[","~:name1936","~:name0","^1","^0"]"#),
        "{text}"
    );
    assert_eq!(read(&text), Ok(Value::Vector(all)));
}

#[test]
fn a_value_that_changes_places_means_the_same() {
    for value in [
        r#"["^ ","~:name",1]"#,
        r#"[["^ ","~:name",1,"~:text","x"],["^ ","^0",2,"^1","~:name"],"^0"]"#,
        r#"[["~#set",["~:k1"]],["^0",["^1"]]]"#,
        r#"["~#cmap",[[1],"~:value","^1",["^1"]]]"#,
        r#"{"~:name":{"~:name":"^0","other":["^1","^2"]}}"#,
        "[ \"~:na\\u006de\" , \"^0\" , [ \"^ \" , \"ke\\\"y\" , \"^0\" , \"~~x\" , \"\\u005e1\" ] ]",
        r#"[["^ ","long key",1],"~^0",["^ ","^0","[{:,"]]"#,
    ] {
        for taken in [0, 1, 2, 43, 44, 100, 1930, 1933, 1934, 1935, 1936] {
            reads_alike(value, taken);
        }
        assert!(behind(value, 0).len() <= value.len());
    }
    assert_eq!(behind(r#"[["~:name"],"^0"]"#, 3), r#"[["~:name"],"^3"]"#);
    assert_eq!(
        behind(r#"["~:name","^0","~:other","^0"]"#, 1935),
        r#"["~:name","^[[","~:other","~:name"]"#
    );
}

#[test]
fn a_value_of_more_names_than_there_is_room_for_changes_places() {
    let names: Vec<_> = (0..2500).map(|number| format!("name{number}")).collect();
    let keyword = |number: usize| Value::Keyword(names[number].as_str().into());
    // Each name, and then some that were said long before and just now.
    let all = (0..2500).flat_map(|number: usize| [number, number / 2, number.saturating_sub(1), 0]);
    let text = written(&Value::Vector(all.map(keyword).collect()));
    for taken in [0, 1, 5, 564, 1000, 1935, 1936] {
        reads_alike(&text, taken);
        assert!(behind(&text, taken).len() <= 3 * text.len());
    }
}
