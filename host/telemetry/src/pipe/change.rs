//! What can be changed of a filter while everything runs.

use crate::filter::pattern::Pattern;
use std::time::Instant;
use tengen_core::sink::{Level, Signal};

/// More that passes, for a while: what is raised is asked for, so it passes the levels of sinks as well.
#[derive(Debug, Clone)]
pub(crate) struct Raise {
    /// From this level on.
    pub(crate) level: Level,
    /// Only of these; of all where nothing is named.
    pub(crate) namespace: Option<Pattern>,
    pub(crate) id: Option<Pattern>,
    pub(crate) user: Option<String>,
    pub(crate) connection: Option<String>,
    pub(crate) until: Instant,
}

impl Raise {
    pub(super) fn is_for(&self, signal: &Signal) -> bool {
        let matches = |pattern: &Option<Pattern>, name: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
        };
        let is =
            |wanted: &Option<String>, it: &str| wanted.as_ref().is_none_or(|wanted| wanted == it);
        signal.level >= self.level
            && matches(&self.namespace, &signal.namespace)
            && matches(&self.id, &signal.id)
            && is(&self.user, &signal.user)
            && is(&self.connection, &signal.connection)
    }
}
