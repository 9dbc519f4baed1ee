//! The contract between events and those who decide about them.

use crate::{
    effect::{Caused, Failure, Outcome, Refused, Tally},
    event::{Connection, Event},
};
use std::{any::Any, fmt, sync::Arc, task::Waker, vec};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{Channel, Handle, PluginName, UserId},
};

/// Decides about events: a plugin, or a built-in like the router's echo.
///
/// What it decides goes to an [`Actor`], in the order of the events of each connection.
pub trait Handler: fmt::Debug + Send + Sync {
    /// Whether it wants events of this id; those that it does not go to the next route.
    fn wants(&self, _event: &str) -> Wants {
        Wants::Yes
    }

    /// Whether it wants to hear when this channel gets its first subscriber and loses its last.
    fn wants_channel(&self, _channel: &str) -> bool {
        false
    }

    /// Whether it wants to hear which connections are subscribed to this channel.
    fn wants_subscriptions(&self, _channel: &str) -> bool {
        false
    }

    /// Whether there are channels of which it does.
    fn wants_any_subscriptions(&self) -> bool {
        false
    }

    /// Whether it wants to hear who has a connection.
    fn wants_users(&self) -> bool {
        false
    }

    /// Whether it wants to hear what outboxes leave out.
    fn wants_missed(&self) -> bool {
        false
    }

    /// Takes an event over. Never blocks. An event that cannot be taken comes back with the reason.
    ///
    /// What was taken is decided after the next [`Handler::settle`].
    fn offer(&self, event: Event) -> Result<(), Box<Declined>>;

    /// As [`Handler::offer`], for what one of its instances brought about: it goes back to that one, unless it is a
    /// connection's. `instance`: as in [`Deciding`]; where there are fewer now, it is taken modulo their number.
    fn offer_to(&self, _instance: u16, event: Event) -> Result<(), Box<Declined>> {
        self.offer(event)
    }

    /// Has all decided that was offered, by several at once where they gathered: before this returns, or soon after
    /// where that would take long or somebody else is at it. Never blocks. To be called after offers, always.
    fn settle(&self) {}

    /// Whether less than half of what may wait for it does, where this connection's messages wait. If not, `task` is woken
    /// once, as soon as it is so.
    fn has_room(&self, _of: &Connection, _seen: &mut Seen, _task: &Waker) -> bool {
        true
    }

    /// Gives up what waits of a connection's events, because memory is short. Returns how many.
    fn forget(&self, _connection: Handle) -> u64 {
        0
    }

    /// An event for which there was no room is not offered again: to be counted.
    fn lost(&self, _why: FaultId) {}
}

/// Whether a handler wants an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    No,
    Yes,
    /// It does, and if it fails at the event, the next one is to have it.
    OrElse,
}

/// What a task has seen of a handler's backlog: by it, one that asks again is still called once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen(pub u64);

/// An event that a handler did not take.
#[derive(Debug)]
pub struct Declined {
    pub event: Event,
    pub why: Fault,
}

/// Carries out what handlers decide: the hub.
pub trait Actor: fmt::Debug + Send + Sync {
    /// Carries out one call's outcome: effects of events that failed are discarded, the others are done in order.
    ///
    /// `events` is the batch that the outcome speaks of. Large work is done in steps, so that others have their turn
    /// between them: until this says that it is done, it is to be called again with the same batch and the same work,
    /// and before anything else that the plugin decides. What could not be done is in the work, see [`Work::refuse`].
    fn act(&self, plugin: &PluginName, events: &[Event], work: &mut Work) -> Progress;

    /// The open connections of the endpoints whose events are routed to this plugin: what a new instance adopts.
    fn connections_of(&self, plugin: &PluginName) -> Vec<Arc<Connection>>;

    /// A new instance of this plugin begins: what else than connections it has to hear of, it is going to be offered.
    fn begins_anew(&self, _plugin: &PluginName, _who: Newcomer<'_>) {}
}

/// An instance that begins, as far as it has to be told of anything.
#[derive(Debug, Clone, Copy)]
pub struct Newcomer<'a> {
    pub hears: &'a dyn Hears,
    pub knows: Knows,
}

impl Newcomer<'_> {
    /// The only instance, of which nobody has told anything.
    pub const NEW: Self = Newcomer { hears: &OnlyOne, knows: Knows::Nothing };
}

