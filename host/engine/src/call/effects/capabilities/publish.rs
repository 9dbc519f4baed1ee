//! Publications on channels.

use super::{Wish, content_size};
use crate::{
    call::effects::{
        Reader,
        words::{event_id, named},
    },
    guest::bindings::handling::types as wit,
};
use tengen_core::capability::{Effect, Kind, publish::Publish};
use tengen_wire::{
    fault::Fault,
    id::{Channel, Handle},
};

impl Wish for wit::Publish {
    const KIND: Kind = Kind::Publish;

    fn size(&self) -> usize {
        content_size(&self.content) + self.channel.len() + self.id.len()
    }

    fn read(self, reader: &mut Reader<'_>, _: u32) -> Result<Effect, Fault> {
        let Self { channel, id, content, exclude, keep } = self;
        Ok(Effect::Publish(Publish {
            channel: Channel::new(named(channel)?),
            id: event_id(&id)?,
            content: reader.content(content)?,
            except: exclude.map(Handle),
            keep,
        }))
    }
}
