//! Questions to clients, and what came of them.

use super::{Wish, content_size, told};
use crate::{
    call::effects::{
        Reader,
        words::{event_id, named},
    },
    guest::bindings::handling::types as wit,
};
use std::time::Duration;
use tengen_core::capability::{
    Effect, Kind,
    ask::{Answered, Ask},
};
use tengen_wire::{fault::Fault, id::Handle};

impl Wish for wit::Asking {
    const KIND: Kind = Kind::Ask;

    fn size(&self) -> usize {
        content_size(&self.content) + self.name.len() + self.id.len()
    }

    fn read(self, reader: &mut Reader<'_>, _: u32) -> Result<Effect, Fault> {
        let Self { connection, name, id, content, timeout_ms } = self;
        Ok(Effect::Ask(Ask {
            connection: Handle(connection),
            name: named(name)?,
            id: event_id(&id)?,
            content: reader.content(content)?,
            timeout: timeout_ms.map(|ms| Duration::from_millis(ms.into())),
        }))
    }
}

/// `value`: the answer as the guest can be told of it.
pub(in crate::call) fn answered<'a>(
    answered: &'a Answered,
    value: Result<wit::PayloadParam<'a>, &'a Fault>,
) -> wit::Answered<'a> {
    wit::Answered { name: &answered.name, value: value.map_err(told), more: &[] }
}
