//! Text for people: words that agree with their number, and nothing that does not show.

use std::fmt::{self, Write as _};
use tengen_wire::id::seen;

/// `1 route`, `2 routes`: a number and the word for it.
pub(super) fn counted(number: usize, one: &'static str, many: &'static str) -> impl fmt::Display {
    fmt::from_fn(move |f| write!(f, "{number} {}", if number == 1 { one } else { many }))
}

/// Text of others, with whatever does not show written out, so that a terminal neither hides nor obeys it. Within JSON texts,
/// where alone it may stand in JSON, it stays the same text. Ends of lines stay as well where the text has `lines`.
pub(super) fn visible(text: &str, lines: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for (c, shows) in seen(text) {
        if shows || lines && c == '\n' {
            shown.push(c);
            continue;
        }
        for half in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string does not fail.
            write!(shown, "\\u{half:04x}").ok();
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_agrees_with_its_number() {
        let routes = [0, 1, 2].map(|number| counted(number, "route", "routes").to_string());
        assert_eq!(routes, ["0 routes", "1 route", "2 routes"]);
    }

    #[test]
    fn what_does_not_show_is_written_out_and_stays_the_same_text() {
        let data = "\"a\u{9b}31m\u{202e}\u{200b}\u{e0061}ż\"";
        let shown = visible(data, false);
        assert_eq!(shown, r#""a\u009b31m\u202e\u200b\udb40\udc61ż""#);
        let [before, after] =
            [data, &shown].map(|text| serde_json::from_str::<String>(text).unwrap());
        assert_eq!(before, after);
        assert_eq!(visible("a\nb\r👩\u{200d}💻", false), "a\\u000ab\\u000d👩\u{200d}💻");
        assert_eq!(visible("a\nb\r", true), "a\nb\\u000d");
    }
}
