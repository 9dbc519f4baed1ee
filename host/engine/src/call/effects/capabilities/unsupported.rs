//! Kinds of later versions of the interface: refused by whoever carries effects out, and counted.

use super::Wish;
use crate::{call::effects::Reader, text::plain};
use tengen_core::capability::{Effect, Kind, unsupported::Other};
use tengen_wire::{fault::Fault, id::NAME_MAX};

/// A kind of a later version, by its name.
impl Wish for (String, Vec<u8>) {
    const KIND: Kind = Kind::Other;

    fn size(&self) -> usize {
        self.0.len() + self.1.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Fault> {
        Ok(Effect::Other(Other { name: plain(&self.0, NAME_MAX) }))
    }
}
