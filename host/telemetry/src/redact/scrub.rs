//! Secrets in running text: by the name before them, and by what they are where that is known.

use super::{MASK, is_secret};
use arc_swap::ArcSwapOption;
use std::{borrow::Cow, sync::Arc};

/// Shorter values would be found in words that are no secrets.
const LEAST: usize = 6;

/// Values that are secrets wherever they stand.
static VALUES: ArcSwapOption<Vec<String>> = ArcSwapOption::const_empty();

/// From now on these values are masked in what plugins say, and in warnings and errors; those of before are forgotten.
pub(crate) fn keep_values(values: impl IntoIterator<Item = String>) {
    let mut values: Vec<_> = values.into_iter().filter(|value| value.len() >= LEAST).collect();
    // One that is the beginning of another would leave the other's end.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    VALUES.store((!values.is_empty()).then(|| Arc::new(values)));
}

/// The text without the values that are known.
pub(crate) fn without_values(text: &mut String) {
    for value in VALUES.load().iter().flat_map(|values| values.iter()) {
        if text.contains(value.as_str()) {
            *text = text.replace(value.as_str(), MASK);
        }
    }
}

/// The text without what stands behind the name of a secret: `password=x`, `"token": "x"`, `Authorization: Bearer x`.
pub(crate) fn scrubbed(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'=' | b':' | b'"')) && !text.contains("earer ") {
        return Cow::Borrowed(text);
    }
    let (mut out, mut done, mut at) = (String::new(), 0, 0);
    while let Some((start, end)) = word(text, at) {
        at = end;
        let (name, rest) = (slice(text, start, end), slice(text, end, text.len()));
        // A line's end that was made visible stands before the name, as `\n`.
        let unescaped = slice(text, 0, start).ends_with('\\').then(|| slice(name, 1, name.len()));
        let value = value_of(name, rest).or_else(|| value_of(unescaped?, rest));
        let Some(value) = value else { continue };
        let (from, to) = (end + value.start, end + value.end);
        out.push_str(slice(text, done, from));
        out.push_str(MASK);
        (done, at) = (to, to);
    }
    match done {
        0 => Cow::Borrowed(text),
        _ => Cow::Owned(out + slice(text, done, text.len())),
    }
}

/// The next word that may be a name, from here on.
fn word(text: &str, from: usize) -> Option<(usize, usize)> {
    let is_of_name =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let start = from + slice(text, from, text.len()).find(is_of_name)?;
    let length = slice(text, start, text.len()).find(|letter| !is_of_name(letter));
    Some((start, length.map_or(text.len(), |length| start + length)))
}

/// Where the value stands in what follows a name, if that is the name of a secret.
fn value_of(name: &str, rest: &str) -> Option<std::ops::Range<usize>> {
    if name.eq_ignore_ascii_case("bearer") || name.eq_ignore_ascii_case("basic") {
        let gap = rest.len() - rest.trim_start_matches(' ').len();
        let value = end_of_bare(slice(rest, gap, rest.len()));
        return (gap > 0 && value >= LEAST).then_some(gap..gap + value);
    }
    if !is_secret(name) {
        return None;
    }
    // The name may be in quotes, and those may be escaped.
    let quotes = |letter: char| matches!(letter, '"' | '\'' | '\\');
    let after = rest.trim_start_matches(quotes).trim_start_matches(' ');
    let value = match after.strip_prefix(['=', ':']) {
        Some(value) => value.trim_start_matches(' '),
        // As EDN has it: `:password "x"`.
        None if after.starts_with('"') => after,
        None => return None,
    };
    let start = rest.len() - value.len();
    let bare = value.trim_start_matches('\\');
    let length = match bare.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inner = slice(bare, 1, bare.len());
            let end = end_of_quoted(inner, quote);
            let opened = value.len() - inner.len();
            return (end > 0).then_some(start + opened..start + opened + end);
        }
        // Of cookies each has a value.
        _ if name.to_ascii_lowercase().ends_with("cookie") => {
            value.find(['\n', '\r', '"']).unwrap_or(value.len())
        }
        _ => end_of_value(value),
    };
    (length > 0).then_some(start..start + length)
}

/// Where a text in quotes ends. Within a text that is quoted itself the quotes are escaped.
fn end_of_quoted(inner: &str, quote: char) -> usize {
    inner.find(quote).map_or(inner.len(), |end| slice(inner, 0, end).trim_end_matches('\\').len())
}

fn end_of_bare(value: &str) -> usize {
    let ends = |letter: char| letter.is_whitespace() || "&,;)}]\"'<>`".contains(letter);
    value.find(ends).unwrap_or(value.len())
}

/// The same, with the scheme before it where there is one.
fn end_of_value(value: &str) -> usize {
    let first = end_of_bare(value);
    let scheme = slice(value, 0, first);
    if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("basic") {
        return first;
    }
    let rest = slice(value, first, value.len());
    let gap = rest.len() - rest.trim_start_matches(' ').len();
    first + gap + end_of_bare(slice(rest, gap, rest.len()))
}

fn slice(text: &str, from: usize, to: usize) -> &str {
    text.get(from..to).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_stands_behind_the_name_of_a_secret_is_masked() {
        for (text, shown) in [
            ("GET /ws?token=abc&room=tea", "GET /ws?token=***&room=tea"),
            ("panicked: password=hunter2", "panicked: password=***"),
            (r"at lib.rs:7:\npassword=hunter2", r"at lib.rs:7:\npassword=***"),
            (r#"got {"password":"hunter 2","n":1}"#, r#"got {"password":"***","n":1}"#),
            (r#"got "{\"api_key\": \"k\"}" there"#, r#"got "{\"api_key\": \"***\"}" there"#),
            (r#"{:password "x y" :n 1}"#, r#"{:password "***" :n 1}"#),
            ("Authorization: Bearer abc.def-g, x", "Authorization: ***, x"),
            ("sent Bearer abc.def-g here", "sent Bearer *** here"),
            ("Cookie: a=b; c=d\nHost: x", "Cookie: ***\nHost: x"),
            ("secret = 'a b' and more", "secret = '***' and more"),
        ] {
            assert_eq!(scrubbed(text), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in
            ["tokens=3", "the token expired", "a: b=c", "key=value", "bearer of news", "token="]
        {
            assert_eq!(scrubbed(text), text);
        }
    }

    #[test]
    fn known_values_are_masked_wherever_they_stand() {
        keep_values(["s3cret-value".to_owned(), "s3cret-value-long".to_owned(), "ab".to_owned()]);
        let mut text = "with s3cret-value-long and s3cret-value, ab".to_owned();
        without_values(&mut text);
        keep_values([]);
        assert_eq!(text, "with *** and ***, ab");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble_and_no_value_stays(before in "\\PC{0,20}", after in "[ ,&]\\PC{0,20}") {
            let text = format!("{before} token=0SECRET0{after}");
            prop_assert!(!scrubbed(&text).contains("0SECRET0"), "{text}");
        }

        #[test]
        fn texts_of_any_kind_are_read_to_their_end(text in r#"(token|"|'|\\|=|:| |Bearer |x|\u{e9}){0,20}"#) {
            drop(scrubbed(&text).into_owned());
        }
    }
}
