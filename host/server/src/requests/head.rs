//! Where the head of a request ends, and whether it may be read at all: its size, its lines, and how they end.
//!
//! hyper reads what is in a head. This stands in front of it, because hyper takes a bare line feed for the end of a line
//! where a proxy in front of us may see one line, and because it does not say which limit a head was over.

/// How large the head of a request may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Its request line and headers, in bytes.
    pub bytes: usize,
    /// Header lines.
    pub lines: usize,
}

/// Why a head is not read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// More bytes than the limit.
    Bytes(usize),
    /// More header lines than the limit.
    Lines(usize),
    /// A line that ends without a carriage return.
    BareLineFeed,
}

/// What some more bytes came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// The head is not whole yet; all of the bytes belong to it.
    Part,
    /// So many of the bytes belong to the head, which is whole with them.
    Whole(usize),
    Wrong(Wrong),
}

/// The head that is being read. Begins anew when it is whole.
#[derive(Debug, Default)]
pub(super) struct Head {
    bytes: usize,
    /// Lines that have ended, the request line among them.
    lines: usize,
    /// Bytes of the line that has not ended.
    length: usize,
    /// Whether the last byte was a carriage return.
    returned: bool,
}

impl Head {
    pub(super) fn feed(&mut self, bytes: &[u8], limits: Limits) -> Seen {
        for (at, byte) in bytes.iter().enumerate() {
            self.bytes += 1;
            if self.bytes > limits.bytes {
                return Seen::Wrong(Wrong::Bytes(limits.bytes));
            }
            match (byte, std::mem::replace(&mut self.returned, *byte == b'\r')) {
                (b'\n', false) => return Seen::Wrong(Wrong::BareLineFeed),
                // Empty lines in front of a request are passed over (RFC 9112 section 2.2).
                (b'\n', true) if self.length == 0 && self.lines == 0 => {}
                (b'\n', true) if self.length == 0 => {
                    *self = Self::default();
                    return Seen::Whole(at + 1);
                }
                (b'\n', true) => {
                    self.length = 0;
                    self.lines += 1;
                    if self.lines > limits.lines + 1 {
                        return Seen::Wrong(Wrong::Lines(limits.lines));
                    }
                }
                (b'\r', false) => {}
                _ => self.length += 1,
            }
        }
        Seen::Part
    }

    /// Whether any byte of it has come in.
    pub(super) fn has_begun(&self) -> bool {
        self.bytes > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { bytes: 60, lines: 2 };

    /// The same whole, and byte by byte.
    #[track_caller]
    fn check(text: &str, expected: Seen) {
        assert_eq!(Head::default().feed(text.as_bytes(), LIMITS), expected, "{text:?}");
        let mut head = Head::default();
        let mut seen = Seen::Part;
        for (at, byte) in text.as_bytes().iter().enumerate() {
            seen = match head.feed(&[*byte], LIMITS) {
                Seen::Whole(_) => Seen::Whole(at + 1),
                other => other,
            };
            if seen != Seen::Part {
                break;
            }
        }
        assert_eq!(seen, expected, "{text:?} byte by byte");
    }

    #[test]
    fn a_head_ends_with_an_empty_line() {
        check("GET / HTTP/1.1\r\n\r\n", Seen::Whole(18));
        check("GET / HTTP/1.1\r\nA: b\r\n\r\nGET /next", Seen::Whole(24));
        check("\r\n\r\nGET / HTTP/1.1\r\n\r\n", Seen::Whole(22));
        check("GET / HTTP/1.1\r\nA: b\r\n", Seen::Part);
        check("\r\n\r\n", Seen::Part);
        check("", Seen::Part);
    }

    #[test]
    fn a_line_feed_alone_ends_no_line() {
        let bare = Seen::Wrong(Wrong::BareLineFeed);
        check("GET / HTTP/1.1\n\n", bare);
        check("\nGET / HTTP/1.1\r\n\r\n", bare);
        check("GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", bare);
        check("GET / HTTP/1.1\r\nA: b\r\n\n", bare);
        check("GET / HTTP/1.1\r\n\n\r\n", bare);
    }

    #[test]
    fn a_carriage_return_more_makes_a_line_that_is_not_empty() {
        check("GET / HTTP/1.1\r\n\r\r\n\r\n", Seen::Whole(21));
        check("GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", Seen::Whole(26));
    }

    #[test]
    fn the_limits_are_of_one_head_and_each_is_named() {
        check("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\n\r\n", Seen::Whole(30));
        check("GET / HTTP/1.1\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", Seen::Wrong(Wrong::Lines(2)));
        let long = format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(42));
        check(&long, Seen::Whole(60));
        check(&long.replacen('x', "xx", 1), Seen::Wrong(Wrong::Bytes(60)));
        let mut head = Head::default();
        for _ in 0..10 {
            assert_eq!(head.feed(b"GET / HTTP/1.1\r\nA: 1\r\n\r\n", LIMITS), Seen::Whole(24));
            assert!(!head.has_begun());
        }
        assert_eq!((head.feed(b"G", LIMITS), head.has_begun()), (Seen::Part, true));
    }
}
