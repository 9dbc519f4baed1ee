//! Messages that are sent in one write, and the frames that must come back.

use super::frame::{self, Opcode};

/// Requests, encoded once for all connections.
#[derive(Debug)]
pub(crate) struct Burst {
    /// All frames, one behind the other.
    pub(crate) bytes: Vec<u8>,
    /// The payload of each answer, in order.
    pub(crate) answers: Vec<Vec<u8>>,
}

impl Burst {
    /// `depth` requests with `size` bytes of data each, answered with that data.
    pub(crate) fn echo(size: usize, depth: usize) -> Self {
        let data = text_of(size);
        let mut bytes = Vec::new();
        let mut answers = Vec::new();
        for number in 0..depth {
            let request = format!(r#"[["bench/echo",{data}],"{number:06}"]"#);
            frame::append(&mut bytes, Opcode::Text, request.as_bytes());
            answers.push(format!(r#"[{data},"{number:06}"]"#).into_bytes());
        }
        Self { bytes, answers }
    }
}

/// A JSON string of `size` bytes, its quotes included.
pub(crate) fn text_of(size: usize) -> String {
    format!("\"{}\"", "x".repeat(size.saturating_sub(2)))
}

/// One client frame with this text.
pub(crate) fn frame_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::append(&mut bytes, Opcode::Text, text.as_bytes());
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
}