/// What an instance knows already of channels, users and subscriptions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Knows {
    #[default]
    Nothing,
    /// What the one before it knew at some time, and what has ended since of which that one was told.
    Older,
    /// All that the one before it was told.
    All,
}

/// Of what it is this instance that hears, and not one of its others.
pub trait Hears: fmt::Debug {
    fn of_channel(&self, _channel: &Channel) -> bool {
        true
    }

    fn of_user(&self, _user: &UserId) -> bool {
        true
    }

    fn of_connection(&self, _connection: &Connection) -> bool {
        true
    }
}

/// There are no others.
#[derive(Debug, Clone, Copy)]
pub struct OnlyOne;

impl Hears for OnlyOne {}

/// Which of a plugin's instances decides, counted from 0, and of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deciding {
    pub instance: u16,
    pub of: u16,
}

impl Deciding {
    /// The only one.
    pub const ALONE: Self = Self { instance: 0, of: 1 };

    /// Whether this one has what that instance had, when there were more of them.
    pub fn inherits(self, instance: u16) -> bool {
        instance.checked_rem(self.of) == Some(self.instance)
    }
}

/// How far [`Actor::act`] has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "what is not done has to go on"]
pub enum Progress {
    Done,
    /// Others have their turn, then it goes on.
    More,
}

/// An outcome while it is carried out: what is left of it, and what of it was refused.
#[derive(Debug)]
pub struct Work {
    pub effects: vec::IntoIter<Caused>,
    pub failures: vec::IntoIter<Failure>,
    /// What the actor keeps between two steps; its own business.
    pub paused: Option<Box<dyn Any + Send>>,
    /// Messages of the batch whose senders wait no more, as the actor counts them.
    pub settled: usize,
    /// Whose outcome it is; the only instance's, unless it is said.
    pub by: Deciding,
    /// By the event's place; empty when none failed.
    failed: Vec<bool>,
    /// The places of events that are answered later, in order.
    later: Vec<u32>,
    told: Vec<Refused>,
    tallies: Vec<Tally>,
}

impl Work {
    /// `events`: how many the batch has.
    pub fn new(outcome: Outcome, events: usize) -> Self {
        let Outcome { effects, failures, later } = outcome;
        let mut failed = Vec::new();
        if !failures.is_empty() {
            failed.resize(events, false);
            for by in failures.iter().filter_map(|failure| usize::try_from(failure.by).ok()) {
                if let Some(failed) = failed.get_mut(by) {
                    *failed = true;
                }
            }
        }
        Self {
            effects: effects.into_iter(),
            failures: failures.into_iter(),
            paused: None,
            settled: 0,
            by: Deciding::ALONE,
            failed,
            later,
            told: Vec::new(),
            tallies: Vec::new(),
        }
    }

    /// Whether the event at this place of the batch failed: its effects are discarded.
    pub fn has_failed(&self, by: u32) -> bool {
        let failed = usize::try_from(by).ok().and_then(|by| self.failed.get(by));
        failed.copied().unwrap_or(false)
    }

    /// Whether the event at this place of the batch is answered later.
    pub fn is_later(&self, by: u32) -> bool {
        self.later.binary_search(&by).is_ok()
    }

    /// Whether there is nothing left to do.
    pub fn is_done(&self) -> bool {
        self.paused.is_none() && self.effects.as_slice().is_empty() && self.failures.len() == 0
    }

    /// Notes that an effect is not carried out: counted by kind and reason; with a key, the plugin hears of it.
    pub fn refuse(&mut self, refused: Refused) {
        let Refused { kind, why, key, .. } = &refused;
        let known =
            self.tallies.iter_mut().find(|tally| tally.kind == *kind && tally.why.id == why.id);
        match known {
            Some(tally) => tally.count += 1,
            None => self.tallies.push(Tally { kind: *kind, why: why.clone(), count: 1 }),
        }
        if key.is_some() {
            self.told.push(refused);
        }
    }

    /// What was refused, by kind and reason.
    pub fn tallies(&self) -> &[Tally] {
        &self.tallies
    }

    /// What was refused and carried a key.
    pub fn take_told(&mut self) -> Vec<Refused> {
        std::mem::take(&mut self.told)
    }

    /// All that is left, taken out: for an actor that needs no steps.
    pub fn take(&mut self) -> Outcome {
        let (effects, failures) = (&mut self.effects, &mut self.failures);
        let later = std::mem::take(&mut self.later);
        Outcome { effects: effects.collect(), failures: failures.collect(), later }
    }
}
