//! Where a value ends that is not well formed, by its brackets and quotes alone.

/// How a format writes what may hide a bracket.
struct Marks {
    open: &'static [u8],
    close: &'static [u8],
    /// EDN's characters, such as `\\[`, and its comments.
    edn: bool,
}

const JSON: Marks = Marks { open: b"[{", close: b"]}", edn: false };
const EDN: Marks = Marks { open: b"[{(", close: b"]})", edn: true };

/// The end of the array, object or string that begins at this byte; none when its brackets do not match.
pub(crate) fn end_of_json(text: &str, at: usize) -> Option<usize> {
    end(&JSON, text.as_bytes(), at)
}

/// The end of the collection or string that begins at this byte; none when its brackets do not match.
pub(crate) fn end_of_edn(text: &str, at: usize) -> Option<usize> {
    end(&EDN, text.as_bytes(), at)
}

fn end(marks: &Marks, bytes: &[u8], mut at: usize) -> Option<usize> {
    bytes.get(at).filter(|byte| **byte == b'"' || marks.open.contains(byte))?;
    // What closes each bracket that is open.
    let mut closes = Vec::new();
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        if let Some(place) = marks.open.iter().position(|open| *open == byte) {
            closes.push(*marks.close.get(place)?);
            continue;
        }
        match byte {
            _ if marks.close.contains(&byte) => {
                closes.pop_if(|close| *close == byte)?;
            }
            b'"' => at = end_of_string(bytes, at)?,
            b'\\' if marks.edn => at += 1,
            b';' if marks.edn => {
                let rest = bytes.get(at..)?;
                at += rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
            }
            _ => {}
        }
        if closes.is_empty() {
            return Some(at);
        }
    }
}

/// Behind the closing quote of the string whose first byte is here.
fn end_of_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
