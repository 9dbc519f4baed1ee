//! What telemetry leaves out: secrets by the name of their field, control characters, and texts without end.

use std::fmt;

/// What stands in a secret's place.
pub(super) const MASK: &str = "***";

/// No text in a signal is longer; what is cut off ends with an ellipsis.
const TEXT_LIMIT: usize = 8 << 10;

/// Whether a field of this name is never shown.
///
/// The last line of defence: types that hold secrets do not print them either.
pub(super) fn is_secret(field: &str) -> bool {
    const NAMES: [&str; 9] = [
        "authorization",
        "cookie",
        "set-cookie",
        "token",
        "password",
        "secret",
        "csrf",
        "api_key",
        "credentials",
    ];
    let last = field.rsplit_once('.').map_or(field, |(_, last)| last);
    NAMES.iter().any(|name| last.eq_ignore_ascii_case(name)) || has_secret_ending(last)
}

/// `access_token`, `client_secret`, `csrf-token` …
fn has_secret_ending(name: &str) -> bool {
    name.rsplit_once(['_', '-']).is_some_and(|(_, last)| {
        ["token", "secret", "password"].iter().any(|end| last.eq_ignore_ascii_case(end))
    })
}

/// Cuts a text that is too long, at a character.
pub(super) fn shorten(mut text: String) -> String {
    if text.len() > TEXT_LIMIT {
        let end = (0..=TEXT_LIMIT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Writes text so that it can neither move a terminal's cursor nor look like a line of its own.
pub(super) struct Visible<W>(pub(super) W);

impl<W: fmt::Write> fmt::Write for Visible<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((before, odd, after)) = split_at_odd(rest) {
            self.0.write_str(before)?;
            write!(self.0, "{}", odd.escape_default())?;
            rest = after;
        }
        self.0.write_str(rest)
    }
}

fn split_at_odd(text: &str) -> Option<(&str, char, &str)> {
    let (at, odd) = text.char_indices().find(|&(_, letter)| is_odd(letter))?;
    let (before, after) = text.split_at_checked(at)?;
    Some((before, odd, after.strip_prefix(odd)?))
}

/// Control characters, and those that turn the direction of writing.
fn is_odd(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write;

    fn visible(text: &str) -> String {
        let mut out = String::new();
        Visible(&mut out).write_str(text).unwrap();
        out
    }

    #[test]
    fn secrets_are_known_by_the_name_of_their_field() {
        for name in
            ["token", "Cookie", "http.request.header.authorization", "access_token", "csrf-token"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["tokens", "messaging.message.id", "user", "secretary", "error.type"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn escape_sequences_and_line_ends_become_visible() {
        assert_eq!(visible("a\x1b[31m\r\nb"), "a\\u{1b}[31m\\r\\nb");
        assert_eq!(visible("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(visible("żółw 🐢"), "żółw 🐢");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let text = shorten("ż".repeat(TEXT_LIMIT));
        assert!(text.len() <= TEXT_LIMIT + '…'.len_utf8() && text.ends_with("ż…"));
        assert_eq!(shorten("short".into()), "short");
    }

    proptest! {
        #[test]
        fn nothing_odd_is_ever_written(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(is_odd));
        }
    }
}
