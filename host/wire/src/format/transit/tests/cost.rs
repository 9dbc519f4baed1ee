//! What reading costs, counted in values that are looked at: in proportion to the bytes, whatever their shape.

use super::super::{super::work::steps, check, read};
use crate::{
    fault::FaultId,
    payload::{Encoding, Payload, checked, transcode},
};

fn filled(piece: impl Fn(usize) -> String, count: usize) -> String {
    let pieces: Vec<_> = (0..count).map(piece).collect();
    format!("[{}]", pieces.join(","))
}

#[test]
fn every_value_is_looked_at_once() {
    let shapes: [fn(usize) -> String; 8] = [
        |_| "[]".into(),
        |number| format!(r#"["^ ","~:key{number}",{number}]"#),
        |number| if number == 0 { r#""~:name""#.into() } else { r#""^0""#.into() },
        |number| if number == 0 { r#"["^ ","name",1]"#.into() } else { r#"["^ ","^0",1]"#.into() },
        |number| format!(r#"["~#cmap",[[{number}],[["~#set",[{number}]]]]]"#),
        |_| format!("{}null{}", "[".repeat(60), "]".repeat(60)),
        |number| format!(r#"{{"~:key{number}":{{"~#list":[1]}}}}"#),
        |_| r#"["~#cmap",[["~#cmap",[["~#cmap",[["~#cmap",[[1],1]],1]],1]],1]]"#.into(),
    ];
    for shape in shapes {
        let (some, twice) = (filled(shape, 2_000), filled(shape, 4_000));
        let checking = steps(|| assert!(check(&some).is_ok()));
        assert!(checking <= some.len(), "{checking} steps for {} bytes", some.len());
        let reading = steps(|| assert!(read(&some).is_ok()));
        assert!(reading <= 2 * some.len(), "{reading} steps for {} bytes", some.len());
        let doubled = steps(|| assert!(check(&twice).is_ok()));
        assert!(doubled * 10 <= checking * 22, "{checking} steps, then {doubled}");
    }
}

/// One long key, and a text full of its code.
fn lent(key: &str, count: usize) -> String {
    let maps = vec![r#"["^ ","^0",1]"#; count].join(",");
    format!(r#"[["^ ","{key}",1],{maps}]"#)
}

#[test]
fn what_codes_stand_for_is_made_eight_times_the_texts_length_at_most() {
    for key in ["k".repeat(20_000), format!("\\u0061{}", "k".repeat(20_000))] {
        let text = lent(&key, 5_000);
        let payload = Payload::new(Encoding::Transit, text);
        for to in [Encoding::Edn, Encoding::Json, Encoding::Msgpack] {
            let why = transcode(&payload, to).unwrap_err();
            assert_eq!(why.id, FaultId::Unsupported);
            assert!(why.message.contains("more than eight times"), "{}", why.message);
        }
        // To those who speak Transit it goes as it is, and is read without making anything of it.
        checked(payload).unwrap();
    }
    let tags = vec![r#"["^0",1]"#; 5_000].join(",");
    let escaped = format!(r#"[["~#\u0061{}",1],{tags}]"#, "t".repeat(20_000));
    let why = checked(Payload::new(Encoding::Transit, escaped)).unwrap_err();
    assert!(why.message.contains("more than eight times"), "{}", why.message);
    let usual = lent("a-key-of-some-length", 20_000);
    assert!(transcode(&Payload::new(Encoding::Transit, usual), Encoding::Edn).is_ok());
}

#[test]
fn large_maps_do_not_cost_the_square_of_their_size() {
    let pairs: String = (0..100_000).map(|key| format!(",\"~:k{key}\",{key}")).collect();
    let text = format!("[\"^ \"{pairs}]");
    let crate::format::value::Value::Map(pairs) = read(&text).unwrap() else { panic!("no map") };
    assert_eq!(pairs.len(), 100_000);
}
