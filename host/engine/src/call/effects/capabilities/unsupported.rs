//! What the interface has and this version of the gateway does not carry out: it is refused there, and counted.

use super::Wish;
use crate::{
    call::effects::{Reader, Refusal},
    guest::bindings::handling::types as wit,
    text::plain,
};
use tengen_core::effect::{Effect, Kind};
use tengen_wire::id::NAME_MAX;

impl Wish for wit::Ask {
    fn key(self) -> Option<String> {
        Some(self.key)
    }

    fn size(&self) -> usize {
        super::content_size(&self.content) + self.id.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Refusal> {
        Ok(unsupported(Kind::Ask, self.key))
    }
}

impl Wish for wit::Put {
    fn key(self) -> Option<String> {
        Some(self.key)
    }

    fn size(&self) -> usize {
        self.value.as_ref().map_or(0, Vec::len) + self.key.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Refusal> {
        Ok(unsupported(Kind::Put, self.key))
    }
}

impl Wish for wit::Request {
    fn key(self) -> Option<String> {
        Some(self.key)
    }

    fn size(&self) -> usize {
        self.body.len() + self.url.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Refusal> {
        Ok(unsupported(Kind::Fetch, self.key))
    }
}

/// A kind of a later version, by its name.
impl Wish for (String, Vec<u8>) {
    fn key(self) -> Option<String> {
        None
    }

    fn size(&self) -> usize {
        self.0.len() + self.1.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Refusal> {
        let (kind, name) = (Kind::Other, plain(&self.0, NAME_MAX));
        Ok(Effect::Unsupported { kind, name, key: None })
    }
}

fn unsupported(kind: Kind, key: String) -> Effect {
    Effect::Unsupported { kind, name: kind.word().to_owned(), key: Some(key) }
}
