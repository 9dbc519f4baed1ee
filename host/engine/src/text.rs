//! Text from guests, made fit for logs and messages: one line, bounded, nothing that a terminal obeys.

use std::fmt::{self, Write as _};
use tengen_wire::id::is_unseen;

/// A number of bytes as people write it: `16 MiB`, `1000 bytes`.
pub(super) struct Size(pub(super) usize);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        let fits = |(unit, _): &(usize, _)| self.0 > 0 && self.0.is_multiple_of(*unit);
        let (unit, word) = units.into_iter().find(fits).unwrap_or((1, "bytes"));
        write!(f, "{} {word}", self.0 / unit)
    }
}

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

/// The same for a text of several lines: what is in them, apart from each other.
pub(super) fn lines(text: &str, max: usize) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    plain(&lines.collect::<Vec<_>>().join(" | "), max)
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
    fn several_lines_become_one_that_keeps_them_apart() {
        assert_eq!(lines("a\n\n  b\u{1b}\r\nc", 32), "a | b\\u{1b} | c");
    }

    #[test]
    fn a_size_is_shown_in_the_largest_unit_that_it_is_a_multiple_of() {
        let shown = [0, 1000, 1024, 1536, 16 << 20, 3 << 30].map(|size| Size(size).to_string());
        assert_eq!(shown, ["0 bytes", "1000 bytes", "1 KiB", "1536 bytes", "16 MiB", "3 GiB"]);
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        check("0123456789abcdefghi", "0123456789abcdef…");
        check("0123456789abcdeü", "0123456789abcdeü");
        check("0123456789abcdeüx", "0123456789abcdeü…");
    }
}
