//! Bytes that nobody means well with: refused at a place, in bounded depth, and without room for what has not come.

use super::{
    super::{check, read},
    bytes,
};

#[track_caller]
fn refused(written: &str, message: &str) {
    let body = bytes(written);
    assert_eq!(check(&body).unwrap_err().to_string(), message, "{written}");
    assert_eq!(read(&body).unwrap_err().to_string(), message, "{written}");
}

const CUT: &str = "the value that begins here is longer than the bytes that follow";

#[test]
fn mistakes_are_named_with_their_place() {
    refused("", "byte 0: the bytes end where a value is expected");
    refused("9201", "byte 0: the value that begins here is longer than the bytes that follow");
    refused("9291c0", "byte 3: the bytes end where a value is expected");
    refused("c1", "byte 0: the byte c1 stands for nothing in MessagePack");
    refused("92c0c1", "byte 2: the byte c1 stands for nothing in MessagePack");
    refused("c0c0", "byte 1: a second value; only one is expected");
    refused("a361ff62", "byte 2: not UTF-8");
    refused("81a161a2c3", &format!("byte 3: {CUT}"));
    refused("a2c328", "byte 1: not UTF-8");
    refused("a3eda080", "byte 1: not UTF-8");
    let instant =
        "not a timestamp: it has 4, 8 or 12 bytes, and less than 1,000,000,000 nanoseconds";
    for (place, written) in [
        (0, "c703ff616263"),
        (0, "d4ff00"),
        (1, "91c700ff"),
        (0, "d7ffee6b280000000000"),
        (0, "c70cff3b9aca000000000000000000"),
        (0, "c70dff00000000000000000000000000"),
    ] {
        refused(written, &format!("byte {place}: {instant}"));
    }
}

#[test]
fn what_is_cut_off_at_any_byte_is_refused() {
    for written in [
        "9a00cc80cd0100ce00010000cf0000000100000000d0dfd18000d280000000d38000000000000000ff",
        "96ca3fc00000cb3ff8000000000000a3c3a961d90161da000161db0000000161",
        "93c40161c5000161c60000000161",
        "94d6ff00000000d7ff0000000000000000c70cff000000000000000000000000c70305000000",
        "9adc0001c0dd00000001c0de0001c0c0df00000001c0c081a16101d40500d5050000d80500000000000000000000000000000000c800010500c9000000010500",
    ] {
        let body = bytes(written);
        for length in 0..body.len() {
            let cut = body.get(..length).unwrap();
            let error = check(cut).expect_err("cut off");
            assert!(error.at <= length, "{error}");
            assert!(read(cut).is_err(), "{length} bytes of {written}");
        }
        assert_eq!(check(&body), Ok(0..body.len()), "{written}");
    }
}

#[test]
fn a_length_alone_takes_no_room() {
    for head in [
        "ddffffffff",
        "dcffff",
        "9f",
        "dfffffffff",
        "df80000000",
        "deffff",
        "8f",
        "dbffffffff",
        "daffff",
        "bf",
        "c6ffffffff",
        "c5ffff",
        "c4ff",
        "c9ffffffff05",
        "c8ffff05",
        "c7ff05",
        "d805",
    ] {
        refused(head, &format!("byte 0: {CUT}"));
        refused(&format!("92c0{head}00"), &format!("byte 2: {CUT}"));
    }
    // Each announces what all that follows cannot hold: none of it is looked at.
    let body = bytes("ddffffff00").repeat(1000);
    assert_eq!(check(&body).unwrap_err().at, 0);
}

#[test]
fn depth_is_bounded_whatever_nests() {
    let nested = |depth: usize| [vec![0x91; depth], vec![0xc0]].concat();
    assert!(read(&nested(64)).is_ok());
    let refused = check(&nested(65)).unwrap_err().to_string();
    assert_eq!(refused, "byte 64: nested deeper than 64 levels; send a flatter value");
    // EDN has tags for bytes and points in time: they count as they do there.
    for leaf in ["c400", "d6ff00000000"] {
        let within = |depth: usize| [vec![0x91; depth], bytes(leaf)].concat();
        assert!(read(&within(63)).is_ok());
        assert_eq!(check(&within(64)).unwrap_err().to_string(), refused);
    }
    for endless in ["91", "81c0", "8191", "dd00000001", "df00000001a161", "9290", "92c091"] {
        let body = bytes(endless).repeat(1_000_000);
        for error in [check(&body).unwrap_err(), read(&body).unwrap_err()] {
            let error = error.to_string();
            let key = error.contains("only MessagePack has such map keys");
            assert!(error.contains("nested deeper") || key, "{endless}: {error}");
        }
    }
}
