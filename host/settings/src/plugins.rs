//! Plugins: their files, what they may do, and which events are theirs.

use crate::limits::at_least_one;
use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf, time::Duration};
use tengen_wire::id::{Channel, PluginName};

#[derive(Debug, Clone, PartialEq)]
pub struct Plugin {
    pub file: PathBuf,
    /// Linear memory per instance, in bytes.
    pub memory: usize,
    /// CPU time for one event; a batch has it times its length.
    pub deadline: Duration,
    pub config: BTreeMap<String, String>,
    pub grant: Grants,
    pub effects_per_event: usize,
    pub effect_bytes: usize,
    /// Instances of the stateless roles (authenticator, sink); a handler has one.
    pub instances: NonZeroUsize,
    pub on_failure: OnFailure,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The event gets an error.
    Closed,
    /// The event goes on to the next match.
    Open,
}

/// What a plugin may do beyond answering its own connections. Nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Channel patterns it may publish to and subscribe its connections to.
    pub publish: Vec<Pattern>,
    /// User patterns it may push to.
    pub push: Vec<Pattern>,
    /// Whether it may push to a whole endpoint.
    pub endpoint: bool,
    pub env: Vec<String>,
    pub dirs: Vec<Directory>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    pub host: PathBuf,
    pub guest: String,
    pub writable: bool,
}

/// Exact text, or a prefix followed by `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern(pub String);

impl Pattern {
    pub fn matches(&self, text: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => text.starts_with(prefix),
            None => self.0 == text,
        }
    }
}

/// Which events go to which plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub event: Pattern,
    pub plugin: PluginName,
    /// Only events of this endpoint; none: of all.
    pub endpoint: Option<String>,
    pub mode: Mode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The first matching route gets the event, unless an earlier one was `All`.
    First,
    /// This route sees the event and the search goes on.
    All,
}

impl Grants {
    pub fn may_publish(&self, channel: &Channel) -> bool {
        self.publish.iter().any(|pattern| pattern.matches(channel))
    }

    pub fn may_push_to(&self, user: &str) -> bool {
        self.push.iter().any(|pattern| pattern.matches(user))
    }
}

impl Plugin {
    /// How much the events of one call may weigh together: a part of its memory. What is copied into it is copied once
    /// more when it is read, and what the plugin makes of it has to fit in as well.
    pub fn batch_bytes(&self) -> usize {
        self.memory / 8
    }

    /// The defaults for a component in this file.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self {
            file: file.into(),
            memory: 16 << 20,
            deadline: Duration::from_millis(50),
            config: BTreeMap::new(),
            grant: Grants::default(),
            effects_per_event: 4096,
            effect_bytes: 4 << 20,
            instances: at_least_one(1),
            on_failure: OnFailure::Closed,
        }
    }
}
