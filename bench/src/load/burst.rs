//! Messages that are sent in one write, and the frames that must come back.

use super::{
    Dialect,
    frame::{self, Opcode},
};

/// Requests, encoded once for all connections.
#[derive(Debug)]
pub(crate) struct Burst {
    /// All frames, one behind the other.
    pub(crate) bytes: Vec<u8>,
    /// The payload of each answer, in order.
    pub(crate) answers: Vec<Vec<u8>>,
    /// What the connections speak that send it.
    pub(crate) dialect: Dialect,
}

impl Burst {
    /// `depth` messages with `size` bytes of data each, answered with that data.
    pub(crate) fn of(dialect: Dialect, size: usize, depth: usize) -> Self {
        match dialect {
            Dialect::Tengen | Dialect::Edn => Self::echo(size, depth),
            Dialect::Raw => Self::raw(size, depth),
        }
    }

    /// One message with this data, answered with it.
    pub(crate) fn one(dialect: Dialect, data: &str) -> Self {
        let (request, answer) = match dialect {
            Dialect::Tengen => {
                (format!(r#"[["bench/echo",{data}],"000000"]"#), format!(r#"[{data},"000000"]"#))
            }
            Dialect::Edn => {
                (format!(r#"[[:bench/echo {data}] "000000"]"#), format!(r#"[{data} "000000"]"#))
            }
            Dialect::Raw => (data.to_owned(), data.to_owned()),
        };
        let mut bytes = Vec::new();
        frame::append(&mut bytes, Opcode::Text, request.as_bytes());
        Self { bytes, answers: vec![answer.into_bytes()], dialect }
    }

    /// One message of this event, in our own dialect, with what it is answered.
    pub(crate) fn asking(event: &str, data: &str, answer: &str) -> Self {
        let mut bytes = Vec::new();
        let request = format!(r#"[["{event}",{data}],"000000"]"#);
        frame::append(&mut bytes, Opcode::Text, request.as_bytes());
        let answers = vec![format!(r#"[{answer},"000000"]"#).into_bytes()];
        Self { bytes, answers, dialect: Dialect::Tengen }
    }

    /// The same bytes as [`Burst::one`] sends, for a server that sends back whatever comes.
    pub(crate) fn framed(dialect: Dialect, data: &str) -> Self {
        let Self { bytes, .. } = Self::one(dialect, data);
        let answer = match dialect {
            Dialect::Tengen => format!(r#"[["bench/echo",{data}],"000000"]"#),
            Dialect::Edn => format!(r#"[[:bench/echo {data}] "000000"]"#),
            Dialect::Raw => data.to_owned(),
        };
        Self { bytes, answers: vec![answer.into_bytes()], dialect: Dialect::Raw }
    }

    /// `depth` frames of `size` bytes that come back as they are.
    fn raw(size: usize, depth: usize) -> Self {
        let (mut bytes, mut answers) = (Vec::new(), Vec::new());
        for number in 0..depth {
            let text = raw_text(size, &format!("{number:06}"));
            frame::append(&mut bytes, Opcode::Text, text.as_bytes());
            answers.push(text.into_bytes());
        }
        Self { bytes, answers, dialect: Dialect::Raw }
    }

    /// As [`Burst::of`], in our own dialect.
    pub(crate) fn echo(size: usize, depth: usize) -> Self {
        let data = text_of(size);
        let mut bytes = Vec::new();
        let mut answers = Vec::new();
        for number in 0..depth {
            let request = format!(r#"[["bench/echo",{data}],"{number:06}"]"#);
            frame::append(&mut bytes, Opcode::Text, request.as_bytes());
            answers.push(format!(r#"[{data},"{number:06}"]"#).into_bytes());
        }
        Self { bytes, answers, dialect: Dialect::Tengen }
    }
}

/// A JSON string of `size` bytes, its quotes included.
pub(crate) fn text_of(size: usize) -> String {
    format!("\"{}\"", "x".repeat(size.saturating_sub(2)))
}

/// A text of `size` bytes that ends with a number.
pub(crate) fn raw_text(size: usize, number: &str) -> String {
    format!("{}{number}", "x".repeat(size.saturating_sub(number.len())))
}

/// One client frame with this text.
pub(crate) fn frame_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::append(&mut bytes, Opcode::Text, text.as_bytes());
    bytes
}

/// A client's goodbye.
pub(crate) fn close_frame(code: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::append(&mut bytes, Opcode::Close, &code.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_carries_as_many_bytes_as_asked_for() {
        let burst = Burst::echo(64, 2);
        assert_eq!(burst.answers.len(), 2);
        assert_eq!(burst.answers[1].len(), 64 + r#"[,"000001"]"#.len());
        let frame = 6 + 64 + r#"[["bench/echo",],"000000"]"#.len();
        assert_eq!(burst.bytes.len(), 2 * frame);
    }

    #[test]
    fn a_raw_frame_is_its_own_answer() {
        let burst = Burst::of(Dialect::Raw, 64, 2);
        assert_eq!(burst.answers[1].len(), 64);
        assert!(burst.answers[1].ends_with(b"x000001"));
        assert!(burst.bytes.ends_with(&burst.answers[1]));
    }
}
