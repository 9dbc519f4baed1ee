//! Channels by themselves, with members that are only numbers.

use super::*;
use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
};
use tengen_core::broker::memory::Memory;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct One(u32);

impl Member for One {
    fn handle(&self) -> Handle {
        Handle(self.0)
    }
}

fn channels() -> Channels<One, (), ()> {
    Channels::new(Arc::new(Memory::new("test")))
}

fn join(channels: &Channels<One, (), ()>, channel: &Channel, number: u32) -> bool {
    let mut first = false;
    let joined = channels.join(channel, || Ok::<_, ()>(One(number)), || first = true);
    joined.is_ok() && first
}

fn leave(channels: &Channels<One, (), ()>, channel: &Channel, number: u32) -> bool {
    let mut last = false;
    channels.leave(channel, Handle(number), |_| true, || last = true);
    last
}

#[test]
fn the_first_and_the_last_are_known_and_the_position_outlives_them() {
    let (channels, room) = (channels(), Channel::from("room"));
    assert!(channels.find_to_publish(&room).is_err());
    assert!(join(&channels, &room, 1) && !join(&channels, &room, 2));
    let open = channels.find(&room).unwrap();
    let (members, published) = open.publish().unwrap();
    assert_eq!((members.len(), published), (2, Published { offset: 1, prev: 0 }));
    assert!(!leave(&channels, &room, 1) && leave(&channels, &room, 2));
    assert!(!leave(&channels, &room, 2), "it has left already");
    assert_eq!(channels.len(), 0);
    assert!(open.publish().is_none(), "it is looked up again");
    assert!(channels.find_to_publish(&room).is_err());
    assert!(join(&channels, &room, 3));
    let again = channels.find(&room).unwrap().publish().unwrap().1;
    assert_eq!(again.offset, 3, "two were published before");
}

#[test]
fn who_is_refused_leaves_no_channel_behind() {
    let (channels, room) = (channels(), Channel::from("room"));
    let refused = channels.join(&room, || Err("no"), || panic!("nobody came"));
    assert_eq!((refused, channels.len()), (Err("no"), 0));
}

/// Everybody who does anything else than publishing goes on while somebody delivers, for however long that takes.
#[test]
fn who_looks_up_comes_or_goes_does_not_wait_for_who_delivers() {
    let (channels, room) = (channels(), Channel::from("room"));
    for number in 0..1000 {
        join(&channels, &room, number);
    }
    let open = channels.find(&room).unwrap();
    let line = open.line();
    let (members, _) = open.publish().unwrap();
    // Would any of these wait, this would not end.
    for number in 0..1000 {
        leave(&channels, &room, number);
    }
    assert!(channels.find(&room).is_none());
    assert!(join(&channels, &room, 5000));
    assert_eq!(channels.find(&room).unwrap().members().len(), 1);
    assert_eq!((channels.len(), members.iter().count()), (1, 1000));
    drop(line);
}

/// The last leaves and the first comes at once, again and again: it is told in turn, and agrees with what there is.
#[test]
fn first_and_last_are_told_in_turn_however_many_come_and_go_at_once() {
    let (channels, room) = (channels(), Channel::from("room"));
    let (occupied, turns) = (AtomicBool::new(false), AtomicU32::new(0));
    let told = |now: bool| {
        assert_ne!(occupied.swap(now, Ordering::Relaxed), now, "twice the same");
        turns.fetch_add(1, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        for number in 0..4 {
            let (channels, room, told) = (&channels, &room, &told);
            scope.spawn(move || {
                for _ in 0..3000 {
                    channels.join(room, || Ok::<_, ()>(One(number)), || told(true)).unwrap();
                    channels.leave(room, Handle(number), |_| true, || told(false));
                }
            });
        }
    });
    assert!(!occupied.load(Ordering::Relaxed) && turns.load(Ordering::Relaxed) >= 2);
    assert_eq!(channels.len(), 0);
}

/// Numbers and members go together: whoever was in when a number was given is meant by it, and nobody misses one.
#[test]
fn no_number_is_given_to_a_channel_whose_members_have_left() {
    let (channels, room) = (channels(), Channel::from("room"));
    let published = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..2000 {
                if let Ok(open) = channels.find_to_publish(&room)
                    && let Some((members, _)) = open.publish()
                {
                    assert!(!members.is_empty());
                    published.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        scope.spawn(|| {
            for _ in 0..2000 {
                join(&channels, &room, 1);
                leave(&channels, &room, 1);
            }
        });
    });
    assert_eq!(channels.len(), 0);
}

/// A member that writes down what it is told and what it gets.
#[derive(Debug, Clone)]
struct Listener(u32, Arc<Mutex<Vec<u64>>>);

impl Member for Listener {
    fn handle(&self) -> Handle {
        Handle(self.0)
    }
}

/// However fast others publish: who comes is told a place, and then gets the one behind it, and the one behind that.
#[test]
fn who_comes_is_told_where_it_begins_before_it_gets_anything() {
    let channels = Channels::<Listener, (), ()>::new(Arc::new(Memory::new("test")));
    let (room, over) = (Channel::from("room"), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let Ok(open) = channels.find_to_publish(&room) else { continue };
                let _line = open.line();
                let Some((members, published)) = open.publish() else { continue };
                members.iter().for_each(|Listener(_, heard)| lock(heard).push(published.offset));
            }
        });
        for number in 0..2000 {
            let heard = Arc::<Mutex<Vec<u64>>>::default();
            let take = || Ok::<_, ()>(Listener(number, Arc::clone(&heard)));
            let tell = |position: Position| lock(&heard).push(position.offset);
            channels.join_told(&room, take, || {}, tell).unwrap();
            // Some come to a channel where somebody is, and some to one that everybody has left.
            let stays = number % 3 != 0;
            while stays && lock(&heard).len() < 3 {
                thread::yield_now();
            }
            channels.leave(&room, Handle(number), |_| true, || {});
            let heard = lock(&heard);
            let first = heard[0];
            let expected: Vec<_> = (first..).take(heard.len()).collect();
            assert_eq!(*heard, expected, "number {number}");
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn who_is_refused_is_told_nothing() {
    let (channels, room) = (channels(), Channel::from("room"));
    for _ in 0..2 {
        let told = |position| panic!("{position:?}");
        let refused = channels.join_told(&room, || Err("no"), || panic!("nobody came"), told);
        assert_eq!(refused, Err("no"));
        join(&channels, &room, 1);
    }
}
