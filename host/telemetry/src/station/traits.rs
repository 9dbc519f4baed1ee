//! What a sink is like, and what its deliveries are handed.

use super::rules::Rules;
use std::{num::NonZeroUsize, sync::Arc, time::Duration};
use tengen_core::sink::Signal;
use tengen_settings::{self as settings, FullSink};

/// What a sink is like.
#[derive(Debug)]
pub(crate) struct Traits {
    pub(crate) name: Arc<str>,
    /// `file`, `plugin` and so on.
    pub(crate) kind: &'static str,
    pub(crate) buffer: NonZeroUsize,
    pub(crate) bytes: NonZeroUsize,
    pub(crate) when_full: FullSink,
    /// How long one who says something waits for room.
    pub(crate) wait: Duration,
    /// What its own work says goes not to it, or it would keep itself busy for ever.
    pub(crate) is_guarded: bool,
    /// It is sent over the network: what the libraries say that send it goes not to it, for the same reason.
    pub(crate) is_carried: bool,
    /// The plugin behind it, or nothing.
    pub(crate) plugin: Arc<str>,
    pub(crate) rules: Rules,
    /// What finds no room waits on a disk: somebody has to keep it there ([`crate::spill::start`]).
    pub(crate) spills: bool,
}

impl Traits {
    /// The defaults, for a sink of this name.
    #[cfg(test)]
    pub(crate) fn new(name: impl Into<Arc<str>>, kind: &'static str) -> Self {
        let usual = settings::Sink::new(settings::SinkKind::Stderr);
        Self { name: name.into(), kind, is_guarded: false, ..Self::of(&usual) }
    }

    pub(crate) fn of(sink: &settings::Sink) -> Self {
        Self {
            name: sink.label().into(),
            kind: sink.kind.word(),
            buffer: sink.buffer,
            bytes: sink.bytes,
            when_full: sink.when_full,
            wait: sink.wait,
            is_guarded: sink.kind == settings::SinkKind::Plugin,
            is_carried: sink.kind == settings::SinkKind::Otlp,
            plugin: sink.plugin.as_ref().map(|name| name.as_str().into()).unwrap_or_default(),
            rules: Rules::new(&sink.rules),
            spills: sink.spill.is_some() && !sink.writes_at_once(),
        }
    }
}

/// Signals under way.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) signals: Vec<Arc<Signal>>,
    pub(super) bytes: usize,
}

/// What a delivery is to do next.
#[derive(Debug)]
pub(crate) enum Next {
    Deliver(Batch),
    /// Until it is woken.
    Wait,
    /// A while, and then look.
    Linger(Lingering),
    /// Nothing is left, and nothing more comes.
    End,
}

/// Since when a delivery lingers: how often all were woken before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "it has to say when it looks"]
pub(crate) struct Lingering(pub(super) u64);

/// Why signals are lost that were in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loss {
    SinkError,
    /// The sink did not take them, and took others with them.
    Refused,
    /// One alone is more than the sink takes.
    TooLarge,
    /// The sink wants no more.
    Gone,
    Shutdown,
}
