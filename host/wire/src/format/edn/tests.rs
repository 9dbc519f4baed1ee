//! EDN against its specification and against what Clojure's readers take and refuse.

use super::{
    super::{inst::Inst, value::Value},
    check, is_portable_name, read, write,
};
use proptest::prelude::*;
use uuid::Uuid;

#[track_caller]
fn reads(text: &str, value: Value<'_>) {
    assert_eq!(format!("{:?}", read(text)), format!("{:?}", Ok::<_, ()>(value)), "{text}");
    assert!(check(text).is_ok(), "{text}");
}

#[track_caller]
fn refused(text: &str, message: &str) {
    assert_eq!(check(text).unwrap_err().to_string(), message, "{text:?}");
    assert_eq!(read(text).map(drop), check(text).map(drop), "{text:?}");
}

fn text(text: &str) -> Value<'_> {
    Value::String(text.into())
}

fn keyword(name: &str) -> Value<'_> {
    Value::Keyword(name.into())
}

fn symbol(name: &str) -> Value<'_> {
    Value::Symbol(name.into())
}

#[test]
fn every_kind_of_value_is_read() {
    use Value::{
        BigDecimal, BigInteger, Bool, Bytes, Char, Float, Integer, List, Map, Nil, Ratio, Set,
        Tagged, Vector,
    };
    reads("nil", Nil);
    reads("[true false]", Vector(vec![Bool(true), Bool(false)]));
    reads("[0 -0 +7 -42]", Vector(vec![Integer(0), Integer(0), Integer(7), Integer(-42)]));
    reads("9223372036854775807", Integer(i64::MAX));
    reads("9223372036854775808", BigInteger("9223372036854775808".into()));
    reads(
        "[5N -5N +5N -0N]",
        Vector(["5", "-5", "5", "0"].map(|digits| BigInteger(digits.into())).into()),
    );
    reads(
        "[22/7 -1/2 +1/2 -0/2]",
        Vector(["22/7", "-1/2", "1/2", "0/2"].map(|ratio| Ratio(ratio.into())).into()),
    );
    reads("[1.5 -2e3 1E-2 +0.5 -0.0]", Vector([1.5, -2000.0, 0.01, 0.5, -0.0].map(Float).into()));
    reads(
        "[1M 1.50M -1e3M]",
        Vector(["1", "1.50", "-1e3"].map(|digits| BigDecimal(digits.into())).into()),
    );
    reads(
        "[##NaN ##Inf ##-Inf]",
        Vector([f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(Float).into()),
    );
    reads(
        r#""a\"b\\c\n\t\r\b\f\u00e9\ud83d\ude00\0\12\377""#,
        text("a\"b\\c\n\t\r\u{8}\u{c}é😀\0\n\u{ff}"),
    );
    reads("\"two\nlines\"", text("two\nlines"));
    let characters = r"[\a \newline \space \tab \return \backspace \formfeed \u03A9 \o101 \( \, \\ \u \n \😀 \;]";
    let expected = [
        'a', '\n', ' ', '\t', '\r', '\u{8}', '\u{c}', 'Ω', 'A', '(', ',', '\\', 'u', 'n', '😀', ';',
    ];
    reads(characters, Vector(expected.map(Char).into()));
    for name in
        ["a", "a.b/c", "+", "-", "->x", "<=", "a'", "x#", "..", "/", "a/1", "1", "é", "%&=$|"]
    {
        reads(&format!(":{name}"), keyword(name));
    }
    for name in ["a", "a.b/c", "+", "-", "/", "...", "-a", "nil?", "truey", "*x*"] {
        reads(name, symbol(name));
    }
    reads("(1 [2])", List(vec![Integer(1), Vector(vec![Integer(2)])]));
    reads("#{1 2}", Set(vec![Integer(1), Integer(2)]));
    reads("{:a 1, \"b\" nil}", Map(vec![(keyword("a"), Integer(1)), (text("b"), Nil)]));
    reads("#my/tag [1]", Tagged("my/tag".into(), Box::new(Vector(vec![Integer(1)]))));
    reads("#inst \"1970-01-01T00:00:01.5Z\"", Value::Inst(Inst { seconds: 1, nanos: 500_000_000 }));
    let uuid = "123e4567-e89b-12d3-a456-426614174000";
    reads(&format!("#uuid \"{uuid}\""), Value::Uuid(uuid.parse().unwrap()));
    reads("#base64 \"AP8Q\"", Bytes(vec![0, 255, 16]));
    reads(
        "#:n{:a 1 b 2 :_/c 3}",
        Map(vec![
            (keyword("n/a"), Integer(1)),
            (symbol("n/b"), Integer(2)),
            (keyword("c"), Integer(3)),
        ]),
    );
}

#[test]
fn comments_commas_and_discards_are_passed_over() {
    use Value::{Integer, Map, Vector};
    reads(",, ; first\n 1 ; last", Integer(1));
    reads("#_ a #_[b #_c] 1 #_2", Integer(1));
    reads("#_ #_ a b 1", Integer(1));
    reads("[1 #_ 2 ; 3 ]\n 4 #_5]", Vector(vec![Integer(1), Integer(4)]));
    reads("{:a #_ 1 2 #_ :b}", Map(vec![(keyword("a"), Integer(2))]));
    reads("[1;c\r2]", Vector(vec![Integer(1), Integer(2)]));
    reads("#tag ; c\n #_x 1", Value::Tagged("tag".into(), Box::new(Integer(1))));
    reads(
        "[1[2]\"3\"4]",
        Vector(vec![Integer(1), Vector(vec![Integer(2)]), text("3"), Integer(4)]),
    );
    assert_eq!(check(" #_x [1] ; end"), Ok(5..8));
}

#[test]
fn mistakes_are_named_with_their_place() {
    refused("", "byte 0: the text ends where a value is expected");
    refused("[1", "byte 2: the text ends where a value or `]` is expected");
    refused("[1)", "byte 2: expected a value or `]`");
    refused("]", "byte 0: expected a value before the closing bracket");
    refused("[#_]", "byte 3: expected a value before the closing bracket");
    refused("{:a 1 :b}", "byte 8: the map has a key without a value");
    refused("\"a", "byte 0: the string that begins here has no closing quote");
    refused(":", "byte 0: not a name: a `:` needs a name right after it");
    refused("[: a]", "byte 1: not a name: a `:` needs a name right after it");
    refused("::a", "byte 0: not a name: it may not begin with `:`, `#` or `'`");
    for colons in [":a:", ":a::b", ":a:/b", "a:"] {
        refused(colons, "byte 0: not a name: a `:` stands alone and not at the end");
    }
    for slashes in [":a/", ":/a", ":a/b/c", "a/", "//"] {
        refused(slashes, "byte 0: not a name: a `/` stands once, between namespace and name");
    }
    for zero in ["01", "-01", "00", "01/2", "01.5"] {
        refused(zero, "byte 0: not a number: it may not begin with 0");
    }
    refused("1.", "byte 0: not a number: digits must follow the point");
    refused("1.5e", "byte 0: not a number: digits must follow the exponent's `e`");
    for ratio in ["1/0", "1/", "1/2N", "1/a"] {
        refused(
            ratio,
            "byte 0: not a number: a ratio has digits on both sides of its `/`, not beginning with 0",
        );
    }
    for word in ["1a", "0x1F", "1.5N", "2r101", "1NM"] {
        refused(
            word,
            "byte 0: not a number: decimal digits, and `N` or `M` at most, make a number; names begin with a letter",
        );
    }
    refused(".5", "byte 0: not a number: a digit must stand before the point");
    for character in
        [r"\", r"\ ", r"\newlin", r"\u12", r"\u12345", r"\ud800", r"\o400", r"\u+123", r"\(a"]
    {
        refused(
            character,
            r"byte 0: not a character; write `\a`, `\newline`, `\space`, `\tab`, `\return` or `\u0061`",
        );
    }
    refused("##nan", "byte 0: `##` takes `NaN`, `Inf` or `-Inf`");
    refused(
        "#inst \"today\"",
        "byte 6: `#inst` takes a string such as \"2024-02-29T12:30:00.000Z\"",
    );
    refused("#inst 5", "byte 6: `#inst` takes a string such as \"2024-02-29T12:30:00.000Z\"");
    refused(
        "#uuid \"1\"",
        "byte 6: `#uuid` takes a string such as \"123e4567-e89b-12d3-a456-426614174000\"",
    );
    refused("#base64 \"A\"", "byte 8: `#base64` takes a string of base64 with padding");
    refused("# a", "byte 0: not a name: a tag begins with a letter, right after its `#`");
    refused("#1 a", "byte 0: not a name: a tag begins with a letter, right after its `#`");
    refused("#tag", "byte 4: the text ends where a value is expected");
    refused("#::a{}", "byte 0: not a name: after `#:` stands a namespace");
    refused("#:a 1", "byte 4: expected the map of the namespace");
    for syntax in ["'a", "@a", "`a", "~a", "^:a b"] {
        let c = syntax.chars().next().unwrap();
        refused(syntax, &format!("byte 0: `{c}` is Clojure syntax, not EDN; send plain data"));
    }
    for syntax in ["#'a", "#(a)", "#\"a\"", "#?(a)", "#=(a)"] {
        let c = syntax.chars().nth(1).unwrap();
        refused(syntax, &format!("byte 0: `{c}` is Clojure syntax, not EDN; send plain data"));
    }
    refused("1 2", "byte 2: a second value; only one is expected");
    for space in ["[1\u{a0}2]", "[1\u{2003}2]", "[1\u{c}2]", "[1\0]"] {
        refused(space, "byte 2: only space, tab, line breaks and commas separate values");
    }
}

#[test]
fn keys_that_occur_twice_are_refused_however_they_are_written() {
    let duplicate = |at| {
        format!("byte {at}: this key or element occurs twice; maps and sets hold each one once")
    };
    for (text, at) in [
        ("{:a 1 :a 2}", 6),
        ("#{1 2 1}", 6),
        ("#{1 +1}", 4),
        ("#{1 1N}", 4),
        ("#{0 -0}", 4),
        ("#{1.0 1.00}", 6),
        ("#{[1 2] (1 2)}", 8),
        ("#{#{1 2} #{2 1}}", 9),
        ("#{{:a 1 :b 2} {:b 2, :a 1}}", 14),
        (r#"#{"a" "\u0061"}"#, 6),
        (r"#{\a \u0061}", 5),
        ("#:n{:a 1 :n/a 2}", 9),
        ("[{:x [{:a 1 :a 2}]}]", 12),
        ("#_{:a 1 :a 2} 3", 8),
        (r#"#{#inst "2024" #inst "2024-01-01"}"#, 15),
    ] {
        refused(text, &duplicate(at));
    }
    let many: Vec<_> = (0..20).map(|number| (number % 19).to_string()).collect();
    refused(&format!("#{{{}}}", many.join(" ")), &duplicate(49));
    for good in [
        "{:a 1 \"a\" 2 a 3}",
        "#{1 1.0 \"1\"}",
        "#{[1 [2]] [[1] 2]}",
        "#{[] {} #{}}",
        "#{1/2 0.5}",
        "#:n{:a 1 :_/a 2}",
    ] {
        assert!(check(good).is_ok(), "{good}: {:?}", check(good));
    }
}

#[test]
fn depth_is_bounded_whatever_nests() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(read(&nested(64)).is_ok());
    refused(&nested(65), "byte 64: nested deeper than 64 levels; send a flatter value");
    for endless in ["[", "(", "{:a ", "{", "#{", "#a ", "#_", "#_[", "#:a{:b ", "[#_ x ", "{[] "] {
        let error = check(&endless.repeat(1_000_000)).unwrap_err();
        assert!(error.to_string().contains("nested deeper"), "{endless}: {error}");
    }
}

#[test]
fn a_namespace_is_a_name_and_not_a_number() {
    for namespace in ["6n", "-1", ".5", "nil"] {
        refused(
            &format!("#:{namespace}{{a 1}}"),
            "byte 0: not a name: after `#:` stands a namespace",
        );
    }
}

#[test]
fn a_key_without_a_namespace_is_written_so_that_it_reads_the_same() {
    for (text, expected) in [
        ("#:n{_/a 1 :_/b 2 :_/1 3}", "{a 1 :b 2 :1 3}"),
        ("#:n{_/1 1 _/nil 2 _/.5 3 _/:a 4 :_/#a 5}", "{_/1 1 _/nil 2 _/.5 3 _/:a 4 :_/#a 5}"),
    ] {
        let mut written = String::new();
        write(&mut written, &read(text).unwrap()).unwrap();
        assert_eq!(written, expected);
        assert_eq!(read(&written), read(text));
    }
}

#[test]
fn a_namespace_that_every_key_gets_is_short() {
    let map = |length: usize| format!("#:{}{{:a 1 :b 2}}", "n".repeat(length));
    assert!(check(&map(128)).is_ok());
    refused(&map(129), "byte 0: not a name: a namespace after `#:` has at most 128 bytes");
}

#[test]
fn large_and_deep_maps_do_not_cost_the_square_of_their_size() {
    for key in [":k", "\"\\u006b", "[1 "] {
        let close = key.chars().next().map_or("", |c| {
            if c == '[' {
                "]"
            } else if c == '"' {
                "\""
            } else {
                ""
            }
        });
        let pairs: Vec<_> = (0..50_000).map(|number| format!("{key}{number}{close} 1")).collect();
        assert!(check(&format!("{{{}}}", pairs.join(" "))).is_ok(), "{key}");
    }
    // Maps as keys of maps: were each looked at again on each level, this would take for ever.
    let deep = "{".repeat(60) + "1" + &" 1}".repeat(60);
    assert!(check(&deep).is_ok());
}

#[test]
fn only_names_that_every_reader_takes_are_portable() {
    for good in
        ["a", "a/b", "chat.room/say!", "a-b/c?", "+/-", "é/ü", "a/b'", "x1/y2", "a/b:c", "a/-b"]
    {
        assert!(is_portable_name(good), "{good}");
    }
    for bad in [
        "", "a/1", "1/a", "a/b/c", "a/", "/a", "a b", "a/(b", "a/b;c", "a/\"", ":a", "#a", "a/-1",
        "a:", "a/@b", "a\u{a0}",
    ] {
        assert!(!is_portable_name(bad), "{bad}");
    }
}

#[test]
fn a_name_that_is_none_is_not_written() {
    let mut out = String::new();
    let error = write(&mut out, &keyword("a b")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`a b` cannot be written as an EDN name; use letters, digits and `*!_?+-./`"
    );
}

fn name() -> impl Strategy<Value = String> {
    "[a-zA-Z*!?<=>é][a-z0-9*!_?+.'#-]{0,5}(/[a-z][a-z0-9]{0,3})?"
        .prop_filter("a word of its own", |name| !matches!(name.as_str(), "nil" | "true" | "false"))
}

fn value() -> impl Strategy<Value = Value<'static>> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Integer),
        "-?[1-9][0-9]{0,30}".prop_map(|text| Value::BigInteger(text.into())),
        "-?[1-9][0-9]{0,5}/[1-9][0-9]{0,5}".prop_map(|text| Value::Ratio(text.into())),
        any::<f64>().prop_map(Value::Float),
        "-?[1-9][0-9]{0,5}(\\.[0-9]{1,5})?(e-?[0-9]{1,3})?"
            .prop_map(|text| Value::BigDecimal(text.into())),
        any::<char>().prop_map(Value::Char),
        ".{0,10}|[\"\\\\\n\u{0}-\u{1f}a]{0,6}".prop_map(|text| Value::String(text.into())),
        name().prop_map(|text| Value::Symbol(text.into())),
        name().prop_map(|text| Value::Keyword(text.into())),
        (-62_167_219_200_i64..253_402_300_800, 0_u32..1_000_000_000)
            .prop_map(|(seconds, nanos)| Value::Inst(Inst { seconds, nanos })),
        any::<[u8; 16]>().prop_map(|bytes| Value::Uuid(Uuid::from_bytes(bytes))),
        any::<Vec<u8>>().prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..5);
        prop_oneof![
            items.clone().prop_map(Value::List),
            items.clone().prop_map(Value::Vector),
            items.prop_map(Value::Set),
            prop::collection::vec((inner.clone(), inner.clone()), 0..12).prop_map(Value::Map),
            ("[a-z]{1,4}/[a-z]{1,4}", inner)
                .prop_map(|(tag, value)| Value::Tagged(tag.into(), Box::new(value))),
        ]
    })
}

