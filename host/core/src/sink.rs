//! The contract of those who take signals (telemetry records).

use futures_util::future::BoxFuture;
use std::{fmt, time::SystemTime};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    pub fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Bytes(Vec<u8>),
}

impl fmt::Display for Value {
    /// As people read it: texts in quotes, of bytes how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Boolean(truth) => write!(f, "{truth}"),
            Self::Bytes(bytes) => write!(f, "<{} bytes>", bytes.len()),
        }
    }
}

/// What somebody else's record says by name, on its way through the log.
///
/// The log's own fields have their names when the gateway is compiled. These come when it runs: they go as the value of one
/// field, as an error, because that is what the log hands on as it is (`record_error`, `downcast_ref`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts(pub Vec<(String, Value)>);

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            write!(f, "{gap}{name}={value}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Facts {}

/// One telemetry record.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    pub at: SystemTime,
    pub level: Level,
    /// Where it was said: a module path, or `plugin.NAME`.
    pub namespace: String,
    pub id: String,
    pub message: String,
    pub data: Vec<(String, Value)>,
    pub error: Option<String>,
    /// `file:line`, if known.
    pub location: String,
    /// Hex, or empty.
    pub trace_id: String,
    pub span_id: String,
    pub connection: String,
    pub user: String,
}

/// What a sink says to a batch that it did not take whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    RetryAfter(std::time::Duration),
    /// Give this batch up.
    Drop(String),
    /// Give the sink up.
    Fatal(String),
}

/// Takes signals in batches.
pub trait Sink: fmt::Debug + Send + Sync {
    /// How many were taken, from the start of the batch; the rest is offered again.
    fn deliver<'a>(
        &'a self,
        signals: &'a [Signal],
        dropped_before: u32,
    ) -> BoxFuture<'a, Result<usize, Refusal>>;

    /// Writes out what the sink holds back; called once, before the end.
    fn flush(&self) -> BoxFuture<'_, Result<(), String>>;
}
