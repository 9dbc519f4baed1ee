//! Channels of one node: numbers that count up by one, kept in memory.
//!
//! A channel keeps its position for a while when its last subscriber has gone, so that numbers go on where they were. Those
//! that have been left longest are forgotten when there are too many. Whoever comes to such a one finds another epoch.

use super::{Broker, Log, Position, Published};
use crate::count::Apart;
use foldhash::fast::RandomState;
use std::{
    collections::{BTreeMap, HashMap},
    hash::BuildHasher,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tengen_wire::id::Channel;

/// By the channel's name, so that subscribers of different channels seldom meet.
const PARTS: usize = 16;
/// Channels without subscribers whose positions are kept: with names of 50 bytes, some 4 MB.
const KEPT: usize = 16_384;

/// The engine. Nobody waits in it for longer than it takes to find a name.
#[derive(Debug)]
pub struct Memory {
    parts: Box<[Apart<Mutex<Part>>]>,
    spread: RandomState,
    /// What all of its epochs begin with.
    run: Box<str>,
    /// Channels that began here, each with an epoch of its own.
    begun: AtomicU64,
    /// Of each part.
    kept: usize,
}

/// Channels by name. Names are chosen by others, so this has the standard library's hasher.
#[derive(Debug, Default)]
struct Part {
    channels: HashMap<Channel, Known>,
    /// Those without subscribers, in the order in which they were left.
    left: BTreeMap<u64, Channel>,
    leavings: u64,
}

#[derive(Debug)]
struct Known {
    log: Arc<Count>,
    /// When it was left, if it has no subscribers.
    left: Option<u64>,
}

impl Memory {
    /// `run` is another one each time that positions were lost: the start of a node.
    pub fn new(run: &str) -> Self {
        Self::keeping(run, KEPT / PARTS)
    }

    fn keeping(run: &str, kept: usize) -> Self {
        Self {
            parts: (0..PARTS).map(|_| Apart::default()).collect(),
            spread: RandomState::default(),
            run: run.into(),
            begun: AtomicU64::new(0),
            kept,
        }
    }

    fn part(&self, channel: &Channel) -> Option<MutexGuard<'_, Part>> {
        let place = self.spread.hash_one(channel.as_str()) as usize % PARTS;
        let Apart(part) = self.parts.get(place)?;
        Some(part.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(&self) -> Arc<Count> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        Arc::new(Count {
            epoch: format!("{}.{number:x}", self.run).into(),
            last: AtomicU64::new(0),
        })
    }
}

impl Broker for Memory {
    fn subscribe(&self, channel: &Channel) -> Arc<dyn Log> {
        let Some(mut part) = self.part(channel) else { return self.begin() };
        let Part { channels, left, .. } = &mut *part;
        let known = channels
            .entry(channel.clone())
            .or_insert_with(|| Known { log: self.begin(), left: None });
        if let Some(when) = known.left.take() {
            left.remove(&when);
        }
        Arc::clone(&known.log) as Arc<dyn Log>
    }

    fn unsubscribe(&self, channel: &Channel) {
        let Some(mut part) = self.part(channel) else { return };
        let Part { channels, left, leavings } = &mut *part;
        let Some(known) = channels.get_mut(channel) else { return };
        *leavings += 1;
        known.left = Some(*leavings);
        left.insert(*leavings, channel.clone());
        if left.len() > self.kept
            && let Some((_, longest)) = left.pop_first()
        {
            channels.remove(&longest);
        }
    }

    fn publish(&self, channel: &Channel) -> Position {
        let part = self.part(channel);
        let known = part.as_ref().and_then(|part| part.channels.get(channel));
        // What nobody is at and nobody was leaves nothing, and its position will never mean anything.
        let log = known.map_or_else(|| self.begin(), |known| Arc::clone(&known.log));
        let Published { offset, .. } = log.publish();
        Position { epoch: Arc::clone(&log.epoch), offset }
    }
}

/// A channel's numbers.
#[derive(Debug)]
struct Count {
    epoch: Arc<str>,
    last: AtomicU64,
}

impl Log for Count {
    fn publish(&self) -> Published {
        let prev = self.last.fetch_add(1, Ordering::Relaxed);
        Published { offset: prev + 1, prev }
    }

    fn position(&self) -> Position {
        Position { epoch: Arc::clone(&self.epoch), offset: self.last.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_go_on_where_they_were_when_the_last_subscriber_has_gone() {
        let memory = Memory::new("run");
        let room = Channel::from("room/1");
        let log = memory.subscribe(&room);
        assert_eq!(log.publish(), Published { offset: 1, prev: 0 });
        let epoch = log.position().epoch;
        memory.unsubscribe(&room);
        assert_eq!(memory.publish(&room), Position { epoch: epoch.clone(), offset: 2 });
        let again = memory.subscribe(&room);
        assert_eq!(again.position(), Position { epoch, offset: 2 }, "one was missed meanwhile");
        assert_eq!(again.publish(), Published { offset: 3, prev: 2 });
    }

    #[test]
    fn what_is_published_where_nobody_ever_was_leaves_nothing() {
        let memory = Memory::new("run");
        let nowhere = memory.publish(&"room/1".into());
        assert_eq!(nowhere.offset, 1);
        assert_ne!(memory.publish(&"room/1".into()).epoch, nowhere.epoch, "each is a beginning");
        assert!(memory.parts.iter().all(|Apart(part)| part.lock().unwrap().channels.is_empty()));
    }

    #[test]
    fn every_run_and_every_beginning_has_an_epoch_of_its_own() {
        let epoch = |memory: &Memory, name: &str| memory.subscribe(&name.into()).position().epoch;
        let (one, other) = (Memory::new("one"), Memory::new("other"));
        let epochs = [epoch(&one, "a"), epoch(&one, "b"), epoch(&other, "a")];
        assert!(epochs[0] != epochs[1] && epochs[0] != epochs[2], "{epochs:?}");
        assert_eq!(epoch(&one, "a"), epochs[0]);
    }

    proptest! {
        #[test]
        fn what_is_forgotten_is_what_was_left_longest(
            steps in proptest::collection::vec((0_u8..3, 0_usize..12), 0..200),
        ) {
            let memory = Memory::keeping("run", 1);
            // Of each channel: whether it is subscribed, and what its log is.
            let mut now: Vec<(bool, Option<Position>)> = vec![(false, None); 12];
            // Those without subscribers, of each part, in the order in which they were left.
            let mut left: HashMap<usize, Vec<usize>> = HashMap::new();
            let name = |number: usize| Channel::from(number.to_string());
            let part = |number: usize| {
                memory.spread.hash_one(name(number).as_str()) as usize % PARTS
            };
            for (step, number) in steps {
                let (subscribed, known) = &mut now[number];
                match step {
                    0 if !*subscribed => {
                        let log = memory.subscribe(&name(number));
                        if let Some(known) = known {
                            prop_assert_eq!(&log.position(), &*known);
                        } else {
                            prop_assert_eq!(log.position().offset, 0);
                        }
                        log.publish();
                        (*subscribed, *known) = (true, Some(log.position()));
                        left.entry(part(number)).or_default().retain(|other| *other != number);
                    }
                    1 if *subscribed => {
                        memory.unsubscribe(&name(number));
                        *subscribed = false;
                        let of_part = left.entry(part(number)).or_default();
                        of_part.push(number);
                        if of_part.len() > 1 {
                            now[of_part.remove(0)].1 = None;
                        }
                    }
                    2 if !*subscribed => {
                        memory.publish(&name(number));
                        if let Some(known) = known {
                            known.offset += 1;
                        }
                    }
                    _ => {}
                }
            }
            let all: usize = memory.parts.iter().map(|Apart(part)| part.lock().unwrap().channels.len()).sum();
            prop_assert_eq!(all, now.iter().filter(|(_, known)| known.is_some()).count());
        }
    }
}
