//! WebSocket frames as the load sees them: few kinds, no fragments, nothing allocated for reading.

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opcode {
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// One whole frame at the front of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) opcode: Opcode,
    /// Where the payload begins.
    pub(crate) header: usize,
    /// Where the next frame begins.
    pub(crate) end: usize,
}

/// Appends a client's frame. Its mask is zero: the server unmasks all the same, and the load need not mask.
pub(crate) fn append(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8]) {
    let length = payload.len();
    out.push(0x80 | number(opcode));
    if let Some(short) = u8::try_from(length).ok().filter(|short| *short < 126) {
        out.push(0x80 | short);
    } else if let Ok(medium) = u16::try_from(length) {
        out.push(0x80 | 126);
        out.extend_from_slice(&medium.to_be_bytes());
    } else {
        out.push(0x80 | 127);
        out.extend_from_slice(&(length as u64).to_be_bytes());
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

/// A server's frame (unmasked, not fragmented) at the front; none while it is not whole.
pub(crate) fn first(bytes: &[u8]) -> anyhow::Result<Option<Frame>> {
    let Some((&[kind, length], rest)) = bytes.split_first_chunk() else { return Ok(None) };
    let opcode = match kind {
        0x81 => Opcode::Text,
        0x82 => Opcode::Binary,
        0x88 => Opcode::Close,
        0x89 => Opcode::Ping,
        0x8a => Opcode::Pong,
        _ => anyhow::bail!(
            "a frame begins with {kind:#x}: fragments and extensions are not expected"
        ),
    };
    let (header, length) = match length {
        0..126 => (2, usize::from(length)),
        126 => match rest.first_chunk() {
            Some(medium) => (4, usize::from(u16::from_be_bytes(*medium))),
            None => return Ok(None),
        },
        127 => match rest.first_chunk() {
            Some(long) => (10, usize::try_from(u64::from_be_bytes(*long))?),
            None => return Ok(None),
        },
        _ => anyhow::bail!("a server's frame is masked"),
    };
    let end = header + length;
    Ok((bytes.len() >= end).then_some(Frame { opcode, header, end }))
}

fn number(opcode: Opcode) -> u8 {
    match opcode {
        Opcode::Text => 1,
        Opcode::Binary => 2,
        Opcode::Close => 8,
        Opcode::Ping => 9,
        Opcode::Pong => 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same frame as a server sends it: without the mask bit and the mask.
    fn unmasked(payload: &[u8]) -> Vec<u8> {
        let mut sent = Vec::new();
        append(&mut sent, Opcode::Text, payload);
        sent[1] &= 0x7f;
        let mask = sent.len() - payload.len() - 4;
        sent.drain(mask..mask + 4);
        sent
    }

    #[track_caller]
    fn check(length: usize, header: usize) {
        let payload = vec![b'x'; length];
        let mut bytes = unmasked(&payload);
        let expected = Frame { opcode: Opcode::Text, header, end: header + length };
        assert_eq!(first(&bytes).unwrap(), Some(expected));
        bytes.pop();
        assert_eq!(first(&bytes).unwrap(), None, "one byte is missing");
    }

    #[test]
    fn a_frame_is_read_at_every_width_of_its_length() {
        check(0, 2);
        check(125, 2);
        check(126, 4);
        check(65_535, 4);
        check(65_536, 10);
    }

    #[test]
    fn what_no_server_sends_is_refused() {
        assert!(first(&[0x01, 1, b'x']).is_err(), "a fragment");
        assert!(first(&[0x81, 0x81, 0, 0, 0, 0, b'x']).is_err(), "a mask");
    }
}
