//! What a request for a file says of what its sender has already, and which part it wants (RFC 9110 sections 13 and 14).

use http::{HeaderMap, HeaderValue, header};
use std::{fs::Metadata, time::UNIX_EPOCH};

/// Changes when the file does: its length and the time of its last change.
#[derive(Debug)]
pub(super) struct Tag(pub(super) HeaderValue);

impl Tag {
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let text = format!("\"{:x}-{:x}\"", metadata.len(), changed.as_nanos());
        HeaderValue::from_str(&text).ok().map(Self)
    }
}

/// Which part of a file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Range {
        first: u64,
        count: u64,
    },
    /// One that the file does not have.
    Nothing,
}

/// `If-None-Match`: whether the sender has what the file is now. `*` is whatever there is.
pub(super) fn is_known(headers: &HeaderMap, tag: Option<&Tag>) -> bool {
    let lines = headers.get_all(header::IF_NONE_MATCH).into_iter();
    let mut lines = lines.map(|line| line.as_bytes().trim_ascii());
    lines.any(|line| {
        line == b"*" || tag.is_some_and(|tag| lists(line, tag.0.as_bytes(), Compared::Weakly))
    })
}

/// `If-Match`: whether the sender means what the file is now; whoever says nothing of it does. The comparison is strong, and
/// `*` is whatever there is.
pub(super) fn is_meant(headers: &HeaderMap, tag: Option<&Tag>) -> bool {
    let lines = headers.get_all(header::IF_MATCH).into_iter();
    let mut lines = lines.map(|line| line.as_bytes().trim_ascii()).peekable();
    let has =
        |line: &[u8]| tag.is_some_and(|tag| lists(line, tag.0.as_bytes(), Compared::Strongly));
    lines.peek().is_none() || lines.any(|line| line == b"*" || has(line))
}

/// RFC 9110 section 8.8.3.2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compared {
    /// What has `W/` in front equals nothing.
    Strongly,
    /// `W/` in front makes no difference.
    Weakly,
}

/// Whether a list of tags has this one, which is strong.
fn lists(mut list: &[u8], tag: &[u8], compared: Compared) -> bool {
    loop {
        let separator = |byte: &u8| matches!(byte, b',' | b' ' | b'\t');
        let skipped = list.iter().take_while(|byte| separator(byte)).count();
        list = list.get(skipped..).unwrap_or_default();
        let strong = list.strip_prefix(b"W/");
        let is_weak = strong.is_some();
        list = strong.unwrap_or(list);
        let Some(inside) = list.strip_prefix(b"\"") else { return false };
        let Some(end) = inside.iter().position(|byte| *byte == b'"') else { return false };
        // Both quotes belong to the tag.
        let (found, rest) = list.split_at_checked(end + 2).unwrap_or((list, &[]));
        if found == tag && !(is_weak && compared == Compared::Strongly) {
            return true;
        }
        list = rest;
    }
}

/// `Range` and `If-Range`. One range is served. Several are answered with the whole, as is what cannot be read.
pub(super) fn part(headers: &HeaderMap, tag: Option<&Tag>, length: u64) -> Part {
    // Who has a part of another version gets the whole of this one. A date cannot tell two changes in a second apart.
    let condition = headers.get(header::IF_RANGE);
    if condition.is_some_and(|condition| tag.is_none_or(|tag| tag.0 != condition)) {
        return Part::Whole;
    }
    let mut ranges = headers.get_all(header::RANGE).into_iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Part::Whole };
    let range = range.to_str().ok().and_then(|range| range.split_once('='));
    let Some((unit, range)) = range else { return Part::Whole };
    let bounds = range.trim().split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes"));
    let Some((first, last)) = bounds else { return Part::Whole };
    let (Some(first), Some(last)) = (number(first), number(last)) else { return Part::Whole };
    match (first, last) {
        (None, None) => Part::Whole,
        (Some(first), Some(last)) if first > last => Part::Whole,
        (Some(first), _) if first >= length => Part::Nothing,
        (Some(first), last) => {
            let end = last.map_or(length, |last| last.saturating_add(1).min(length));
            Part::Range { first, count: end - first }
        }
        (None, Some(0)) => Part::Nothing,
        (None, Some(_)) if length == 0 => Part::Nothing,
        (None, Some(last)) => {
            let count = last.min(length);
            Part::Range { first: length - count, count }
        }
    }
}

