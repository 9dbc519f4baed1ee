//! JSON walked straight, against the parser and against what is written by way of values.

use super::{
    super::{
        check::Check,
        direct::json_to_edn,
        edn,
        spoil::{spoilt, strings_with},
        straight::Walked,
    },
    parser::Parser,
    read, straight,
};
use proptest::prelude::*;

/// What all tests below know to be walked straight, so that none of them is about nothing.
const USUAL: &str =
    r#"{"id":-12,"a name":"Zoë \n\ud83d\ude00","n":[0,1.5,2e3,true,false,null],"o":{},"e":[ ]}"#;

/// JSON has nothing that the straight walk leaves to the parser but mistakes.
#[track_caller]
fn agree(text: &str) {
    let mut parser = Parser::new(text, 0);
    let long = parser.value::<Check>(0).ok();
    let long = long.map(|()| Walked { end: parser.at, halved: parser.halved });
    assert_eq!(straight::walk(text, 0, &mut ()), long, "{text:?}");
    if let Some(written) = json_to_edn(text) {
        let mut by_values = String::new();
        edn::write(&mut by_values, &read(text).unwrap()).unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), by_values, "{text:?}");
    }
}

#[test]
fn what_is_nearly_json_is_taken_or_refused_as_the_parser_does() {
    assert!(json_to_edn(USUAL).is_some());
    spoilt(USUAL).iter().for_each(|text| agree(text));
    for number in ["-12345678.25E+10", "0", "100", "0.5", "[1234567,12345678,123456789]"] {
        spoilt(number).iter().for_each(|text| agree(text));
    }
}

#[test]
fn an_escape_is_read_wherever_it_stands() {
    let pieces = [
        r#"\""#,
        r"\\",
        r"\/",
        r"\n",
        r"\b",
        r"\u0041",
        r"\u00e9",
        r"\ud83d\ude00",
        r"\ud83d",
        r"\udc00x",
        r"\x",
        r"\",
        r"\u12",
        "\u{7f}",
        "\u{1f}",
        "\n",
        "\"",
        "é",
        "",
    ];
    strings_with(&pieces).iter().for_each(|text| agree(text));
}

#[test]
fn brackets_nest_as_deep_as_the_parser_lets_them() {
    for depth in [1, 2, 63, 64, 65, 66] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":[1],\"b\":", "}]")] {
            agree(&(open.repeat(depth) + "1" + &close.repeat(depth)));
            agree(&(open.repeat(depth) + &close.repeat(depth)));
        }
    }
}

#[test]
fn a_key_that_occurs_twice_is_for_the_long_way() {
    for twice in
        [r#"{"a":1,"a":2}"#, r#"[{"b":{"a":1,"b":{"c":[{}]},"a":2}}]"#, r#"{"a":1,"\u0061":2}"#]
    {
        assert_eq!(json_to_edn(twice), None, "{twice}");
    }
    for once in [r#"{"a":{"a":{"a":1}},"b":{"a":2}}"#, r#"[{"a":1},{"a":1}]"#] {
        assert!(json_to_edn(once).is_some(), "{once}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_taken_or_refused_as_the_parser_does(
        text in r#"([\[\]{},: \n]|true|false|null|"[a\\u0dn"é]{0,9}"( ?:)?|-?[0-9]{1,18}(\.[0-9]{0,9})?(e[+-]?[0-9]?)?|\PC){0,16}"#,
    ) {
        agree(&text);
    }

    #[test]
    fn well_formed_text_is_written_as_by_way_of_values(
        parts in prop::collection::vec(
            r#""[a-z 0-9é]{0,20}(\\n|\\ud83d\\ude00|\x7f)?"|-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,16})?(e-?[0-9]{1,2})?|true|null|\[\]|\{"a":[12],"b[ab]":[12]\}"#,
            0..8,
        ),
        object: bool,
    ) {
        let pairs: Vec<_> = parts.iter().enumerate().map(|(n, part)| format!("\"key {n}\" : {part}")).collect();
        let text = if object { format!("{{{}}}", pairs.join(",")) } else { format!("[{}]", parts.join(", ")) };
        agree(&text);
        let twice = text.matches("\"bb\"").count() > 0 || text.contains("\"ba\"");
        prop_assert!(twice || json_to_edn(&text).is_some(), "{}", text);
    }
}
