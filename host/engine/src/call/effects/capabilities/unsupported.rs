//! What the interface has and this version of the gateway does not carry out: it is refused there, and counted.

use super::Wish;
use crate::{
    call::effects::{Reader, Refusal},
    guest::bindings::handling::types as wit,
    text::plain,
};
use tengen_core::capability::{
    Effect, Kind,
    unsupported::{Ask, Fetch, Other, Put},
};
use tengen_wire::id::NAME_MAX;

impl Wish for wit::Ask {
    const KIND: Kind = Kind::Ask;

    fn key(self) -> Option<String> {
        Some(self.key)
    }

    fn size(&self) -> usize {
        super::content_size(&self.content) + self.id.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Refusal> {
        Ok(Effect::Ask(Ask { key: self.key }))
    }
}

impl Wish for wit::Put {
    const KIND: Kind = Kind::Put;

    fn key(self) -> Option<String> {
        Some(self.key)
    }

    fn size(&self) -> usize {
        self.value.as_ref().map_or(0, Vec::len) + self.key.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Refusal> {
        Ok(Effect::Put(Put { key: self.key }))
    }
}

impl Wish for wit::Request {
    const KIND: Kind = Kind::Fetch;

    fn key(self) -> Option<String> {
        Some(self.key)
    }

    fn size(&self) -> usize {
        self.body.len() + self.url.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Refusal> {
        Ok(Effect::Fetch(Fetch { key: self.key }))
    }
}

/// A kind of a later version, by its name.
impl Wish for (String, Vec<u8>) {
    const KIND: Kind = Kind::Other;

    fn key(self) -> Option<String> {
        None
    }

    fn size(&self) -> usize {
        self.0.len() + self.1.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Refusal> {
        Ok(Effect::Other(Other { name: plain(&self.0, NAME_MAX) }))
    }
}
