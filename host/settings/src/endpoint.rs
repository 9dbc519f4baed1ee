//! Paths at which clients connect.

use crate::origin::Origins;
use tengen_wire::{dialect::Dialect, id::PluginName, payload::Encoding};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub path: String,
    pub dialect: Dialect,
    /// Offered formats, the default first. Empty where the dialect reads no frames.
    pub formats: Vec<Encoding>,
    /// The subprotocols that are spoken, where the dialect has none of its own. Empty: whatever is offered.
    pub subprotocols: Vec<String>,
    pub origins: Origins,
    pub authenticator: Option<PluginName>,
    /// Whether a connection without a user may come in.
    pub anonymous: bool,
    pub traceparent: Traceparent,
}

/// What the trace context that a client sends is for our spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Traceparent {
    /// They are linked to it. Whether they are recorded is for us to say.
    #[default]
    Link,
    /// They belong to the client's trace, and are recorded where it says so.
    Parent,
}

impl Endpoint {
    /// An endpoint with the dialect's default formats: same origin only, everyone anonymous.
    pub fn new(path: impl Into<String>, dialect: Dialect) -> Self {
        Self {
            path: path.into(),
            dialect,
            formats: dialect.profile().offered.to_vec(),
            subprotocols: Vec::new(),
            origins: Origins::Same,
            authenticator: None,
            anonymous: true,
            traceparent: Traceparent::default(),
        }
    }
}
