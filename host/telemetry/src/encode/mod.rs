//! Signals as text, one a line: made where they are written, never where they are said.

mod edn;
mod human;
mod json;
mod time;

use std::time::SystemTime;
use tengen_core::sink::{Level, Signal, Value};
use tengen_settings as settings;

/// How signals are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human { colors: bool },
    /// One JSON object, in the words of [`Signal`].
    Json,
    /// The same as an EDN map with keywords.
    Edn,
}

impl Format {
    /// As the configuration has it; where it says nothing, `usual`. Only a terminal has colours.
    pub(crate) fn of(format: Option<settings::Format>, usual: Self) -> Self {
        match format {
            None => usual,
            Some(settings::Format::Json) => Self::Json,
            Some(settings::Format::Edn) => Self::Edn,
            Some(settings::Format::Human) => match usual {
                Self::Human { .. } => usual,
                Self::Json | Self::Edn => Self::Human { colors: false },
            },
        }
    }
}

impl Format {
    /// What the name of a file ends with that has it.
    pub(crate) fn ending(self) -> &'static str {
        match self {
            Self::Human { .. } => "log",
            Self::Json => "jsonl",
            Self::Edn => "edn",
        }
    }
}

/// Writes signals in one format.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encoder(pub(crate) Format);

impl Encoder {
    /// Adds a line, with its end.
    pub(crate) fn encode(self, signal: &Signal, to: &mut Vec<u8>) {
        match self.0 {
            Format::Human { colors } => human::write(signal, colors, to),
            Format::Json => json::write(signal, to),
            Format::Edn => edn::write(signal, to),
        }
    }

    /// The line that says how many were lost before it.
    pub(crate) fn lost(self, lost: u64) -> Vec<u8> {
        const MESSAGE: &str =
            "lines were lost: the stream did not take them fast enough, or not at all";
        let lost = Value::Integer(i64::try_from(lost).unwrap_or(i64::MAX));
        let mut signal = Signal::new(Level::Warn, module_path!(), MESSAGE);
        signal.at = SystemTime::now();
        signal.data = vec![("lost".into(), lost)];
        let mut line = Vec::new();
        self.encode(&signal, &mut line);
        line
    }
}
