//! What telemetry leaves out: secrets by the name of their field, control characters, and texts without end.

mod scrub;

pub(crate) use scrub::{keep_values, scrubbed, without_values};

use crate::filter::pattern::Pattern;
use arc_swap::ArcSwapOption;
use std::{borrow::Cow, fmt, sync::Arc};
use tengen_wire::id::is_unseen;

/// What stands in a secret's place.
pub(super) const MASK: &str = "***";

/// No text in a signal is longer; what is cut off ends with an ellipsis.
const TEXT_LIMIT: usize = 8 << 10;

/// Names of fields that are secrets as well, by `telemetry.secrets`.
static NAMES: ArcSwapOption<Vec<Pattern>> = ArcSwapOption::const_empty();

/// From now on fields of these names are masked too, in small letters or large; `*` stands for any text.
pub(crate) fn keep_names(names: &[String]) {
    let patterns = names.iter().map(|name| Pattern::new(&name.to_ascii_lowercase())).collect();
    NAMES.store((!names.is_empty()).then(|| Arc::new(patterns)));
}

fn is_named(field: &str) -> bool {
    let Some(patterns) = &*NAMES.load() else { return false };
    let field = field.to_ascii_lowercase();
    patterns.iter().any(|pattern| pattern.matches(&field))
}

/// Whether a field of this name is never shown: `token`, `access_token`, `http.request.header.set-cookie` …
///
/// The last line of defence: types that hold secrets do not print them either. Asked for every attribute of every
/// span, so it looks at the end of the name only. How its words are put together is a matter of taste: `api-key`,
/// `API_KEY` and `apiKey` are one.
pub(super) fn is_secret(field: &str) -> bool {
    is_one_of_ours(field) || is_named(field)
}

fn is_one_of_ours(field: &str) -> bool {
    const WORDS: [&str; 14] = [
        "authorization",
        "cookie",
        "token",
        "password",
        "passwd",
        "passphrase",
        "secret",
        "csrf",
        "credentials",
        "jwt",
        "apikey",
        "accesskey",
        "privatekey",
        "secretkey",
    ];
    let end = field.as_bytes().iter().rev().find(|byte| !matches!(byte, b'.' | b'_' | b'-'));
    let Some(last) = end.map(u8::to_ascii_lowercase) else { return false };
    // Most names end with another letter than any of the words.
    let mut alike = WORDS.iter().filter(|word| word.as_bytes().last() == Some(&last));
    alike.any(|word| ends_with(field.as_bytes(), word.as_bytes()))
}

/// Whether a name ends with a word, whatever separates its letters and in whatever case, and the word begins there.
fn ends_with(name: &[u8], word: &[u8]) -> bool {
    let (mut before, mut first) = (name, None);
    for letter in word.iter().rev() {
        while let Some((b'.' | b'_' | b'-', rest)) = before.split_last() {
            before = rest;
        }
        match before.split_last() {
            Some((last, rest)) if last.eq_ignore_ascii_case(letter) => {
                (before, first) = (rest, Some(last));
            }
            _ => return false,
        }
    }
    match before.last() {
        None | Some(b'.' | b'_' | b'-') => true,
        Some(last) => last.is_ascii_lowercase() && first.is_some_and(u8::is_ascii_uppercase),
    }
}

/// The text as a signal may have it: no secret that stands by its name, and not too long. `wholly`: no value that is known as
/// a secret either.
pub(super) fn cleaned(text: String, wholly: bool) -> String {
    let mut text = match scrubbed(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(scrubbed) => scrubbed,
    };
    if wholly {
        without_values(&mut text);
    }
    shorten(text)
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

/// The text, in `most` bytes: what is cut off leaves an ellipsis, if there is room for one.
pub(super) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(most.saturating_sub('…'.len_utf8()));
    let (kept, _) = text.split_at_checked(end).unwrap_or_default();
    let mark = if most < '…'.len_utf8() { "" } else { "…" };
    Cow::Owned([kept, mark].concat())
}

/// Writes text so that nothing of it is hidden, and it can neither move a terminal's cursor nor look like a line of its own.
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
    let (at, odd) = text.char_indices().find(|&(_, letter)| is_unseen(letter))?;
    let (before, after) = text.split_at_checked(at)?;
    Some((before, odd, after.strip_prefix(odd)?))
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
        for name in [
            "token",
            "Cookie",
            "http.request.header.authorization",
            "access_token",
            "csrf-token",
            "api_key",
            // These were shown.
            "api-key",
            "API_KEY",
            "x-api-key",
            "http.request.header.x-api-key",
            "apiKey",
            "accessToken",
            "aws.secret_access_key",
            "private-key",
            "db_passwd",
            "jwt",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "tokens",
            "messaging.message.id",
            "user",
            "secretary",
            "error.type",
            "key",
            "lapikey",
            "keys.api",
            "cookies",
            "messaging.routing_key",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn more_names_can_be_named() {
        keep_names(&["E-Mail".to_owned(), "card*".to_owned()]);
        let found = ["e-mail", "cardNumber", "mail"].map(is_secret);
        keep_names(&[]);
        assert_eq!(found, [true, true, false]);
    }

    #[test]
    fn escape_sequences_and_line_ends_become_visible() {
        assert_eq!(visible("a\x1b[31m\r\nb"), "a\\u{1b}[31m\\r\\nb");
        assert_eq!(visible("\u{202e}evil"), "\\u{202e}evil");
        assert_eq!(visible("an\u{200b}n"), "an\\u{200b}n");
        assert_eq!(visible("żółw 🐢"), "żółw 🐢");
    }

    #[test]
    fn long_texts_are_cut_at_a_character() {
        let text = shorten("ż".repeat(TEXT_LIMIT));
        assert!(text.len() <= TEXT_LIMIT + '…'.len_utf8() && text.ends_with("ż…"));
        assert_eq!(shorten("short".into()), "short");
    }

    #[test]
    fn a_cut_text_is_within_its_bytes_and_says_that_it_was_cut() {
        assert_eq!(cut("1234567", 7), "1234567");
        assert_eq!(cut("12345678", 7), "1234…");
        assert_eq!(cut("żółw🐢🐢", 8), "żó…");
        assert_eq!(cut("1234", 2), "");
    }

    proptest! {
        #[test]
        fn a_cut_text_is_never_longer(text in any::<String>(), most in 0_usize..20) {
            prop_assert!(cut(&text, most).len() <= most);
        }

        #[test]
        fn nothing_odd_is_ever_written(text in any::<String>()) {
            prop_assert!(!visible(&text).chars().any(is_unseen));
        }
    }
}
