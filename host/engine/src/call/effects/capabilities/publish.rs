//! Publications on channels.

use super::{Wish, content_size};
use crate::{
    call::effects::{
        Reader, Refusal,
        words::{event_id, named},
    },
    guest::bindings::handling::types as wit,
};
use tengen_core::capability::{Effect, Kind, publish::Publish};
use tengen_wire::id::{Channel, Handle};

impl Wish for wit::Publish {
    const KIND: Kind = Kind::Publish;

    fn key(self) -> Option<String> {
        self.key
    }

    fn size(&self) -> usize {
        let key = self.key.as_ref().map_or(0, String::len);
        content_size(&self.content) + self.channel.len() + self.id.len() + key
    }

    fn read(self, reader: &mut Reader<'_>, _: u32) -> Result<Effect, Refusal> {
        let Self { channel, id, content, except, keep, key } = self;
        let parts = (|| Ok((named(channel)?, event_id(&id)?, reader.content(content)?)))();
        match parts {
            Ok((channel, id, content)) => Ok(Effect::Publish(Publish {
                channel: Channel::new(channel),
                id,
                content,
                except: except.map(Handle),
                keep,
                key,
            })),
            Err(why) => Err((key, why)),
        }
    }
}
