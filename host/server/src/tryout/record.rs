//! What is seen of a plugin that is tried out: what it decides, on its way to the hub, and what connections are sent.

use super::{
    said::{self, Names},
    servers::Servers,
};
use crate::hub::{Hub, ToldTime};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};
use tengen_core::{
    effect::{Effect, Tally},
    event::{Connection, Event},
    handler::{Actor, Declined, Handler, Newcomer, Progress, Wants, Work},
};
use tengen_wire::{
    close::Reason,
    id::{Handle, PluginName},
    payload::{Encoding, Payload},
};
use tokio::sync::watch;

/// As much is kept of what one step brings about; of more it is said how much there was.
const MOST: usize = 1 << 16;

/// What one step has brought about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// What the plugin decided, in its order, each as an object; what of it was refused, and calls that broke.
    pub effects: Vec<Value>,
    /// What each connection was sent, as JSON.
    pub frames: BTreeMap<String, Vec<Value>>,
    /// How many events the plugin was told.
    pub told: u64,
}

/// Writes down what happens.
pub(super) struct Record {
    hub: Arc<Hub>,
    servers: Arc<Servers>,
    /// When the told time began, by the time of day.
    pub(super) began: SystemTime,
    state: Mutex<State>,
    /// How many events the plugin was offered, and took.
    heard: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    names: Names,
    seen: Seen,
    left_out: usize,
    /// How many events the plugin had been offered, and took, when this was asked last.
    heard: u64,
    /// What this connection said last came to no plugin.
    unheard: Option<String>,
    /// Questions that wait for an answer: of which connection, their event and their key.
    questions: VecDeque<(String, String, String)>,
}

impl State {
    fn add(&mut self, what: Value) {
        match self.seen.effects.len() < MOST {
            true => self.seen.effects.push(what),
            false => self.left_out += 1,
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").finish_non_exhaustive()
    }
}

impl Record {
    pub(super) fn new(hub: Arc<Hub>, servers: Arc<Servers>, began: SystemTime) -> Self {
        let heard = watch::Sender::new(0);
        Self { hub, servers, began, state: Mutex::default(), heard }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection has this name from now on.
    pub(super) fn names(&self, handle: Handle, name: &str) {
        self.lock().names.connections.insert(handle, name.to_owned());
    }

    /// How many events the plugin has taken.
    pub(super) fn heard(&self) -> u64 {
        *self.heard.borrow()
    }

    /// Waits until it has taken more than so many.
    pub(super) async fn hears_more_than(&self, before: u64) {
        // The sender lives as long as this does.
        self.heard.subscribe().wait_for(|heard| *heard > before).await.map(drop).ok();
    }

    /// What a connection said last came to no plugin.
    pub(super) fn unheard(&self, from: &str) {
        self.lock().unheard = Some(from.to_owned());
    }

    /// A connection was sent a frame.
    pub(super) fn sent(&self, to: &str, format: Encoding, body: &[u8]) {
        let frame = said::data(&Payload::new(format, body.to_vec()));
        let mut state = self.lock();
        if let Some((event, key)) = question(&frame) {
            state.questions.push_back((to.to_owned(), event, key));
        }
        if state.unheard.as_deref() == Some(to) {
            state.add(json!({ "gateway": frame, "to": to }));
        }
        let frames = state.seen.frames.entry(to.to_owned()).or_default();
        if frames.len() < MOST {
            frames.push(frame);
        } else {
            state.left_out += 1;
        }
    }

    /// The key of the oldest question with this event that a connection has not answered.
    pub(super) fn take_question(&self, of: &str, event: &str) -> Option<String> {
        let mut state = self.lock();
        let is_it = |(to, id, _): &(String, String, String)| to == of && id == event;
        let place = state.questions.iter().position(is_it)?;
        state.questions.remove(place).map(|(_, _, key)| key)
    }

    /// Forgets questions that are over without an answer: by their time, or with their connection.
    pub(super) fn keep_questions(&self, is_open: impl Fn(&str, &str) -> bool) {
        self.lock().questions.retain(|(of, _, key)| is_open(of, key));
    }

    /// The gateway has ended a connection.
    pub(super) fn ended(&self, name: &str, reason: &Reason) {
        let (code, reason) = (reason.code(), reason.word());
        self.lock().add(json!({ "ended": name, "code": code, "reason": reason }));
    }

    /// A call of the plugin gave nothing.
    pub(super) fn broke(&self, why: &str) {
        self.lock().add(json!({ "broke": why }));
    }

    /// The plugin has said whether somebody may come in.
    pub(super) fn judged(&self, what: Vec<Value>) {
        what.into_iter().for_each(|what| self.lock().add(what));
        self.heard.send_modify(|heard| *heard += 1);
    }

    /// What was seen since this was asked last.
    pub(super) fn take(&self) -> Seen {
        let mut state = self.lock();
        state.unheard = None;
        let left_out = mem::take(&mut state.left_out);
        let mut seen = mem::take(&mut state.seen);
        let heard = self.heard();
        seen.told = heard - mem::replace(&mut state.heard, heard);
        if left_out > 0 {
            seen.effects.push(json!({ "left-out": left_out }));
        }
        seen
    }

    fn decided(&self, events: &[Event], work: &Work) {
        let mut state = self.lock();
        let mut fetches = Vec::new();
        for event in events {
            if let Some(number) = event.reply_to() {
                state.names.replies.insert(number, event.word().to_owned());
            }
        }
        for caused in work.effects.as_slice().iter().filter(|caused| !work.has_failed(caused.by)) {
            if let Effect::Fetch(fetch) = &caused.what {
                fetches.push(fetch.name.clone());
            }
            let what = said::effect(caused, events, &state.names);
            state.add(what);
        }
        for failure in work.failures.as_slice() {
            state.add(said::failure(failure));
        }
        drop(state);
        self.servers.expects(fetches);
    }

    fn refused(&self, tallies: &[Tally]) {
        let mut state = self.lock();
        for Tally { kind, why, count } in tallies {
            let mut what = json!({ "refused": kind.word(), "why": said::fault(why) });
            if let (Some(what), true) = (what.as_object_mut(), *count > 1) {
                what.insert("times".into(), json!(count));
            }
            state.add(what);
        }
    }
}

impl Actor for Record {
    fn act(&self, plugin: &PluginName, events: &[Event], work: &mut Work) -> Progress {
        // What is left of an outcome has been seen before.
        if work.paused.is_none() {
            self.decided(events, work);
        }
        let progress = self.hub.act(plugin, events, work);
        if progress == Progress::Done {
            self.refused(work.tallies());
        }
        progress
    }

