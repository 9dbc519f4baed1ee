//! What becomes of values between MessagePack and the other formats, row by row. The bytes are the `msgpack` package's for
//! Python, 1.2.4, unless another form of the same value is meant to be read.

use super::{bytes, hex};
use crate::{
    fault::FaultId,
    payload::{Encoding, Payload, transcode},
};

#[track_caller]
fn convert(from: Encoding, body: Vec<u8>, to: Encoding) -> String {
    let payload = transcode(&Payload::new(from, body), to).unwrap();
    assert_eq!(payload.encoding, to);
    assert!(payload.is_checked());
    match to {
        Encoding::Msgpack => hex(&payload.body),
        _ => String::from_utf8(payload.body.to_vec()).unwrap(),
    }
}

#[track_caller]
fn from_msgpack(written: &str, json: &str, edn: &str) {
    assert_eq!(convert(Encoding::Msgpack, bytes(written), Encoding::Json), json, "{written}");
    assert_eq!(convert(Encoding::Msgpack, bytes(written), Encoding::Edn), edn, "{written}");
}

#[track_caller]
fn from_edn(edn: &str, written: &str) {
    assert_eq!(convert(Encoding::Edn, edn.into(), Encoding::Msgpack), written, "{edn}");
}

#[track_caller]
fn from_json(json: &str, written: &str) {
    assert_eq!(convert(Encoding::Json, json.into(), Encoding::Msgpack), written, "{json}");
}

/// To EDN and back nothing is lost.
#[track_caller]
fn both(written: &str, json: &str, edn: &str) {
    from_msgpack(written, json, edn);
    from_edn(edn, written);
}

#[test]
fn integers_are_integers_as_far_as_64_bits_hold_them() {
    both(
        "99007fcc80ccffcd0100cdffffce00010000ceffffffffcf0000000100000000",
        "[0,127,128,255,256,65535,65536,4294967295,4294967296]",
        "[0 127 128 255 256 65535 65536 4294967295 4294967296]",
    );
    both(
        "99ffe0d0dfd080d1ff7fd18000d2ffff7fffd280000000d3ffffffff7fffffff",
        "[-1,-32,-33,-128,-129,-32768,-32769,-2147483648,-2147483649]",
        "[-1 -32 -33 -128 -129 -32768 -32769 -2147483648 -2147483649]",
    );
    both(
        "94cf0020000000000000cf0020000000000001d3ffe0000000000000d3ffdfffffffffffff",
        r#"[9007199254740992,"9007199254740993",-9007199254740992,"-9007199254740993"]"#,
        "[9007199254740992 9007199254740993 -9007199254740992 -9007199254740993]",
    );
    both(
        "94cf7fffffffffffffffd38000000000000000cf8000000000000000cfffffffffffffffff",
        r#"["9223372036854775807","-9223372036854775808","9223372036854775808","18446744073709551615"]"#,
        "[9223372036854775807 -9223372036854775808 9223372036854775808N 18446744073709551615N]",
    );
    // Longer than they need be, as other writers have them.
    from_msgpack(
        "96cc05cd0005ce00000005cf0000000000000005d005d3fffffffffffffffb",
        "[5,5,5,5,5,-5]",
        "[5 5 5 5 5 -5]",
    );
    from_json("[12345678901234567890,9007199254740993]", "92cfab54a98ceb1f0ad2cf0020000000000001");
    from_edn("[5N -5N 18446744073709551616N]", "9305fbb43138343436373434303733373039353531363136");
}

#[test]
fn decimals_are_doubles() {
    both(
        "93cb3ff8000000000000cb8000000000000000cb7e37e43c8800759c",
        "[1.5,-0.0,1e300]",
        "[1.5 -0.0 1e300]",
    );
    both(
        "93cb7ff8000000000000cb7ff0000000000000cbfff0000000000000",
        "[null,null,null]",
        "[##NaN ##Inf ##-Inf]",
    );
    from_msgpack(
        "92ca3fc00000ca3dcccccd",
        "[1.5,0.10000000149011612]",
        "[1.5 0.10000000149011612]",
    );
    from_json("[1.0,1e400]", "92cb3ff0000000000000a53165343030");
    from_edn("[1.50M 22/7]", "92a4312e3530a432322f37");
}