/// A number, or none where nothing stands; the outer none: something else stands there.
fn number(text: &str) -> Option<Option<u64>> {
    match text {
        "" => Some(None),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(Some(digits.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(header::HeaderName, &'static str)]) -> HeaderMap {
        lines.iter().fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, HeaderValue::from_static(value));
            all
        })
    }

    fn tag() -> Tag {
        Tag(HeaderValue::from_static("\"5-1f\""))
    }

    #[track_caller]
    fn check_known(lines: &[&'static str], expected: bool) {
        let lines: Vec<_> = lines.iter().map(|line| (header::IF_NONE_MATCH, *line)).collect();
        assert_eq!(is_known(&headers(&lines), Some(&tag())), expected, "{lines:?}");
    }

    #[test]
    fn a_tag_is_found_in_a_list_and_a_star_is_every_tag() {
        check_known(&["\"5-1f\""], true);
        check_known(&["W/\"5-1f\""], true);
        check_known(&["\"a\", W/\"b,c\" ,\"5-1f\""], true);
        check_known(&["\"a\"", "\"5-1f\""], true);
        check_known(&["*"], true);
        check_known(&[" * "], true);
        check_known(&[], false);
        check_known(&["\"a\", \"b\""], false);
        check_known(&["5-1f"], false);
        check_known(&["\"x,\"5-1f\""], false);
        check_known(&["\"a,\"5-1f\",\""], false);
        check_known(&["\"5-1f"], false);
        assert!(is_known(&headers(&[(header::IF_NONE_MATCH, "*")]), None));
    }

    #[test]
    fn who_means_another_version_is_not_given_this_one() {
        let meant = |lines: &[&'static str]| {
            let lines: Vec<_> = lines.iter().map(|line| (header::IF_MATCH, *line)).collect();
            is_meant(&headers(&lines), Some(&tag()))
        };
        assert!(meant(&[]) && meant(&["*"]) && meant(&["\"a\", \"5-1f\""]));
        assert!(meant(&["\"a\"", "\"5-1f\""]));
        assert!(!meant(&["\"a\""]) && !meant(&["W/\"5-1f\""]) && !meant(&[""]));
        assert!(!is_meant(&headers(&[(header::IF_MATCH, "\"5-1f\"")]), None));
    }

    #[track_caller]
    fn check_part(range: &'static str, length: u64, expected: Part) {
        let found = part(&headers(&[(header::RANGE, range)]), Some(&tag()), length);
        assert_eq!(found, expected, "{range} of {length}");
    }

    #[test]
    fn a_range_is_of_the_file_as_it_is() {
        let range = |first, count| Part::Range { first, count };
        check_part("bytes=0-0", 10, range(0, 1));
        check_part("bytes=2-5", 10, range(2, 4));
        check_part("Bytes = 2-", 10, range(2, 8));
        check_part("bytes=2-99", 10, range(2, 8));
        check_part("bytes=2-99999999999999999999999", 10, range(2, 8));
        check_part("bytes=-3", 10, range(7, 3));
        check_part("bytes=-30", 10, range(0, 10));
        check_part("bytes=10-", 10, Part::Nothing);
        check_part("bytes=0-", 0, Part::Nothing);
        check_part("bytes=-1", 0, Part::Nothing);
        check_part("bytes=-0", 10, Part::Nothing);
    }

    #[test]
    fn what_is_no_single_range_is_answered_with_the_whole() {
        for range in [
            "bytes=5-2",
            "bytes=-",
            "bytes=0-1,4-5",
            "bytes=a-b",
            "bytes=+1-2",
            "lines=0-1",
            "bytes",
            "",
            "bytes=1",
        ] {
            check_part(range, 10, Part::Whole);
        }
        let twice = headers(&[(header::RANGE, "bytes=0-1"), (header::RANGE, "bytes=2-3")]);
        assert_eq!(part(&twice, Some(&tag()), 10), Part::Whole);
    }

    #[test]
    fn a_part_of_another_version_is_not_gone_on_with() {
        let of = |condition| {
            let lines = [(header::RANGE, "bytes=2-"), (header::IF_RANGE, condition)];
            part(&headers(&lines), Some(&tag()), 10)
        };
        assert_eq!(of("\"5-1f\""), Part::Range { first: 2, count: 8 });
        for other in ["\"6-1f\"", "W/\"5-1f\"", "Thu, 26 Nov 2026 00:00:00 GMT"] {
            assert_eq!(of(other), Part::Whole, "{other}");
        }
    }
}
