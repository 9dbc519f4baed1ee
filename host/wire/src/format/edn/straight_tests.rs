//! EDN walked straight, against the parser and against what is written by way of values.

use super::{
    super::{
        check::Check,
        direct::edn_to_json,
        json,
        spoil::{spoilt, strings_with},
        straight::Walked,
    },
    parser::Parser,
    read,
    straight::{self, Differ},
};
use proptest::prelude::*;

/// What all tests below know to be walked straight, so that none of them is about nothing.
const USUAL: &str = r#"{:id -12, :n/b "Zoë \n\ud83d\ude00" sym [0 1.5 true nil -] "k" (x/y {}) 7 #{[1] :b} :é #t 2e3 :c \a}"#;

/// The straight walk takes nothing that the parser refuses, and says the same of what it takes.
#[track_caller]
fn agree(text: &str) {
    let Some(walked) = straight::walk(text, 0, &mut Differ::new(text)) else { return };
    let mut parser = Parser::new(text, 0);
    let long = parser.value::<Check>(0).map(|()| Walked { end: parser.at, halved: parser.halved });
    assert_eq!(Ok(walked), long, "{text:?}");
    let Ok(value) = read(text) else { return };
    let mut by_values = String::new();
    let written = json::write(&mut by_values, &value).map(|()| by_values);
    if let Some(straight) = edn_to_json(text) {
        assert_eq!(Ok(String::from_utf8(straight).unwrap()), written, "{text:?}");
    }
}

fn is_straight(text: &str) -> bool {
    straight::walk(text, 0, &mut Differ::new(text)).is_some_and(|walked| walked.end == text.len())
}

#[test]
fn what_is_nearly_edn_is_taken_only_where_the_parser_takes_it() {
    assert!(is_straight(USUAL) && edn_to_json(USUAL).is_some());
    spoilt(USUAL).iter().for_each(|text| agree(text));
    let texts = [
        "[-12345678.25e+10 12345678 1/2 3N 1.5M]",
        "[a/b :a/b / :a:b a' .x .5 +5 -x +.5 nil? true]",
        "{1 2 a 3 \"a\" 4 :a 5 nil 6}",
        "[1;c\n2 #_x 3]",
    ];
    for text in texts {
        assert!(is_straight(text) || text.contains(".5"), "{text}");
        spoilt(text).iter().for_each(|text| agree(text));
    }
}

#[test]
fn an_escape_is_read_wherever_it_stands() {
    let pieces = [
        r#"\""#,
        r"\\",
        r"\/",
        r"\n",
        r"\0",
        r"\377",
        r"\400",
        r"\u0041",
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
    for depth in [1, 2, 31, 32, 33, 63, 64, 65] {
        for (open, close) in [("[", "]"), ("{:a ", "}"), ("([", "])"), ("#t [", "]"), ("[#{", "}]")]
        {
            let text = open.repeat(depth) + "1" + &close.repeat(depth);
            agree(&text);
            let mut parser = Parser::new(&text, 0);
            assert_eq!(is_straight(&text), parser.value::<Check>(0).is_ok(), "{text}");
        }
    }
}

#[test]
fn a_key_that_may_occur_twice_is_for_the_long_way() {
    for twice in
        ["{:a 1 :a 2}", "{1 1 1N 2}", "{\"a\" 1 \"\\u0061\" 2}", "{0 1 -0 2}", "{1.0 1 1.00 2}"]
    {
        assert!(!is_straight(twice), "{twice}");
    }
    for same in ["{:a 1 \"a\" 2}", "{a 1 :a 2}", "{1 1 \"1\" 2}"] {
        assert!(is_straight(same), "{same}");
        assert_eq!(edn_to_json(same), None, "{same}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_is_taken_only_where_the_parser_takes_it(
        text in r#"([\[\](){}#_:" ;\\,'+-]|\\[a-z(]|#_|#\{|#inst "2024"|#a?\{|#:a\{|nil|:a|a/b|1|2N|0\.5|"\\u0041"|\PC){0,24}"#,
    ) {
        agree(&text);
    }

    #[test]
    fn what_payloads_are_made_of_is_walked_straight(
        parts in prop::collection::vec(
            r#""[a-z 0-9é\n]{0,20}(\\n|\\ud83d\\ude00|\x7f)?"|-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,16})?|true|nil|:[a-z]{1,9}(/[a-z?!-]{1,9})?|[a-zé]{2,9}|\[\]|\{:b 1 :c [12]\}|#uuid "123e4567-e89b-12d3-a456-426614174000"|1e3|\+1|#\{1 2\}|\\a"#,
            0..8,
        ),
        map: bool,
    ) {
        let pairs: Vec<_> = parts.iter().enumerate().map(|(n, part)| format!(":key{n} {part}")).collect();
        let text = if map { format!("{{{}}}", pairs.join(", ")) } else { format!("[{}]", parts.join(" ")) };
        agree(&text);
        prop_assert!(is_straight(&text) && edn_to_json(&text).is_some(), "{}", text);
    }
}
