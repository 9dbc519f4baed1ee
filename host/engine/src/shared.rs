//! What the parts of one plugin share, and how it shows itself to people.

mod deal;
mod each;
mod gauges;

pub(super) use deal::{Deal, Dealt};
pub(super) use each::Each;
pub use each::EachStatus;

use crate::{
    breaker::Phase,
    call::{
        generation::{Allowance, Generation},
        instance::Instance,
    },
    compile::compiled::Role,
    counters::{Counters, Measure},
    error::PluginError,
    kept::{KeptState, Revived, Shown},
};
use arc_swap::ArcSwap;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tengen_core::{
    event::Event, handler::Actor, meter::PluginHappened, rate::Meter, trace::Tracer,
};
use tengen_settings::Rate;
use tengen_wire::id::PluginName;
use tokio_util::task::TaskTracker;

/// Shared by a plugin's handle, its handler's tasks and its pools.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) name: PluginName,
    pub(super) current: ArcSwap<Generation>,
    pub(super) counters: Arc<Counters>,
    pub(super) actor: Arc<dyn Actor>,
    pub(super) tracer: Arc<dyn Tracer>,
    pub(super) tasks: TaskTracker,
    /// Instances that are being told that they end: closed from the beginning, so that it can be waited for at any time.
    endings: TaskTracker,
    /// How its handler's events are dealt out.
    pub(super) dealt: Dealt,
    last_error: Mutex<Option<LastError>>,
    lines: Mutex<Lines>,
    kept: Shown,
}

/// How many lines about what went wrong the log has had of late.
#[derive(Debug)]
struct Lines {
    meter: Meter,
    untold: u64,
}

impl Default for Lines {
    /// Sixty a minute: what goes wrong may be worded by a peer, in another way each time.
    fn default() -> Self {
        Self { meter: Meter::new(Rate::per_minute(60)), untold: 0 }
    }
}

impl Lines {
    /// Whether there may be another one now: some with how many were not told before it.
    fn next(&mut self, now: Instant) -> Option<u64> {
        if self.meter.note(now) {
            self.untold += 1;
            return None;
        }
        Some(std::mem::take(&mut self.untold))
    }
}

/// Whether a plugin answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    Running,
    /// It failed to start again, or failed too often; it is tried again with growing pauses.
    Unavailable,
    Stopped,
}

/// How a plugin is, in one word: what the gateway makes of how its calls end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    Running,
    /// It kept failing, and gets one event at a time.
    OnTrial,
    /// It keeps failing, and is left out of the path.
    BreakerOpen,
    /// Its instance is gone, and the next one is awaited or tried again.
    Restarting,
    Stopped,
}

impl Health {
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::OnTrial => "on-trial",
            Self::BreakerOpen => "breaker-open",
            Self::Restarting => "restarting",
            Self::Stopped => "stopped",
        }
    }
}

/// The same message is logged once in this time: a guest that fails at every event does not fill the log.
const QUIET_MS: u64 = 1000;

/// The last thing that went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastError {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    pub message: String,
    /// What of it makes it the same as one before.
    #[serde(skip)]
    gist: String,
    /// How often it went wrong in this way without anything else going wrong meanwhile.
    pub times: u64,
    /// The event that it went wrong at the last time, where it was one.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub at: Option<At>,
}

/// What went wrong, in words.
#[derive(Debug, Clone, Copy)]
struct Said<'a> {
    /// What has the same gist is the same.
    gist: &'a str,
    message: &'a str,
}

impl<'a> Said<'a> {
    fn all(message: &'a str) -> Self {
        Self { gist: message, message }
    }
}

/// The gist of what went wrong, and all of it. Where a call broke, the reason comes before what follows from it.
fn said(what: &str, error: &PluginError) -> (String, String) {
    match error {
        PluginError::Call { function, source } => {
            (format!("{}; {what}", source.gist(function)), format!("{}; {what}", error.explain()))
        }
        error => {
            let message = format!("{what}: {}", error.explain());
            (message.clone(), message)
        }
    }
}

