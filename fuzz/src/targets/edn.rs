//! EDN: what was read comes back from its own text.

use tengen_wire::format::edn::{check, read, write};

pub fn edn(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (checked, read) = (check(text), read(text));
    assert_eq!(checked.clone().map(drop), read.clone().map(drop), "checking and reading differ");
    let value = match read {
        Ok(value) => value,
        Err(error) => return assert!(error.at <= text.len(), "{error}"),
    };
    let span = checked.expect("both agree");
    let alone = text.get(span).expect("the value stands between characters");
    let mut written = String::new();
    write(&mut written, &value).expect("every name that was read can be written");
    // As debug text, because NaN is not equal to itself.
    let value = format!("{value:?}");
    for text in [alone, &written] {
        let back = self::read(text).expect("the value alone, or written, reads again");
        assert_eq!(format!("{back:?}"), value, "{text}");
    }
}
