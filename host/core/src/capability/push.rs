//! Events for connections.

use super::{Content, Wanted, content::UNFIT};
use tengen_wire::{
    fault::FaultId,
    id::{Channel, EventId, Handle, Tag, UserId},
};

/// Who gets a push.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    Connection(Handle),
    Connections(Vec<Handle>),
    User(UserId),
    Users(Vec<UserId>),
    Channel(Channel),
    /// All connections of the endpoint with this path.
    Endpoint(String),
    /// All of its connections to which the plugin has given this tag.
    Tagged(Tag),
}

/// Sends an event to connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Push {
    pub to: Target,
    /// Who is left out.
    pub except: Option<Handle>,
    pub id: EventId,
    pub content: Content,
}

impl Wanted for Push {
    const REMEDIES: &'static [(FaultId, &'static str)] = UNFIT;

    fn content(&self) -> Option<&Content> {
        Some(&self.content)
    }

    fn content_mut(&mut self) -> Option<&mut Content> {
        Some(&mut self.content)
    }
}
