//! Connections that come into channels, and go.

use super::Wish;
use crate::{
    call::effects::{Reader, words::named},
    guest::bindings::handling::types as wit,
};
use tengen_core::capability::{
    Effect, Kind,
    subscription::{Subscribe, Unsubscribe},
};
use tengen_wire::{
    fault::Fault,
    id::{Channel, Handle},
};

pub(super) struct Begin(pub(super) wit::Membership);

pub(super) struct End(pub(super) wit::Membership);

impl Wish for Begin {
    const KIND: Kind = Kind::Subscribe;

    fn size(&self) -> usize {
        self.0.channel.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Fault> {
        let wit::Membership { connection, channel } = self.0;
        Ok(Effect::Subscribe(Subscribe { connection: Handle(connection), channel: read(channel)? }))
    }
}

impl Wish for End {
    const KIND: Kind = Kind::Unsubscribe;

    fn size(&self) -> usize {
        self.0.channel.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Fault> {
        let wit::Membership { connection, channel } = self.0;
        Ok(Effect::Unsubscribe(Unsubscribe {
            connection: Handle(connection),
            channel: read(channel)?,
        }))
    }
}

fn read(text: String) -> Result<Channel, Fault> {
    named(text).map(Channel::new)
}
