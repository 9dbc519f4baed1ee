//! The dialect of Sente's clients, 1.17 to 1.22, which connect unmodified.

use super::{
    Callback, Profile, Pulse, Subprotocol,
    envelope::{Envelope, fault, pushed_error},
};
use crate::{
    fault::Fault,
    format::{
        Encoding, Format,
        writer::{Writer, framed},
    },
    frame::Frame,
};
use std::time::Duration;

pub(super) struct Sente;

impl Envelope for Sente {
    const PROFILE: Profile = Profile {
        word: "sente",
        // No client of Sente's speaks JSON as it comes; its frames would be these.
        formats: &[Encoding::Edn, Encoding::Transit, Encoding::Json],
        offered: &[Encoding::Edn, Encoding::Transit],
        subprotocol: Subprotocol::Any,
        greets: true,
        tells: true,
        pings: true,
        polls: true,
        // Its own server pings after half of `ws-kalive-ms`, and waits for `ws-ping-timeout-ms`, since 1.21.
        pulse: Some(Pulse {
            idle: Duration::from_millis(12_500),
            silence: Duration::ZERO,
            both_ways: true,
        }),
        client_id: Some(
            "a Sente client names itself by the query parameter `client-id` (1 to 128 bytes)",
        ),
        silence: Some(
            "a Sente connection ended without having said anything: has its packer the endpoint's `format`? EDN is the default (`:packer :edn`); others cannot read these frames",
        ),
    };
    const HAS_META: bool = false;
    const HAS_SIGNS: bool = true;
    const CALLBACKS: &'static [&'static [u8]] = &[b"0", b":ajax"];
    const ANSWERS_ALL_PINGS: bool = false;

    fn nobody<F: Format>(frame: &mut Writer<'_, F>) {
        frame.name("sente/nil-uid");
    }

    /// A callback gets the one value that Sente's clients take for a failure, which says nothing: the error is pushed as
    /// well, and goes first.
    fn failed<F: Format>(why: &Fault, event: Option<&str>, callback: &Callback) -> Vec<Frame> {
        let pushed = pushed_error::<F>(|map| fault(map, why, event, Some(callback)));
        let answer = framed::<F>(|frame| {
            frame.vector(2, |frame| {
                frame.name("chsk/error");
                frame.value(&callback.0);
            });
        });
        vec![pushed, answer]
    }
}
