//! What the interface has and this version of the gateway does not carry out: only what it takes to say so is kept.

use super::Wanted;

/// Asks a client something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    pub key: String,
}

impl Wanted for Ask {
    fn key(&self) -> Option<&str> {
        Some(&self.key)
    }
}

/// Writes a value into a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    pub key: String,
}

impl Wanted for Put {
    fn key(&self) -> Option<&str> {
        Some(&self.key)
    }
}

/// Makes an HTTP request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    pub key: String,
}

impl Wanted for Fetch {
    fn key(&self) -> Option<&str> {
        Some(&self.key)
    }
}

/// A kind of a later version, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Other {
    pub name: String,
}

impl Wanted for Other {}
