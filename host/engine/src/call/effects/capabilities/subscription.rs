//! Connections that come into channels, and go.

use super::Wish;
use crate::{
    call::effects::{
        Reader, Refusal,
        words::{named, unkeyed},
    },
    guest::bindings::handling::types as wit,
};
use tengen_core::capability::{
    Effect, Kind,
    subscription::{Subscribe, Unsubscribe},
};
use tengen_wire::id::{Channel, Handle};

pub(super) struct Begin(pub(super) wit::Membership);

pub(super) struct End(pub(super) wit::Membership);

impl Wish for Begin {
    const KIND: Kind = Kind::Subscribe;

    fn key(self) -> Option<String> {
        Some(self.0.channel)
    }

    fn size(&self) -> usize {
        self.0.channel.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Refusal> {
        let wit::Membership { connection, channel } = self.0;
        Ok(Effect::Subscribe(Subscribe { connection: Handle(connection), channel: read(channel)? }))
    }
}

impl Wish for End {
    const KIND: Kind = Kind::Unsubscribe;

    fn key(self) -> Option<String> {
        Some(self.0.channel)
    }

    fn size(&self) -> usize {
        self.0.channel.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Refusal> {
        let wit::Membership { connection, channel } = self.0;
        Ok(Effect::Unsubscribe(Unsubscribe {
            connection: Handle(connection),
            channel: read(channel)?,
        }))
    }
}

/// The channel of a subscription, whose name is its key as well.
fn read(text: String) -> Result<Channel, Refusal> {
    named(text).map(Channel::new).map_err(unkeyed)
}
