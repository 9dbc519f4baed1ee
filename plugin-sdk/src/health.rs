//! The role that says whether a plugin is well.

use crate::Plugin;

/// Says whether an instance can do its work.
pub trait Health: Plugin {
    /// `Err` says what is missing.
    fn check(&mut self) -> Result<(), String>;
}