    fn connections_of(&self, plugin: &PluginName) -> Vec<Arc<Connection>> {
        self.hub.connections_of(plugin)
    }

    fn begins_anew(&self, plugin: &PluginName, who: Newcomer<'_>) {
        self.hub.begins_anew(plugin, who);
    }
}

/// The event and the key of a question to a client: `[[["tengen/ask", {"key", "event": [id, data]}]], null]`.
fn question(frame: &Value) -> Option<(String, String)> {
    let event = frame.get(0)?.get(0)?;
    let asked = event.get(1).filter(|_| event.get(0).is_some_and(|id| id == "tengen/ask"))?;
    let id = asked.get("event")?.get(0)?.as_str()?;
    Some((id.to_owned(), asked.get("key")?.as_str()?.to_owned()))
}

/// Between everybody who has something to tell the plugin, and the plugin: what it takes is counted, and happens at the told time.
#[derive(Debug)]
pub(super) struct Ear {
    handler: Arc<dyn Handler>,
    record: Arc<Record>,
    time: ToldTime,
}

impl Ear {
    pub(super) fn new(handler: Arc<dyn Handler>, record: Arc<Record>, time: ToldTime) -> Self {
        Self { handler, record, time }
    }

    fn told(&self, event: Event) -> Event {
        Event { at: self.record.began + self.time.now(), ..event }
    }

    fn heard(&self, offered: Result<(), Box<Declined>>) -> Result<(), Box<Declined>> {
        if offered.is_ok() {
            self.record.heard.send_modify(|heard| *heard += 1);
        }
        offered
    }
}

impl Handler for Ear {
    fn wants(&self, event: &str) -> Wants {
        self.handler.wants(event)
    }

    fn wants_channel(&self, channel: &str) -> bool {
        self.handler.wants_channel(channel)
    }

    fn wants_subscriptions(&self, channel: &str) -> bool {
        self.handler.wants_subscriptions(channel)
    }

    fn wants_any_subscriptions(&self) -> bool {
        self.handler.wants_any_subscriptions()
    }

    fn wants_users(&self) -> bool {
        self.handler.wants_users()
    }

    fn wants_missed(&self) -> bool {
        self.handler.wants_missed()
    }

    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        self.heard(self.handler.offer(self.told(event)))
    }

    fn offer_to(&self, instance: u16, event: Event) -> Result<(), Box<Declined>> {
        self.heard(self.handler.offer_to(instance, self.told(event)))
    }

    fn settle(&self) {
        self.handler.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_found_in_its_frame() {
        let frame = json!([[["tengen/ask", { "key": "12", "event": ["shop/sure", 1] }]], null]);
        assert_eq!(question(&frame), Some(("shop/sure".into(), "12".into())));
        assert_eq!(question(&json!([[["shop/sure", { "key": "1" }]], null])), None);
    }
}
