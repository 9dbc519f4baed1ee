//! Places in traces, as peers and collectors name them.

use std::sync::Arc;

/// A place in a trace (W3C Trace Context): enough to be a parent or a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    pub trace_id: u128,
    pub span_id: u64,
    pub sampled: bool,
    /// The `tracestate` header, carried on untouched.
    pub state: Option<Arc<str>>,
}

impl TraceContext {
    /// The `traceparent` header of this place (W3C Trace Context section 3.2).
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}
