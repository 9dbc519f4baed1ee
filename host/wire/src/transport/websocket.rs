//! Frames of RFC 6455, as a server writes them.

use super::{Framed, Framing, Profile};
use crate::{
    close::Reason,
    format::Encoding,
    frame::Frame,
    websocket::{Opcode, close_payload, framed},
};
use bytes::Bytes;

pub(crate) struct WebSocket;

impl Framing for WebSocket {
    const PROFILE: Profile = Profile {
        word: "websocket",
        protocol: "websocket",
        answers: true,
        binary: true,
        greets: false,
        polls: false,
    };

    fn frame(frame: Frame) -> Framed {
        framed(if frame.text { Opcode::Text } else { Opcode::Binary }, frame.body)
    }

    fn ping() -> Framed {
        framed(Opcode::Ping, Bytes::new())
    }

    fn goodbye(_: Encoding, reason: &Reason) -> Framed {
        let told = match reason {
            // Its own code comes back (RFC 6455 section 5.5.1).
            Reason::Peer(code) => close_payload(*code, ""),
            reason => close_payload(reason.code(), reason.word()),
        };
        framed(Opcode::Close, told.into())
    }
}
