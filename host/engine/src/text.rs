//! Text from guests, made fit for logs and messages: one line, bounded, nothing that a terminal obeys.

use std::fmt::Write as _;
use tengen_wire::id::is_unseen;

/// The text in one line of at most `max` bytes and an ellipsis; control characters and those that do not show are written out.
pub(super) fn plain(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        if line.len() >= max {
            line.push('…');
            break;
        }
        if c == '\n' {
            line.push_str("\\n");
        } else if is_unseen(c) {
            // Writing to a string does not fail.
            write!(line, "\\u{{{:x}}}", u32::from(c)).ok();
        } else {
            line.push(c);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(plain(text, 16), expected);
    }

    #[test]
    fn nothing_in_a_line_is_obeyed_by_a_terminal() {
        check("\u{1b}[31mred", "\\u{1b}[31mred");
        check("a\r\nb\u{9b}", "a\\u{d}\\nb\\u{9b}");
        check("\u{202e}abc", "\\u{202e}abc");
        check("an\u{200b}n\u{ad}", "an\\u{200b}n\\u{ad}");
        check("grüße 碁", "grüße 碁");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        check("0123456789abcdefghi", "0123456789abcdef…");
        check("0123456789abcdeü", "0123456789abcdeü");
        check("0123456789abcdeüx", "0123456789abcdeü…");
    }
}