proptest! {
    #[test]
    fn values_come_back_from_their_text(value in value()) {
        let mut text = String::new();
        write(&mut text, &value).unwrap();
        match read(&text) {
            // As debug text, because NaN is not equal to itself.
            Ok(back) => prop_assert_eq!(format!("{:?}", back), format!("{:?}", value)),
            // Nothing keeps the generator from making the same key twice.
            Err(error) => prop_assert_eq!(error.problem, super::super::error::Problem::Duplicate),
        }
    }

    #[test]
    fn checking_and_reading_agree(
        text in r#"([\[\](){}#_:" ;\\,'+-]|\\[a-z(]|#_|#\{|#inst "2024"|#:a\{|nil|:a|a/b|1|2N|0\.5|"\\u0041"|\PC){0,24}"#,
    ) {
        prop_assert_eq!(check(&text).map(drop), read(&text).map(drop));
    }

    #[test]
    fn what_is_read_is_written_so_that_it_reads_the_same(
        text in r#"[\[({]([\[\](){} ]|#\{|#t |\\[a-z(]|:a[0-9]|b/[a-z]|-?[1-9]{1,3}[NM]?|[1-9]/[1-9]|"[a\\n]{0,3}"){0,12}[\])}]"#,
    ) {
        if let Ok(value) = read(&text) {
            let mut written = String::new();
            write(&mut written, &value).unwrap();
            prop_assert_eq!(read(&written), Ok(value));
        }
    }
}
