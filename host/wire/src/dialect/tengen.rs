//! Our own dialect, `tengen.v1`: the format is chosen by subprotocol, and a trace's context travels in `meta`.

use super::{
    Callback, Profile, Subprotocol,
    envelope::{Envelope, fault},
};
use crate::{
    fault::Fault,
    format::{
        Encoding, Format,
        writer::{Writer, framed},
    },
    frame::Frame,
};

pub(super) struct Tengen;

const FORMATS: &[Encoding] = &[Encoding::Json, Encoding::Edn, Encoding::Transit, Encoding::Msgpack];

impl Envelope for Tengen {
    const PROFILE: Profile = Profile {
        word: "tengen",
        formats: FORMATS,
        offered: FORMATS,
        subprotocol: Subprotocol::Format("tengen.v1."),
        greets: true,
        tells: true,
        pings: true,
        polls: false,
        pulse: None,
        client_id: None,
        silence: None,
    };
    const HAS_META: bool = true;
    const HAS_SIGNS: bool = false;
    const CALLBACKS: &'static [&'static [u8]] = &[];
    const ANSWERS_ALL_PINGS: bool = true;

    fn nobody<F: Format>(frame: &mut Writer<'_, F>) {
        frame.nil();
    }

    fn failed<F: Format>(why: &Fault, event: Option<&str>, callback: &Callback) -> Vec<Frame> {
        vec![framed::<F>(|frame| {
            frame.vector(2, |frame| {
                frame.map(1, |value| {
                    value.key("tengen/error");
                    fault(value, why, event, None);
                });
                frame.value(&callback.0);
            });
        })]
    }
}
