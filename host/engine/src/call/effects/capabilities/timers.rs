//! Timers, set and cancelled.

use super::Wish;
use crate::{
    call::effects::{Reader, words::named},
    guest::bindings::handling::types as wit,
};
use std::time::Duration;
use tengen_core::capability::{
    Effect, Kind,
    timers::{CancelTimer, SetTimer},
};
use tengen_wire::{fault::Fault, id::Handle};

impl Wish for wit::Timer {
    const KIND: Kind = Kind::SetTimer;

    fn size(&self) -> usize {
        self.key.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Fault> {
        Ok(Effect::SetTimer(SetTimer {
            connection: self.connection.map(Handle),
            key: named(self.key)?,
            after: Duration::from_millis(self.after_ms.into()),
        }))
    }
}

impl Wish for wit::TimerName {
    const KIND: Kind = Kind::CancelTimer;

    fn size(&self) -> usize {
        self.key.len()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Fault> {
        let key = named(self.key)?;
        Ok(Effect::CancelTimer(CancelTimer { connection: self.connection.map(Handle), key }))
    }
}
