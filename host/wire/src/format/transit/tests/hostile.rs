//! Texts that are no Transit: each is refused with the place of its mistake.

use super::super::{check, read};

#[track_caller]
fn refused(text: &str, at: usize, why: &str) {
    let error = check(text).expect_err(text);
    assert_eq!((error.at, &*error.problem.to_string()), (at, why), "{text}");
    assert_eq!(read(text), Err(error), "{text}");
}

#[test]
fn codes_that_stand_for_nothing_are_refused() {
    let code = "a cache code that stands for nothing here: say the string, or end strings of your own with `~^`"
        .replace("end strings of your own with", "begin strings of your own with");
    for (text, at) in [
        (r#""^0""#, 0),
        (r#"["~:name","^1"]"#, 10),
        (r#"["~:k","^0"]"#, 7),
        (r#"["name","^0"]"#, 8),
        (r#"["^ ","key",1,"^0",2]"#, 14),
        (r#"["~:name","^"]"#, 10),
        (r#"["~:name","^000"]"#, 10),
        (r#"["~:name","^é"]"#, 10),
        (r#"["~:name","\u005e1"]"#, 10),
    ] {
        refused(text, at, &code);
    }
    // What was said before the cache was emptied is gone.
    let names: String = (0..1937).map(|number| format!("\"~:name{number}\",")).collect();
    assert!(check(&format!("[{names}\"^0\"]")).is_ok());
    refused(&format!("[{names}\"^1\"]"), names.len() + 1, &code);
}

#[test]
fn tags_and_markers_stand_where_they_mean_something() {
    let tag = "a tag stands first in an array of two: `[\"~#tag\", value]`";
    refused(r#""~#set""#, 0, tag);
    refused(r#"[1,"~#set"]"#, 3, tag);
    refused(r#"["^ ","~#set",1]"#, 6, tag);
    refused(r#"[["~#set",[1]],[1,"^0"]]"#, 18, tag);
    refused(r#"{"~:a":1,"~#set":[]}"#, 9, tag);
    let one = "a tag has one value";
    refused(r#"["~#set"]"#, 8, one);
    refused(r#"["~#set",[1],2]"#, 12, one);
    refused(r#"{"~#set":[1],"b":2}"#, 12, one);
    refused(r#"["~#",1]"#, 1, "a tag needs a name behind its `~#`");
    refused(r#"["~#set",1]"#, 9, "this tag takes an array");
    refused(r#"["~#list",{}]"#, 10, "this tag takes an array");
    let marker = "`\"^ \"` stands first in an array, which is a map then";
    refused(r#""^ ""#, 0, marker);
    refused(r#"[1,"^ "]"#, 3, marker);
    refused(r#"["~#set",["^ ","~:a",1]]"#, 10, marker);
    refused(r#"["^ ","~:a"]"#, 11, "the map has a key without a value");
    refused(r#"["~#cmap",[1]]"#, 12, "the map has a key without a value");
}

#[test]
fn keys_and_elements_occur_once() {
    let twice = "this key or element occurs twice; maps and sets hold each one once";
    for (text, at) in [
        (r#"["^ ","~:a",1,"~:a",2]"#, 14),
        (r#"["^ ","~:name",1,"^0",2]"#, 17),
        (r#"["^ ","~:a",1,"\u007e:a",2]"#, 14),
        (r#"{"~:a":1,"b":2,"~:a":3}"#, 15),
        (r#"["~#set",[1,2,"~i1"]]"#, 14),
        (r#"["~#set",[5,"~n5"]]"#, 12),
        (r#"["~#cmap",[[1,["~#set",[1,2]]],1,["~#list",[1,["~#set",[2,1]]]],2]]"#, 33),
        (r#"["~#set",[["^ ","~:a",1],["^ ","~:a",1]]]"#, 25),
        (r#"["~#set",["~zNaN","~zNaN"]]"#, 18),
        (r#"[["~#set",["~:name",["~#set",["^1"]],["^0",["^1"]]]]]"#, 37),
    ] {
        refused(text, at, twice);
    }
    assert!(check(r#"["^ ","~:a",1,"a",2,"~$a",3,"~~:a",4,"~ca",5]"#).is_ok());
    assert!(check(r#"["~#set",[1,1.0,"1","~f1",0.0,-0.0]]"#).is_ok());
}

#[test]
fn kinds_take_their_own_texts_only() {
    for (text, why) in [
        ("~ix", "`~i` and `~n` take digits with an optional `-`"),
        ("~i", "`~i` and `~n` take digits with an optional `-`"),
        ("~n007", "`~i` and `~n` take digits with an optional `-`"),
        ("~n-0", "`~i` and `~n` take digits with an optional `-`"),
        ("~i+5", "`~i` and `~n` take digits with an optional `-`"),
        ("~d1.", "`~d` and `~f` take a decimal number, such as `-1.5` or `1e9`"),
        ("~fInfinity", "`~d` and `~f` take a decimal number, such as `-1.5` or `1e9`"),
        ("~f1M", "`~d` and `~f` take a decimal number, such as `-1.5` or `1e9`"),
        ("~zInf", "`~z` takes `NaN`, `INF` or `-INF`"),
        ("~?x", "`~?` takes `t` or `f`, and `~_` nothing"),
        ("~_x", "`~?` takes `t` or `f`, and `~_` nothing"),
        ("~c", "`~c` takes one character"),
        ("~cab", "`~c` takes one character"),
        (
            "~mx",
            "`~m` takes milliseconds since 1970, and `~t` a time such as `2024-02-29T12:30:00.000Z`",
        ),
        (
            "~t2024-13",
            "`~m` takes milliseconds since 1970, and `~t` a time such as `2024-02-29T12:30:00.000Z`",
        ),
        ("~ux", "`~u` takes a UUID such as `123e4567-e89b-12d3-a456-426614174000`"),
        ("~bA", "`~b` takes base64 with padding"),
    ] {
        refused(&format!("[0,\"{text}\"]"), 3, why);
    }
    for ratio in [
        r#"["~#ratio",[1,0]]"#,
        r#"["~#ratio",[1,-2]]"#,
        r#"["~#ratio",[1.5,2]]"#,
        r#"["~#ratio",[[1],2]]"#,
        r#"["~#ratio",[1]]"#,
        r#"["~#ratio",[1,2,3]]"#,
    ] {
        assert!(check(ratio).is_err(), "{ratio}");
    }
    refused(r#"["~#u",5]"#, 7, "this tag takes a string");
    refused(r#"["~#u",["a"]]"#, 7, "this tag takes a string");
}

#[test]
fn what_is_no_json_is_told_as_in_json() {
    refused("", 0, "the text ends where a JSON value is expected");
    refused("[1,]", 3, "expected a JSON value");
    refused("[1 2]", 3, "expected `,` or `]`");
    refused("{1:2}", 1, "expected a key in double quotes");
    refused("[\"~:a]", 1, "the string that begins here has no closing quote");
    refused("nul", 0, "expected a JSON value (words are `true`, `false` and `null`)");
    refused("1 2", 2, "a second value; only one is expected");
    let deep = "nested deeper than 64 levels; send a flatter value";
    refused(&"[".repeat(65), 64, deep);
    for (open, length) in
        [("[\"~#set\",[", 10), ("[\"~#'\",", 7), ("[\"~#x\",", 7), ("{\"~:a\":", 7)]
    {
        refused(&open.repeat(65), 64 * length, deep);
        let whole = format!(
            "{}1{}",
            open.repeat(63),
            match open {
                "{\"~:a\":" => "}".repeat(63),
                _ if open.ends_with('[') => "]]".repeat(63),
                _ => "]".repeat(63),
            }
        );
        assert!(check(&whole).is_ok(), "{whole}");
    }
    // What is tagged in EDN is a level here, too.
    let inside = |said: &str| format!("{}{said}{}", "[".repeat(64), "]".repeat(64));
    refused(&inside("\"~m0\""), 64, deep);
    refused(&inside("\"~Xx\""), 64, deep);
    assert!(check(&inside("\"~:a\"")).is_ok());
}
