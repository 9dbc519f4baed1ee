//! Events for connections.

use super::{Wish, content_size};
use crate::{
    call::effects::{
        Reader, Refusal,
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
    id::{Channel, Handle, UserId},
};

impl Wish for wit::Push {
    const KIND: Kind = Kind::Push;

    fn key(self) -> Option<String> {
        self.key
    }

    fn size(&self) -> usize {
        let key = self.key.as_ref().map_or(0, String::len);
        content_size(&self.content) + target_size(&self.to) + self.id.len() + key
    }

    fn read(self, reader: &mut Reader<'_>, _: u32) -> Result<Effect, Refusal> {
        let Self { to, except, id, content, key } = self;
        let parts = (|| Ok((target(to)?, event_id(&id)?, reader.content(content)?)))();
        match parts {
            Ok((to, id, content)) => {
                Ok(Effect::Push(Push { to, except: except.map(Handle), id, content, key }))
            }
            Err(why) => Err((key, why)),
        }
    }
}

fn target_size(target: &wit::Target) -> usize {
    match target {
        wit::Target::Connection(_) | wit::Target::Endpoint => 0,
        wit::Target::Connections(handles) => handles.len() * 4,
        wit::Target::User(name) | wit::Target::Channel(name) => name.len(),
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
        wit::Target::Endpoint => Target::Endpoint,
    })
}
