//! What holds of telemetry where the file says nothing: one word for who develops, and one for who runs it.

use crate::sink::{Format, Sink, SinkKind};

/// A name for several settings at once; each key that is said wins over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    Development,
    Production,
}

/// What is said of a queue is asked for: who says any of it wants one.
const OF_A_QUEUE: [&str; 6] = ["synchronous", "when_full", "buffer", "bytes", "batch", "delay"];

impl Preset {
    pub const ALL: [Self; 2] = [Self::Development, Self::Production];

    pub fn word(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Production => "production",
        }
    }

    /// The least level of all.
    pub fn level(self) -> &'static str {
        match self {
            Self::Development => "info,tengen=debug,plugin=debug",
            Self::Production => "info",
        }
    }

    /// What a sink is where its table does not say it.
    pub fn complete(self, sink: &mut Sink, says: impl Fn(&str) -> bool) {
        if !sink.kind.has_lines() {
            return;
        }
        let is_stream = sink.kind != SinkKind::File;
        match self {
            Self::Development => {
                if is_stream && sink.format.is_none() {
                    sink.format = Some(Format::Human);
                }
                if !OF_A_QUEUE.into_iter().any(says) {
                    sink.synchronous = true;
                }
            }
            Self::Production if is_stream && sink.format.is_none() => {
                sink.format = Some(Format::Json);
            }
            Self::Production => {}
        }
    }
}
