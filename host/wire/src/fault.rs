//! What an event can be answered when it was not carried out: a closed registry.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Why an event or a request was not carried out, as a peer or a plugin is told.
///
/// `message` is for people and says what to do; it holds nothing internal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fault {
    pub id: FaultId,
    pub message: String,
    /// When another try makes sense, if the gateway knows.
    pub retry_after: Option<Duration>,
    /// The refusing plugin's own id; only with [`FaultId::Application`].
    pub code: Option<String>,
}

impl Fault {
    pub fn new(id: FaultId, message: impl Into<String>) -> Self {
        Self { id, message: message.into(), retry_after: None, code: None }
    }

    /// A plugin's own refusal: its id travels as `code`.
    pub fn application(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..Self::new(FaultId::Application, message) }
    }

    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }
}

macro_rules! registry {
    ($($(#[$doc:meta])* $variant:ident = $word:literal,)*) => {
        /// The registry's ids. Closed within a version of the wire.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum FaultId { $($(#[$doc])* $variant,)* }

        impl FaultId {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word on the wire and the label in metrics.
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// The reverse of [`FaultId::word`].
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

registry! {
    /// The frame or the payload cannot be read.
    Malformed = "malformed",
    /// Understood, but this gateway, format or version does not do it.
    Unsupported = "unsupported",
    /// No route leads anywhere for this event.
    UnknownEvent = "unknown-event",
    /// Understood and refused: not this peer, not this plugin, not here.
    NotAllowed = "not-allowed",
    /// Larger than a limit.
    TooLarge = "too-large",
    /// More often than a limit.
    RateLimited = "rate-limited",
    /// A queue inside the gateway is full.
    Overloaded = "overloaded",
    /// Nothing answered in time.
    Timeout = "timeout",
    /// The plugin decided without a reply.
    Unanswered = "unanswered",
    /// The connection ended first.
    Closed = "closed",
    /// The plugin trapped, ran out of time or memory, or returned an error.
    PluginFailed = "plugin-failed",
    /// The plugin is not running.
    PluginUnavailable = "plugin-unavailable",
    /// The thing named does not exist.
    NotFound = "not-found",
    /// The server that an outgoing request was for could not be reached, or did not answer as servers do.
    Unreachable = "unreachable",
    /// A count has reached its limit.
    LimitReached = "limit-reached",
    /// Something else is there than was expected.
    Conflict = "conflict",
    /// A plugin's own refusal; its id is in `code`.
    Application = "application",
}

/// A count for each reason.
#[derive(Debug, Default)]
pub struct Counts([AtomicU64; FaultId::ALL.len()]);

impl Counts {
    /// How many there were before.
    pub fn add(&self, why: FaultId, count: u64) -> u64 {
        self.0.get(why as usize).map_or(0, |counter| counter.fetch_add(count, Ordering::Relaxed))
    }

    pub fn of(&self, why: FaultId) -> u64 {
        self.0.get(why as usize).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    pub fn total(&self) -> u64 {
        self.0.iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
    }

    /// By the reason's word; what never happened is left out.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        FaultId::ALL.iter().map(|&why| (why.word(), self.of(why))).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_count_of_its_own() {
        let counts = Counts::default();
        for (number, &why) in (1..).zip(FaultId::ALL) {
            assert_eq!((counts.add(why, number), counts.of(why)), (0, number));
        }
        assert_eq!(counts.add(FaultId::Timeout, 1), counts.of(FaultId::Timeout) - 1);
        assert_eq!(counts.all().count(), FaultId::ALL.len());
    }

    #[test]
    fn every_word_of_the_registry_reads_back() {
        for &id in FaultId::ALL {
            assert_eq!(FaultId::from_word(id.word()), Some(id));
        }
        assert_eq!(FaultId::from_word("surprise"), None);
    }
}
