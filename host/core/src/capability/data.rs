//! What plugins keep with connections: attributes by name, and tags.

use super::Wanted;
use tengen_wire::{
    fault::FaultId,
    id::{Handle, Tag},
};

/// Changes what the plugin keeps with a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SetData {
    pub connection: Handle,
    pub change: Change,
}

/// A change of what one plugin keeps with one connection. What is taken away goes first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Change {
    /// Attributes to put, by their names. Of those of one name, the last one counts.
    pub set: Vec<(String, String)>,
    /// Names of attributes to take away.
    pub unset: Vec<String>,
    /// Tags to give.
    pub tag: Vec<Tag>,
    /// Tags to take away.
    pub untag: Vec<Tag>,
}

impl Change {
    /// How much there is to look at.
    pub fn len(&self) -> usize {
        self.set.len() + self.unset.len() + self.tag.len() + self.untag.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Wanted for SetData {
    const REMEDIES: &'static [(FaultId, &'static str)] = &[(
        FaultId::LimitReached,
        "Have the plugin keep less with one connection: these bounds are fixed, and what needs more room goes into the key-value store",
    )];
}