impl LastError {
    /// Keeps what went wrong. True when it was not kept just now already.
    fn remember(last: &mut Option<Self>, said: Said<'_>, at: Option<At>) -> bool {
        let Said { gist, message } = said;
        let now = millis(SystemTime::now());
        let again = last.take().filter(|last| last.gist == gist);
        let is_news = again.as_ref().is_none_or(|last| now.abs_diff(last.at_ms) >= QUIET_MS);
        let times = again.as_ref().map_or(0, |last| last.times) + 1;
        // Where it was is told now and then: until it is told again, what was told is kept.
        let kept = again.filter(|_| gist == message).map(|last| last.message);
        let message = kept.unwrap_or_else(|| message.to_owned());
        *last = Some(Self { at_ms: now, message, gist: gist.to_owned(), times, at });
        is_news
    }
}

/// The event that a plugin failed at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct At {
    /// Its id; of what is no message, the word for it.
    pub event: String,
    /// The id of its connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// The trace that it is part of, as 32 hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
}

impl At {
    /// The only event of a call; of several, nobody knows which it was.
    pub(super) fn of(events: &[Event]) -> Option<Self> {
        let [event] = events else { return None };
        let connection = event.connection.as_ref().map(|connection| connection.id.to_string());
        let trace_id = event.span.context().map(|trace| format!("{:032x}", trace.trace_id));
        Some(Self { event: event.word().to_owned(), connection, trace_id })
    }
}

/// A plugin as `plugin list`, the admin API and the metrics show it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// The name in the configuration.
    pub name: String,
    pub file: PathBuf,
    /// What the component calls itself.
    pub component: String,
    pub version: String,
    /// The first digits of the SHA-256 of the component.
    pub revision: String,
    /// Counts the versions that ran under this name, from 1.
    pub generation: u64,
    pub roles: Vec<Role>,
    /// Of several instances, the worst.
    pub state: State,
    /// Whether events go to it, or it is left out because it keeps failing; the worst of its roles and instances.
    pub breaker: Phase,
    pub last_error: Option<LastError>,
    pub calls: u64,
    pub events: u64,
    pub errors: u64,
    /// By the reason that their senders were told.
    pub errors_by_reason: BTreeMap<&'static str, u64>,
    pub traps: u64,
    pub deadline_overruns: u64,
    /// Calls that gave nothing, by what went wrong; all kinds.
    pub failed_calls: BTreeMap<&'static str, u64>,
    pub refused_effects: u64,
    /// By reason, and in that by the kind of effect.
    pub refused_by_reason: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Events that were not taken: the queue stayed full, or the plugin was down.
    pub declined_events: u64,
    pub declined_by_reason: BTreeMap<&'static str, u64>,
    /// Answers of its authenticator that could not be used, by what was wrong with them.
    pub unusable_verdicts: BTreeMap<&'static str, u64>,
    pub dropped_signals: u64,
    /// Values of its own measures that were not kept.
    pub dropped_measures: u64,
    pub restarts: u64,
    /// How often the gateway itself failed at its events.
    pub panics: u64,
    /// How often it was left out of the path because it kept failing.
    pub breaker_opened: u64,
    /// Connections that were left alone because their events kept breaking it.
    pub shunned_connections: u64,
    /// How often an instance was lost that had a state to hand over, and the state with it.
    pub lost_states: u64,
    /// How often its state was saved for after a trap,
    pub checkpoints: u64,
    /// and could not be.
    pub failed_checkpoints: u64,
    /// How often a new instance had all of the state of one that broke,
    pub recovered_states: u64,
    /// or what was saved last of it.
    pub restored_states: u64,
    /// How often a saved state was put aside, because nothing went well on it.
    pub states_put_aside: u64,
    /// How often an instance that had grown was replaced by one with its state.
    pub recycled: u64,
    /// The state as it was saved last; none: never, or the plugin has none.
    pub kept_state: Option<KeptState>,
    /// What the last instance that came in the place of one that broke had of its state; none: none broke.
    pub revived: Option<Revived>,
    pub reloads: u64,
    pub failed_reloads: u64,
    /// Events that wait for a decision.
    pub waiting: usize,
    /// Instances that there are, those that are tried or that end included.
    pub instances: usize,
    /// Linear memory of all its instances.
    pub memory_bytes: usize,
    /// Since when this version runs, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// What the plugin counts itself.
    pub measures: BTreeMap<String, Measure>,
    /// The instances of its handler, by their numbers.
    pub each: Vec<EachStatus>,
}

