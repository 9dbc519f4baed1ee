//! Numbers that are written the same in every text format, so that they need not be read to be written.

/// How many digits every integer and every decimal may have that a `f64` tells from all others, and JSON's readers too.
const EXACT: usize = 15;

/// Whether an integer is written back as it stands here. It is well formed, and has no `+`.
pub(crate) fn is_plain_integer(text: &[u8]) -> bool {
    text.len() <= EXACT && text != b"-0"
}

/// Whether digits, a point and digits are written back as they stand here: as the shortest text of their `f64`, and without an
/// exponent, which the very large and the very small are written with. They are well formed, and have no `+`.
///
/// Two different decimals of 15 digits are never the same `f64`, so of such a text no digit can be left out but a 0 at its end.
pub(crate) fn is_plain_decimal(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    // With its point.
    let is_exact = digits.len() <= EXACT + 1;
    match digits {
        [b'0', b'.', b'0', b'0', b'0', b'0', ..] => false,
        [.., b'.', b'0'] | [.., b'1'..=b'9'] => is_exact,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_in_another_way_is_not_plain() {
        for plain in ["0.0", "-0.0", "1.5", "0.0001", "0.10001", "12345678901.2345", "100.0"] {
            assert!(is_plain_decimal(plain.as_bytes()), "{plain}");
            assert_eq!(format!("{:?}", plain.parse::<f64>().unwrap()), plain);
        }
        for other in ["1.50", "0.00001", "0.0000", "0.123456789012345678", "0.00", "-0.10"] {
            assert!(!is_plain_decimal(other.as_bytes()), "{other}");
        }
        assert!(is_plain_integer(b"0") && is_plain_integer(b"-99999999999999"));
        assert!(!is_plain_integer(b"-0") && !is_plain_integer(b"9007199254740993"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn what_is_plain_is_written_as_it_was_read(
            text in "-?(0|[1-9][0-9]{0,16})\\.(0{0,6}[0-9]{1,12}|[0-9]{1,3})",
        ) {
            if is_plain_decimal(text.as_bytes()) {
                prop_assert_eq!(format!("{:?}", text.parse::<f64>().unwrap()), text);
            }
        }

        #[test]
        fn the_shortest_text_of_what_people_write_is_plain(number in -1_000_000_000..1_000_000_000_i64) {
            let text = format!("{:?}", number as f64 / 1000.0);
            prop_assert!(is_plain_decimal(text.as_bytes()), "{}", text);
        }
    }
}