#[test]
fn words_texts_and_names_are_strings() {
    both("93c0c3c2", "[null,true,false]", "[nil true false]");
    both("a0", "\"\"", "\"\"");
    both("a8c3a9f09f98800a22", r#""é😀\n\"""#, r#""é😀\n\"""#);
    for (head, length) in
        [("bf", 31), ("d920", 32), ("d9ff", 255), ("da0100", 256), ("db00010000", 65536)]
    {
        let text = format!("\"{}\"", "x".repeat(length));
        both(&format!("{head}{}", "78".repeat(length)), &text, &text);
    }
    from_msgpack("d90161", "\"a\"", "\"a\"");
    from_edn(
        "[:a :a/b :ns.x/y-z? sym ns/sym]",
        "95a161a3612f62a96e732e782f792d7a3fa373796da66e732f73796d",
    );
    from_edn(r"[\a \newline \u20ac]", "93a161a10aa3e282ac");
    from_edn(
        "#uuid \"123E4567-e89b-12d3-a456-426614174000\"",
        &format!("d924{}", hex(b"123e4567-e89b-12d3-a456-426614174000")),
    );
    from_json(
        r#"[":a","2024-01-01T00:00:00Z"]"#,
        "92a23a61b4323032342d30312d30315430303a30303a30305a",
    );
}

#[test]
fn bytes_are_bytes() {
    both("c40300ff10", r#""AP8Q""#, r##"#base64 "AP8Q""##);
    from_msgpack(
        "93c500010ac6000000010ac400",
        r#"["Cg==","Cg==",""]"#,
        r##"[#base64 "Cg==" #base64 "Cg==" #base64 ""]"##,
    );
    let raw = |encoding, body: &[u8]| convert(encoding, body.to_vec(), Encoding::Msgpack);
    assert_eq!(raw(Encoding::Binary, &[0, 255, 16]), "c40300ff10");
    assert_eq!(raw(Encoding::Text, b"say \"hi\"\n"), format!("a9{}", hex(b"say \"hi\"\n")));
    let as_it_is = |to| transcode(&Payload::new(Encoding::Msgpack, bytes("a161")), to).unwrap();
    assert_eq!(as_it_is(Encoding::Binary).body, bytes("a161"));
    let fault = transcode(&Payload::new(Encoding::Msgpack, bytes("a161")), Encoding::Text);
    assert_eq!(fault.unwrap_err().id, FaultId::Unsupported, "not UTF-8");
}

#[test]
fn points_in_time_are_timestamps_of_the_shortest_length() {
    both(
        "d6ff00000000",
        r#""1970-01-01T00:00:00.000Z""#,
        r##"#inst "1970-01-01T00:00:00.000-00:00""##,
    );
    both(
        "d6ff65e078d7",
        r#""2024-02-29T12:30:15.000Z""#,
        r##"#inst "2024-02-29T12:30:15.000-00:00""##,
    );
    both(
        "d7ff7735940065e078d7",
        r#""2024-02-29T12:30:15.500Z""#,
        r##"#inst "2024-02-29T12:30:15.500-00:00""##,
    );
    both(
        "d7ff00000007ffffffff",
        r#""2514-05-30T01:53:03.000000001Z""#,
        r##"#inst "2514-05-30T01:53:03.000000001-00:00""##,
    );
    both(
        "c70cff000000000000000400000000",
        r#""2514-05-30T01:53:04.000Z""#,
        r##"#inst "2514-05-30T01:53:04.000-00:00""##,
    );
    both(
        "c70cff00000001ffffffffffffffff",
        r#""1969-12-31T23:59:59.000000001Z""#,
        r##"#inst "1969-12-31T23:59:59.000000001-00:00""##,
    );
    // Longer than it need be.
    from_msgpack(
        "d7ff0000000065e078d7",
        r#""2024-02-29T12:30:15.000Z""#,
        r##"#inst "2024-02-29T12:30:15.000-00:00""##,
    );
}

#[test]
fn collections_are_arrays_and_maps() {
    both("90", "[]", "[]");
    both("92019302c0c3", "[1,[2,null,true]]", "[1 [2 nil true]]");
    from_edn("[#{7} (1 2) () #{}]", "9491079201029090");
    let numbers = |count: usize| vec!["1"; count].join(" ");
    for (head, count) in [("9f", 15), ("dc0010", 16), ("dcffff", 65535), ("dd00010000", 65536)] {
        from_edn(&format!("[{}]", numbers(count)), &format!("{head}{}", "01".repeat(count)));
        let json = format!("[{}]", numbers(count).replace(' ', ","));
        from_msgpack(
            &format!("{head}{}", "01".repeat(count)),
            &json,
            &format!("[{}]", numbers(count)),
        );
    }
    from_msgpack("92dd00000000de0000", "[[],{}]", "[[] {}]");
    from_edn("#my/tag {:x 1}", "81a7236d792f74616781a17801");
    from_msgpack(
        "81a7236d792f74616781a17801",
        r##"{"#my/tag":{"x":1}}"##,
        r##"{"#my/tag" {:x 1}}"##,
    );
}

#[test]
fn keys_are_strings_and_numbers() {
    both("80", "{}", "{}");
    both(
        "85a16101a3612f6202ad6e6f742061206b6579776f726403a331737404a005",
        r#"{"a":1,"a/b":2,"not a keyword":3,"1st":4,"":5}"#,
        r#"{:a 1 :a/b 2 "not a keyword" 3 "1st" 4 "" 5}"#,
    );
    both(
        "8401a161f9a162cf8000000000000000a163cb3ff8000000000000a164",
        r#"{"1":"a","-7":"b","9223372036854775808":"c","1.5":"d"}"#,
        r#"{1 "a" -7 "b" 9223372036854775808N "c" 1.5 "d"}"#,
    );
    from_edn("{sym 1 2/3 2 1M 3}", "83a373796d01a3322f3302a13103");
    from_json(r#"{"a":{"b":[{}]},"with space":[]}"#, "82a16181a1629180aa7769746820737061636590");
    for key in ["nil", "true", r"\a", "[1]", "{}", "#{}", "#inst \"2024\"", "#t 1", "#base64 \"\""]
    {
        let edn = Payload::new(Encoding::Edn, format!("{{{key} 1}}"));
        let fault = transcode(&edn, Encoding::Msgpack).unwrap_err();
        assert_eq!(fault.id, FaultId::Unsupported, "{key}");
        assert!(fault.message.contains("MessagePack has no map key for"), "{}", fault.message);
    }
}

#[test]
fn of_keys_that_occur_twice_or_become_one_the_last_stays() {
    from_msgpack("82a16101a16102", r#"{"a":2}"#, "{:a 2}");
    from_msgpack("8401a161a13102cd0001a162d001a163", r#"{"1":"c"}"#, r#"{"1" 2 1 "c"}"#);
    from_msgpack(
        "83cb7ff800000000000001cb7ff800000000000102cb000000000000000003",
        r#"{"NaN":2,"0.0":3}"#,
        "{##NaN 2 0.0 3}",
    );
    from_edn("{:a 1 \"a\" 2 :b 3 a 4 5 6 \"5\" 7}", "84a16203a161040506a13507");
    let many: String = (0..40).map(|key| format!("{:02x}{key:02x}", key % 20)).collect();
    let last: String = (20..40).map(|key| format!("{:02x}{key:02x}", key - 20)).collect();
    let edn = convert(Encoding::Msgpack, bytes(&format!("de0028{many}")), Encoding::Edn);
    from_edn(&edn, &format!("de0014{last}"));
}

#[test]
fn what_only_messagepack_has_is_unsupported_elsewhere_and_goes_on_as_it_came() {
    for (written, message) in [
        ("d5050102", "byte 0: only MessagePack has extension types"),
        ("92c0c703feff6162", "byte 2: only MessagePack has extension types"),
        ("c70cff000000007fffffffffffffff", "byte 0: only MessagePack has timestamps outside"),
        ("81c4016101", "byte 1: only MessagePack has such map keys"),
        ("81c301", "byte 1: only MessagePack has such map keys"),
        ("81c001", "byte 1: only MessagePack has such map keys"),
        ("8192010202", "byte 1: only MessagePack has such map keys"),
        ("81d6ff0000000102", "byte 1: only MessagePack has such map keys"),
        ("91818002", "byte 2: only MessagePack has such map keys"),
    ] {
        let payload = crate::payload::checked(Payload::new(Encoding::Msgpack, bytes(written)));
        let payload = payload.unwrap_or_else(|why| panic!("{written}: {why:?}"));
        assert_eq!(payload.body, bytes(written));
        for to in [Encoding::Json, Encoding::Edn] {
            let fault = transcode(&payload, to).unwrap_err();
            assert_eq!(fault.id, FaultId::Unsupported, "{written}");
            assert!(fault.message.starts_with(message), "{written}: {}", fault.message);
        }
    }
}