impl Status {
    /// An open breaker tells more than that no instance runs, which follows from it.
    pub fn health(&self) -> Health {
        match (self.state, self.breaker) {
            (State::Stopped, _) => Health::Stopped,
            (_, Phase::Open) => Health::BreakerOpen,
            (_, Phase::HalfOpen) => Health::OnTrial,
            (State::Unavailable, Phase::Closed) => Health::Restarting,
            (State::Running, Phase::Closed) => Health::Running,
        }
    }
}

impl Shared {
    pub(super) fn new(
        current: Arc<Generation>,
        actor: Arc<dyn Actor>,
        tracer: Arc<dyn Tracer>,
        tasks: TaskTracker,
    ) -> Self {
        let endings = TaskTracker::new();
        endings.close();
        let dealt = Dealt::new(Deal::new(&current.settings));
        Self {
            endings,
            name: current.plugin.clone(),
            counters: Arc::clone(&current.counters),
            current: ArcSwap::new(current),
            actor,
            tracer,
            tasks,
            dealt,
            last_error: Mutex::new(None),
            lines: Mutex::default(),
            kept: Shown::default(),
        }
    }

    /// Tells an instance that serves no more that it ends, where nobody waits for it.
    pub(super) fn retire(&self, instance: Instance, allowance: Allowance) {
        let name = self.name.clone();
        let end = async move {
            if let Err(error) = instance.stop(allowance).await {
                tracing::warn!(plugin = %name, "an instance of the old version did not stop well: {}", error.explain());
            }
        };
        self.tasks.spawn(self.endings.track_future(end));
    }

    /// Waits until all that are told have ended: each has its allowance for that.
    pub(super) async fn retired(&self) {
        self.endings.wait().await;
    }

    /// Counts and logs that a breaker has changed.
    pub(super) fn tell(&self, phase: Phase, pause: Option<Duration>) {
        self.tell_of(phase, pause, None);
    }

    /// The same, of one of several instances.
    fn tell_of(&self, phase: Phase, pause: Option<Duration>, instance: Option<u16>) {
        let plugin = &self.name;
        match phase {
            Phase::Closed => tracing::info!(%plugin, instance, "the plugin is back in the path"),
            Phase::HalfOpen => {
                tracing::info!(%plugin, instance, "the plugin is tried with one event at a time");
            }
            Phase::Open => {
                self.counters.note(PluginHappened::LeftOut);
                tracing::error!(%plugin, instance, ?pause, "the plugin keeps failing: it is left out of the path for a while");
            }
        }
    }

    /// The state was saved for after a trap.
    pub(super) fn keeps(&self, state: KeptState) {
        self.kept.kept(state);
    }

    /// An instance has come in the place of one that broke.
    pub(super) fn revived(&self, how: Revived) {
        self.kept.revived(how);
    }

    /// What the last one had of the state.
    pub(super) fn last_revival(&self) -> Option<Revived> {
        self.kept.all().1
    }

    /// An instance with a state of its own is gone.
    pub(super) fn lost_state(&self) {
        self.counters.note(PluginHappened::StateLost);
    }

    /// Keeps what went wrong for people to see, and says it in the log.
    pub(super) fn failed(&self, what: &str, error: &PluginError) {
        self.failed_at(what, error, None);
    }

    /// The same of what went wrong at one event.
    pub(super) fn failed_at(&self, what: &str, error: &PluginError, at: Option<At>) {
        let (gist, message) = said(what, error);
        self.note_as(Said { gist: &gist, message: &message }, at, None);
    }

