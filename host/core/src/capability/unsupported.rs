//! What a later version of the interface has: only what it takes to say that this gateway does not carry it out is kept.

use super::Wanted;

/// A kind of a later version, by its name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Other {
    pub name: String,
}

impl Wanted for Other {}
