//! What happens to connections and their events.

use tengen_wire::{close::Reason, dialect::Asked, fault::FaultId};

/// One thing that happened, or so many of it at once. Who sees it says so to [`Totals`](super::Totals); how it is counted,
/// and under which name it is shown, is not its business.
#[derive(Debug, Clone, Copy)]
pub enum Happened<'a> {
    /// A connection opened,
    Opened,
    /// and ended.
    Ended(&'a Reason),
    /// A connection was to be closed because it read too slowly.
    ReadTooSlowly,
    /// A connection was to be closed because it held most when memory was short.
    Shed,
    /// A request for a connection was refused: why, and with which status.
    UpgradeRefused(&'static str, u16),
    /// One of them because memory was short.
    RefusedForMemory,
    /// An HTTP connection ended in the middle: not HTTP, too slow, or gone.
    RequestFailed(&'static str),
    /// A message of a peer was read,
    Received,
    /// could not be taken,
    Malformed,
    /// led nowhere,
    Unrouted,
    /// was not taken by its handler or not let in,
    Declined(FaultId),
    /// or asked something of the gateway itself, which it did not get,
    RequestRefused(Asked, FaultId),
    /// or brought signals: so many, by what became of them,
    ClientSignals(&'static str, u64),
    /// or waited, and was given up because memory was short: so many.
    GivenUp(u64),
    /// A caller got a reply,
    Replied,
    /// which nobody waited for: unknown, too late, or given twice;
    Stray,
    /// or none in time,
    TimedOut,
    /// or none at all, though its event was decided.
    Unanswered,
    /// A frame was put into an outbox.
    Delivered,
    /// So many frames were not taken by an outbox, or given up by it.
    Dropped(u64),
    /// A plugin was told of a timer,
    TimerFired,
    /// or had no room for it: it is tried again.
    TimerPutOff,
    /// So many timers went with a plugin that is configured no more.
    TimersForgotten(u64),
    /// A plugin had no room for the end of a request: it is tried again,
    AnswerPutOff,
    /// or is no longer there to hear of it.
    AnswerForgotten,
    /// So many questions to clients are over: what came of them.
    AskEnded(&'static str, u64),
    /// A payload could not be said in a receiver's format.
    Unsupported,
}
