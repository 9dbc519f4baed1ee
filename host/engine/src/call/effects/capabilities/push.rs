//! Events for connections.

use super::{Wish, content_size};
use crate::{
    call::effects::{
        Reader,
        words::{event_id, named},
    },
    guest::bindings::handling::types as wit,
};
use tengen_core::capability::{
    Effect, Kind,
    push::{Push, Target},
};
use tengen_wire::{
    fault::Fault,
    id::{Channel, Handle, Tag, UserId},
};

impl Wish for wit::Push {
    const KIND: Kind = Kind::Push;

    fn size(&self) -> usize {
        content_size(&self.content) + target_size(&self.to) + self.id.len()
    }

    fn read(self, reader: &mut Reader<'_>, _: u32) -> Result<Effect, Fault> {
        let Self { to, exclude, id, content } = self;
        Ok(Effect::Push(Push {
            to: target(to)?,
            except: exclude.map(Handle),
            id: event_id(&id)?,
            content: reader.content(content)?,
        }))
    }
}

fn target_size(target: &wit::Target) -> usize {
    match target {
        wit::Target::Connection(_) => 0,
        wit::Target::Endpoint(path) => path.len(),
        wit::Target::Connections(handles) => handles.len() * 4,
        wit::Target::User(name) | wit::Target::Channel(name) | wit::Target::Tagged(name) => {
            name.len()
        }
        // Each of them is looked up, however short its name is.
        wit::Target::Users(users) => {
            users.iter().map(|user| user.len() + size_of::<String>()).sum()
        }
    }
}

fn target(target: wit::Target) -> Result<Target, Fault> {
    Ok(match target {
        wit::Target::Connection(handle) => Target::Connection(Handle(handle)),
        wit::Target::Connections(handles) => {
            Target::Connections(handles.into_iter().map(Handle).collect())
        }
        wit::Target::User(user) => Target::User(UserId::new(named(user)?)),
        wit::Target::Users(users) => Target::Users(
            users.into_iter().map(|user| named(user).map(UserId::new)).collect::<Result<_, _>>()?,
        ),
        wit::Target::Channel(channel) => Target::Channel(Channel::new(named(channel)?)),
        wit::Target::Endpoint(path) => Target::Endpoint(path),
        wit::Target::Tagged(tag) => Target::Tagged(Tag::new(named(tag)?)),
    })
}