    /// Says what went wrong with all of it, or with one of several instances.
    fn note_as(&self, said: Said<'_>, at: Option<At>, instance: Option<u16>) {
        if !self.keep(said, at.clone()) {
            return;
        }
        let message = said.message;
        let event = at.as_ref().map(|at| at.event.as_str());
        let connection = at.as_ref().and_then(|at| at.connection.as_deref());
        let trace_id = at.as_ref().and_then(|at| at.trace_id.as_deref());
        let told = self.lines.lock().unwrap_or_else(PoisonError::into_inner).next(Instant::now());
        let plugin = &self.name;
        match told {
            Some(0) => tracing::error!(%plugin, instance, event, connection, trace_id, "{message}"),
            Some(untold) => {
                tracing::error!(%plugin, instance, event, connection, trace_id, untold, "{message}");
            }
            None => tracing::debug!(%plugin, instance, event, connection, trace_id, "{message}"),
        }
    }

    /// Keeps what went wrong for people to see. True when it was not kept just now already.
    pub(super) fn remember(&self, message: &str, at: Option<At>) -> bool {
        self.keep(Said::all(message), at)
    }

    fn keep(&self, said: Said<'_>, at: Option<At>) -> bool {
        let mut last = self.last_error.lock().unwrap_or_else(PoisonError::into_inner);
        LastError::remember(&mut last, said, at)
    }

    /// `each`: the instances of its handler.
    pub(super) fn status(&self, waiting: usize, each: Vec<EachStatus>) -> Status {
        let current = self.current.load();
        let counters = &self.counters;
        let counts = counters.meter.counts();
        let (kept_state, revived) = self.kept.all();
        Status {
            name: self.name.to_string(),
            file: current.settings.file.clone(),
            component: current.about.name.clone(),
            version: current.about.version.to_string(),
            revision: current.compiled.hash.short(),
            generation: current.number,
            roles: current.compiled.roles(),
            state: each.iter().map(|each| each.state).max().unwrap_or(State::Running),
            breaker: each.iter().map(|each| each.breaker).max().unwrap_or(Phase::Closed),
            last_error: self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            calls: counts.calls,
            events: counts.events,
            errors: counts.failed.values().sum(),
            traps: counts.broke(false),
            deadline_overruns: counts.broke(true),
            failed_calls: counts.broken.iter().map(|(how, count)| (how.word(), *count)).collect(),
            errors_by_reason: counts.failed,
            refused_effects: counts.refused.values().flat_map(BTreeMap::values).sum(),
            refused_by_reason: counts.refused,
            declined_events: counts.declined.values().sum(),
            declined_by_reason: counts.declined,
            unusable_verdicts: counts.unusable,
            dropped_signals: counts.dropped_signals,
            dropped_measures: counters.own.dropped(),
            restarts: counts.restarts,
            panics: counts.panics,
            breaker_opened: counts.left_out,
            shunned_connections: counts.shunned,
            lost_states: counts.lost_states,
            checkpoints: counts.checkpoints,
            failed_checkpoints: counts.failed_checkpoints,
            recovered_states: counts.recovered_states,
            restored_states: counts.restored_states,
            states_put_aside: counts.states_put_aside,
            recycled: counts.recycled,
            kept_state,
            revived,
            reloads: counts.reloads,
            failed_reloads: counts.failed_reloads,
            waiting,
            instances: counters.instances.load(Ordering::Relaxed),
            memory_bytes: counters.memory.load(Ordering::Relaxed),
            since_ms: millis(current.since),
            measures: counters.own.all(),
            each,
        }
    }
}

fn millis(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_wrong_at_every_event_fills_no_log_however_it_is_worded() {
        let (mut lines, start) = (Lines::default(), Instant::now());
        let told = (0..500).filter(|_| lines.next(start).is_some()).count();
        assert_eq!(told, 59);
        let later = start + Duration::from_secs(61);
        assert_eq!(lines.next(later), Some(441), "and how many the log does not have");
        assert_eq!(lines.next(later), Some(0));
    }
}
