//! Publications on channels, and who hears of channels that come and go.

use super::{Content, Wanted, content::UNFIT};
use tengen_wire::{
    fault::FaultId,
    id::{Channel, EventId, Handle},
};

/// Sends to all subscribers of a channel, and numbers it there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Publish {
    pub channel: Channel,
    pub id: EventId,
    pub content: Content,
    /// Who is left out.
    pub except: Option<Handle>,
    /// Its channel's history is to have it.
    pub keep: bool,
}

impl Wanted for Publish {
    const REMEDIES: &'static [(FaultId, &'static str)] = UNFIT;

    fn content(&self) -> Option<&Content> {
        Some(&self.content)
    }

    fn content_mut(&mut self) -> Option<&mut Content> {
        Some(&mut self.content)
    }
}

/// Of publications that were delivered and not kept.
pub(super) const REMEDIES: &[(FaultId, &str)] = &[];
