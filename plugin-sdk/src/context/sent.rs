//! Further wishes about an effect.

use crate::{Action, Effect, Handle, effects::Expected};
use std::time::Duration;

/// An effect that has just been asked for, to be refined. What a kind of effect does not have is left.
#[derive(Debug)]
pub struct Sent<'a> {
    pub(super) effect: Option<&'a mut Effect>,
}

impl Sent<'_> {
    /// Leaves this connection out: of a push, or a publication.
    pub fn except(mut self, connection: Handle) -> Self {
        match self.effect.as_deref_mut().map(|effect| &mut effect.what) {
            Some(Action::Push(push)) => push.exclude = Some(connection),
            Some(Action::Publish(publish)) => publish.exclude = Some(connection),
            _ => {}
        }
        self
    }

    /// Names the effect, to be told in [`Handler::refused`](crate::Handler::refused) when it was not carried out.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        if let Some(effect) = self.effect.as_deref_mut() {
            effect.key = Some(key.into());
        }
        self
    }

    /// How long a question waits for its answer: 10 ms to ten minutes, less and more count as these.
    pub fn timeout(mut self, after: Duration) -> Self {
        if let Some(Action::Ask(ask)) = self.effect.as_deref_mut().map(|effect| &mut effect.what) {
            ask.timeout_ms = Some(u32::try_from(after.as_millis()).unwrap_or(u32::MAX));
        }
        self
    }

    /// Puts a value, or takes one away, only where nothing stands: otherwise it is refused with `conflict`.
    pub fn if_absent(self) -> Self {
        self.compare(Expected::Absent)
    }

    /// Puts a value, or takes one away, only where the entry of this version stands: otherwise it is refused with `conflict`.
    pub fn if_version(self, version: impl Into<String>) -> Self {
        self.compare(Expected::Version(version.into()))
    }

    fn compare(mut self, expected: Expected) -> Self {
        if let Some(Action::Put(put)) = self.effect.as_deref_mut().map(|of| &mut of.what) {
            put.compare = Some(expected);
        }
        self
    }

    /// Keeps the publication in the channel's history. No channel has one in this version: the publication is delivered,
    /// and counted as refused; with a key, [`Handler::refused`](crate::Handler::refused) says so.
    pub fn keep(mut self) -> Self {
        if let Some(Action::Publish(publish)) = self.effect.as_deref_mut().map(|of| &mut of.what) {
            publish.keep = true;
        }
        self
    }
}
