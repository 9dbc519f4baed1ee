//! Ends of connections.

use super::Wish;
use crate::{
    call::effects::{Reader, words::not_to_be_closed_with},
    guest::bindings::handling::types as wit,
};
use tengen_core::capability::{
    Effect, Kind,
    close::{Close, Closing},
};
use tengen_wire::{
    close::{REASON_MAX, plugin_may_close_with},
    fault::{Fault, FaultId},
    id::Handle,
};

impl Wish for wit::Close {
    const KIND: Kind = Kind::Close;

    fn size(&self) -> usize {
        self.reason.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Fault> {
        let Self { connection, code, mut reason } = self;
        if !plugin_may_close_with(code) {
            return Err(Fault::new(FaultId::NotAllowed, not_to_be_closed_with(code)));
        }
        let end = (0..=REASON_MAX.min(reason.len()))
            .rev()
            .find(|end| reason.is_char_boundary(*end))
            .unwrap_or(0);
        reason.truncate(end);
        Ok(Effect::Close(Close { connection: Handle(connection), code, reason }))
    }
}

pub(super) fn closed(closing: &Closing) -> wit::Closing<'_> {
    wit::Closing { code: closing.code, reason: &closing.reason, clean: closing.clean, more: &[] }
}
