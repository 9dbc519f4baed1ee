//! What becomes of values between Transit and the other formats, row by row.

use super::convert;
use crate::{
    fault::FaultId,
    payload::{Encoding, Payload, transcode},
};

/// Transit as we write it, EDN as we write it, and what JSON makes of both.
#[track_caller]
fn both(transit: &str, edn: &str, json: &str) {
    assert_eq!(convert(Encoding::Edn, edn, Encoding::Transit), transit, "{edn}");
    reads(transit, edn, json);
}

/// Transit in another form than ours.
#[track_caller]
fn reads(transit: &str, edn: &str, json: &str) {
    assert_eq!(convert(Encoding::Transit, transit, Encoding::Edn), edn, "{transit}");
    assert_eq!(convert(Encoding::Transit, transit, Encoding::Json), json, "{transit}");
}

#[test]
fn words_numbers_and_texts() {
    both("null", "nil", "null");
    both("[true,false]", "[true false]", "[true,false]");
    both("[0,-7,1.5,-0.0,1e300]", "[0 -7 1.5 -0.0 1e300]", "[0,-7,1.5,-0.0,1e300]");
    both(
        r#"[9007199254740991,"~i9007199254740992","~i-9007199254740993","~i9223372036854775807","~i-9223372036854775808"]"#,
        "[9007199254740991 9007199254740992 -9007199254740993 9223372036854775807 -9223372036854775808]",
        r#"[9007199254740991,9007199254740992,"-9007199254740993","9223372036854775807","-9223372036854775808"]"#,
    );
    both(
        r#"["~n5","~n-9223372036854775809","~f1.50","~f1E400"]"#,
        "[5N -9223372036854775809N 1.50M 1E400M]",
        r#"["5","-9223372036854775809","1.50","1E400"]"#,
    );
    both(
        r#"[["~#ratio",["~n22","~n7"]],["^0",["~n-1","~n2"]]]"#,
        "[22/7 -1/2]",
        r#"["22/7","-1/2"]"#,
    );
    both(r#"["~zNaN","~zINF","~z-INF"]"#, "[##NaN ##Inf ##-Inf]", "[null,null,null]");
    both(
        r#"["","a","~~a","~^a","~`a","~^ ","é😀\n\"","\u0007"]"#,
        r#"["" "a" "~a" "^a" "`a" "^ " "é😀\n\"" "\u0007"]"#,
        r#"["","a","~a","^a","`a","^ ","é😀\n\"","\u0007"]"#,
    );
    both(r#"["~ca","~c\n","~c€","~c~"]"#, r"[\a \newline \€ \~]", r#"["a","\n","€","~"]"#);
}

#[test]
fn names_and_what_has_a_kind_of_its_own() {
    both(
        r#"["~:a","~:a/b","~$sym","~$ns/sym"]"#,
        "[:a :a/b sym ns/sym]",
        r#"["a","a/b","sym","ns/sym"]"#,
    );
    both(
        r#""~u123e4567-e89b-12d3-a456-426614174000""#,
        "#uuid \"123e4567-e89b-12d3-a456-426614174000\"",
        r#""123e4567-e89b-12d3-a456-426614174000""#,
    );
    both(
        r#"["~m0","~m1709209815500","~m-1","~t2024-02-29T12:30:15.000000001Z"]"#,
        "[#inst \"1970-01-01T00:00:00.000-00:00\" #inst \"2024-02-29T12:30:15.500-00:00\" #inst \"1969-12-31T23:59:59.999-00:00\" #inst \"2024-02-29T12:30:15.000000001-00:00\"]",
        r#"["1970-01-01T00:00:00.000Z","2024-02-29T12:30:15.500Z","1969-12-31T23:59:59.999Z","2024-02-29T12:30:15.000000001Z"]"#,
    );
    both(r#""~bAP8Q""#, "#base64 \"AP8Q\"", r#""AP8Q""#);
    both(r#""~rhttp://a.b/c""#, "#uri \"http://a.b/c\"", r##"{"#uri":"http://a.b/c"}"##);
    both(r#""~Xtext""#, "#X \"text\"", r##"{"#X":"text"}"##);
    both(r#"["~#X",1]"#, "#X 1", r##"{"#X":1}"##);
    both(
        r#"["~#my/point",[1,["~#a",["~#t/b","~:c"]]]]"#,
        "#my/point [1 #a #t/b :c]",
        r##"{"#my/point":[1,{"#a":{"#t/b":"c"}}]}"##,
    );
}

#[test]
fn collections() {
    both("[[],[1,[2,null]]]", "[[] [1 [2 nil]]]", "[[],[1,[2,null]]]");
    both(
        r#"[["~#list",[]],["^0",[1,2]],["~#set",[]],["^1",[1,"~:k"]]]"#,
        "[() (1 2) #{} #{1 :k}]",
        r#"[[],[1,2],[],[1,"k"]]"#,
    );
    both(r#"["^ "]"#, "{}", "{}");
    both(
        r#"["^ ","~:a",1,"~:a/b",["^ ","~:c",2],"text",3,"~$sym",4]"#,
        "{:a 1 :a/b {:c 2} \"text\" 3 sym 4}",
        r#"{"a":1,"a/b":{"c":2},"text":3,"sym":4}"#,
    );
    // Keys that are one string, whatever they are.
    both(
        r#"["^ ","~i5",1,"~d1.5",2,"~n7",3,"~f1.0",4,"~zNaN",5]"#,
        "{5 1 1.5 2 7N 3 1.0M 4 ##NaN 5}",
        r#"{"5":1,"1.5":2,"7":3,"1.0":4,"NaN":5}"#,
    );
    let odd = [
        (r#"["^ ","~_",1,"~?t",2,"~?f",3,"~ca",4]"#, r"{nil 1 true 2 false 3 \a 4}"),
        (
            r#"["^ ","~m0",1,"~u123e4567-e89b-12d3-a456-426614174000",2,"~bAA==",3,"~rx:y",4,"~Xz",5]"#,
            "{#inst \"1970-01-01T00:00:00.000-00:00\" 1 #uuid \"123e4567-e89b-12d3-a456-426614174000\" 2 #base64 \"AA==\" 3 #uri \"x:y\" 4 #X \"z\" 5}",
        ),
        (
            r#"["~#cmap",[[1,2],"~:v",["^ ","~:k",1],"~:m","text",["~#set",[1]]]]"#,
            "{[1 2] :v {:k 1} :m \"text\" #{1}}",
        ),
        (r#"["~#cmap",[["~#ratio",["~n1","~n2"]],1]]"#, "{1/2 1}"),
        (r#"["~#cmap",[["~#t/x",1],2,"~:key",3,"^1",4]]"#, "{#t/x 1 2 :key 3 \"^1\" 4}"),
    ];
    for (transit, edn) in odd.into_iter().take(4) {
        assert_eq!(convert(Encoding::Edn, edn, Encoding::Transit), transit);
        assert_eq!(convert(Encoding::Transit, transit, Encoding::Edn), edn);
    }
    for to in [Encoding::Json, Encoding::Msgpack] {
        let cmap = Payload::new(Encoding::Transit, odd[2].0);
        assert_eq!(transcode(&cmap, to).unwrap_err().id, FaultId::Unsupported);
    }
}

#[test]
fn json_and_messagepack_become_transit() {
    let from_json = |json: &str| convert(Encoding::Json, json, Encoding::Transit);
    assert_eq!(
        from_json(r#"[{"a":1,"a/b":"~x","not a keyword":[null]},{"1":2.5}]"#),
        r#"[["^ ","~:a",1,"~:a/b","~~x","not a keyword",[null]],["^ ","1",2.5]]"#
    );
    assert_eq!(
        from_json("[12345678901234567890,1e400]"),
        r#"["~n12345678901234567890","~f1e400"]"#
    );
    let from_msgpack = |bytes: &[u8]| {
        let payload = Payload::new(Encoding::Msgpack, bytes.to_vec());
        transcode(&payload, Encoding::Transit).map(|payload| payload.body)
    };
    assert_eq!(from_msgpack(b"\xc4\x03\0\xff\x10").unwrap(), r#""~bAP8Q""#);
    assert_eq!(from_msgpack(b"\xd6\xff\0\0\0\0").unwrap(), r#""~m0""#);
    assert_eq!(from_msgpack(b"\x82\x01\xa1a\xa3abc\x02").unwrap(), r#"["^ ","~i1","a","~:abc",2]"#);
    assert_eq!(from_msgpack(b"\xd4\x05\0").unwrap_err().id, FaultId::Unsupported);
    let raw = |from, body: &[u8]| {
        transcode(&Payload::new(from, body.to_vec()), Encoding::Transit).unwrap().body
    };
    assert_eq!(raw(Encoding::Binary, &[0, 255, 16]), r#""~bAP8Q""#);
    assert_eq!(raw(Encoding::Text, b"^ \"hi\"\n"), r#""~^ \"hi\"\n""#);
    let to_msgpack = |transit: &str| {
        transcode(&Payload::new(Encoding::Transit, transit.to_owned()), Encoding::Msgpack)
    };
    assert_eq!(
        to_msgpack(r#"["~m0","~bAA==","~:k",1]"#).unwrap().body,
        &b"\x94\xd6\xff\0\0\0\0\xc4\x01\0\xa1k\x01"[..]
    );
}

#[test]
fn verbose_texts_and_other_forms_are_read() {
    reads(
        r##"{"~:a":{"~#set":[1]},"text":{"~#my/tag":{"~:b":"~t2024-02-29T12:30:15.500Z"}}}"##,
        "{:a #{1} \"text\" #my/tag {:b #inst \"2024-02-29T12:30:15.500-00:00\"}}",
        r##"{"a":[1],"text":{"#my/tag":{"b":"2024-02-29T12:30:15.500Z"}}}"##,
    );
    reads(r#"{"~#cmap":["~:k",1]}"#, "{:k 1}", r#"{"k":1}"#);
    reads(r#"{"~#list":[{}]}"#, "({})", "[{}]");
    reads(r#" [ "^ " , "~:a" , [ ] ] "#, "{:a []}", r#"{"a":[]}"#);
    // A value that is alone is quoted.
    reads(r#"["~#'",1]"#, "1", "1");
    reads(r#"{"~#'":"~:k"}"#, ":k", "\"k\"");
    reads(r#"["~#'",["~#'",null]]"#, "nil", "null");
    // Kinds apart from their texts.
    reads(
        r#"[["~#m",1500],["~#m","1500"],["~#c","a"],["~#:","k"],["~#i","5"]]"#,
        "[#inst \"1970-01-01T00:00:01.500-00:00\" #inst \"1970-01-01T00:00:01.500-00:00\" \\a :k 5]",
        r#"["1970-01-01T00:00:01.500Z","1970-01-01T00:00:01.500Z","a","k",5]"#,
    );
    reads(
        r#"["~","`a","~i5","~i9223372036854775808"]"#,
        r#"["~" "`a" 5 9223372036854775808N]"#,
        r#"["~","`a",5,"9223372036854775808"]"#,
    );
    reads(
        r#"[9223372036854775807,9223372036854775808,["~#ratio",[1,"~i3"]]]"#,
        "[9223372036854775807 9223372036854775808N 1/3]",
        r#"["9223372036854775807","9223372036854775808","1/3"]"#,
    );
    // transit-js takes every number for an integer that is a key.
    reads(r#"["^ ","~i1.5",1,"~i1e+21",2]"#, "{1.5 1 1e21 2}", r#"{"1.5":1,"1e21":2}"#);
    // Escapes hide nothing.
    reads(
        r#"["\u007e:a","\u007e#x","\ud83d"]"#.replace(r#","\u007e#x""#, "").as_str(),
        "[:a \"\u{fffd}\"]",
        "[\"a\",\"\u{fffd}\"]",
    );
}

#[test]
fn what_edn_cannot_say_is_unsupported_there_and_what_transit_cannot_say_here() {
    let fault =
        |from, text: &str, to| transcode(&Payload::new(from, text.to_owned()), to).unwrap_err();
    for transit in [
        r#""~:two words""#,
        r#""~:""#,
        r#""~$nil""#,
        r#""~$5""#,
        r#""~$+5""#,
        r#"["~#inst","x"]"#,
        r#"["~#uuid",1]"#,
        r#"["~#base64",1]"#,
        r#"["~#_",1]"#.replace("_", "-_").as_str(),
        r#"["~#1x",1]"#,
    ] {
        let why = fault(Encoding::Transit, transit, Encoding::Edn);
        assert_eq!(why.id, FaultId::Unsupported, "{transit}: {}", why.message);
        assert!(
            transcode(&Payload::new(Encoding::Transit, transit.to_owned()), Encoding::Json).is_ok()
        );
    }
    for edn in ["#set [1]", "#list (1)", "#cmap [1 2]", "#ratio [1 2]", "#i 5", "#u \"x\"", "#m 1"]
    {
        let why = fault(Encoding::Edn, edn, Encoding::Transit);
        assert_eq!(why.id, FaultId::Unsupported, "{edn}");
        assert!(why.message.contains("means something of its own in Transit"), "{}", why.message);
    }
    let late = fault(Encoding::Transit, "\"~m253402300800000\"", Encoding::Json);
    assert_eq!(late.id, FaultId::Unsupported);
    let checked = crate::payload::checked(Payload::new(Encoding::Transit, "\"~m253402300800000\""));
    assert!(checked.is_ok(), "it goes to those who speak Transit");
}
