//! What reading costs, counted in values that are looked at: in proportion to the bytes, whatever their shape.

use super::{
    super::{super::work::steps, check, read},
    bytes,
};

/// So many pieces in an array.
fn filled(piece: impl Fn(u32) -> String, count: u32) -> Vec<u8> {
    let pieces: String = (0..count).map(piece).collect();
    bytes(&format!("dd{count:08x}{pieces}"))
}

#[test]
fn every_value_is_looked_at_once() {
    let shapes: [fn(u32) -> String; 6] = [
        |_| "90".into(),
        |number| format!("81ce{number:08x}80"),
        |_| "c0".into(),
        |number| {
            format!("92a5{}c403000000", "78".repeat(5))
                .replace("7878", &format!("{:04x}", number % 64 + 16448))
        },
        |_| format!("{}c0", "91".repeat(60)),
        |_| "d6ff00000000".into(),
    ];
    for shape in shapes {
        let (some, twice) = (filled(shape, 2_000), filled(shape, 4_000));
        let checking = steps(|| assert!(check(&some).is_ok()));
        assert!(checking <= some.len(), "{checking} steps for {} bytes", some.len());
        let reading = steps(|| assert!(read(&some).is_ok()));
        assert!(reading <= some.len(), "{reading} steps for {} bytes", some.len());
        let doubled = steps(|| assert!(check(&twice).is_ok()));
        assert!(doubled * 10 <= checking * 22, "{checking} steps, then {doubled}");
    }
}

#[test]
fn large_maps_do_not_cost_the_square_of_their_size() {
    let pairs: String = (0..100_000_u32).map(|key| format!("ce{key:08x}c0")).collect();
    let body = bytes(&format!("df000186a0{pairs}"));
    let crate::format::value::Value::Map(pairs) = read(&body).unwrap() else { panic!("no map") };
    assert_eq!(pairs.len(), 100_000);
}
