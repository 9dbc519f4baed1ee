//! The bounded queue between everybody who writes to a connection and its socket.
//!
//! A plain state machine: no task, no timer, no lock. Control frames (handshake, ping, pong) go ahead of data and have
//! a bound of their own; data leaves in the order in which it was offered.

use crate::trace::Span;
use std::{collections::VecDeque, num::NonZeroUsize, sync::Arc};
use tengen_settings::{Outbox as Limits, WhenFull};
use tengen_wire::{id::Channel, transport::Framed};

/// What a frame costs beside its bytes, about.
const FRAME: usize = 128;
/// Control frames that may wait. A peer that sends pings faster than it reads pongs gets fewer pongs.
pub const CONTROL_MAX: usize = 16;

/// A data frame on its way out, ready for the connection's transport.
#[derive(Debug, Clone)]
pub struct Item {
    pub frame: Framed,
    /// The channel it was published to: what `latest` replaces by.
    pub channel: Option<Channel>,
    /// The delivery's span, shared by all receivers; ends with the last write.
    pub span: Option<Arc<Span>>,
}

/// What became of an offered frame.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
#[must_use = "a loss has to be counted, a full outbox closes its connection"]
pub enum Offered {
    Queued,
    /// Queued, at the cost of so many older frames.
    Displaced(u32),
    /// Not queued.
    Dropped,
    /// Not queued, and the policy is to close the connection.
    Full,
}

/// What of the limits an outbox itself goes by: each connection has a copy.
#[derive(Debug)]
struct Bounds {
    events: NonZeroUsize,
    bytes: NonZeroUsize,
    when_full: WhenFull,
}

impl Bounds {
    fn of(limits: Limits) -> Self {
        let Limits { events, bytes, when_full, .. } = limits;
        Self { events, bytes, when_full }
    }
}

#[derive(Debug)]
pub struct Outbox {
    control: VecDeque<Framed>,
    data: VecDeque<Item>,
    bytes: usize,
    limits: Bounds,
}

impl Outbox {
    pub fn new(limits: Limits) -> Self {
        Self {
            control: VecDeque::new(),
            data: VecDeque::new(),
            bytes: 0,
            limits: Bounds::of(limits),
        }
    }

    /// Offers a data frame; never holds more than the limits. An empty outbox takes any one frame, whatever its size.
    pub fn offer(&mut self, item: Item) -> Offered {
        let size = item.frame.body.len();
        if self.fits(size) {
            self.push(item);
            return Offered::Queued;
        }
        match self.limits.when_full {
            WhenFull::Close | WhenFull::DropNewest => self.refuse(),
            WhenFull::DropOldest => {
                let mut displaced = 0;
                while !self.fits(size) && self.remove(0) {
                    displaced += 1;
                }
                self.push(item);
                Offered::Displaced(displaced)
            }
            WhenFull::Latest => {
                let older = item.channel.as_ref().and_then(|channel| self.position_of(channel));
                match older {
                    Some(place) if self.fits_instead(place, size) && self.remove(place) => {
                        self.push(item);
                        Offered::Displaced(1)
                    }
                    _ => Offered::Dropped,
                }
            }
        }
    }

    /// Offers a control frame; false when too many wait already.
    #[must_use = "a control frame that was not taken has to be counted"]
    pub fn offer_control(&mut self, frame: Framed) -> bool {
        let fits = self.control.len() < CONTROL_MAX;
        if fits {
            self.control.push_back(frame);
        }
        fits
    }

    /// The next frame to write, control before data.
    pub fn pop(&mut self) -> Option<Item> {
        if let Some(frame) = self.control.pop_front() {
            if self.control.is_empty() {
                // Control frames are rare, and most connections wait for long.
                self.control = VecDeque::new();
            }
            return Some(Item { frame, channel: None, span: None });
        }
        let item = self.data.pop_front()?;
        self.bytes -= item.frame.body.len();
        if self.data.is_empty() && self.data.capacity() > 64 {
            // A burst is over: its memory goes back.
            self.data = VecDeque::new();
        }
        Some(item)
    }

    /// Data frames that wait.
    pub fn depth(&self) -> usize {
        self.data.len()
    }

    /// What all frames that wait take up, about.
    pub fn held(&self) -> usize {
        self.bytes + (self.data.len() + self.control.len()) * FRAME
    }

    /// Refuses a data frame as if the outbox were full; what waits stays.
    pub fn refuse(&mut self) -> Offered {
        match self.limits.when_full {
            WhenFull::Close => Offered::Full,
            _ => Offered::Dropped,
        }
    }

    /// Gives up everything that waits. Returns how many data frames.
    pub fn give_up(&mut self) -> u64 {
        let lost = self.data.len() as u64;
        self.control = VecDeque::new();
        self.data = VecDeque::new();
        self.bytes = 0;
        lost
    }

    /// Bytes of the data frames that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.data.is_empty() && self.control.is_empty()
    }

    fn fits(&self, size: usize) -> bool {
        self.data.is_empty()
            || (self.data.len() < self.limits.events.get()
                && self.bytes.saturating_add(size) <= self.limits.bytes.get())
    }

    /// Whether so much fits in the place of this one; what does not costs nothing that waits.
    fn fits_instead(&self, place: usize, size: usize) -> bool {
        let freed = self.data.get(place).map_or(0, |item| item.frame.body.len());
        let others = self.bytes.saturating_sub(freed);
        self.data.len() == 1 || others.saturating_add(size) <= self.limits.bytes.get()
    }

    fn push(&mut self, item: Item) {
        self.bytes += item.frame.body.len();
        self.data.push_back(item);
    }

    fn remove(&mut self, place: usize) -> bool {
        let Some(item) = self.data.remove(place) else { return false };
        self.bytes -= item.frame.body.len();
        true
    }

    fn position_of(&self, channel: &Channel) -> Option<usize> {
        self.data.iter().position(|item| item.channel.as_ref() == Some(channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn outbox(when_full: WhenFull) -> Outbox {
        let two = NonZeroUsize::new(2).unwrap();
        let ten = NonZeroUsize::new(10).unwrap();
        Outbox::new(Limits { events: two, bytes: ten, when_full, ..Limits::default() })
    }

    fn frame(text: &'static str) -> Framed {
        Framed::whole(Bytes::from_static(text.as_bytes()))
    }

    fn item(text: &'static str) -> Item {
        Item { frame: frame(text), channel: text.get(..1).map(Channel::from), span: None }
    }

    fn drained(outbox: &mut Outbox) -> Vec<String> {
        std::iter::from_fn(|| outbox.pop())
            .map(|item| String::from_utf8_lossy(&item.frame.body).into_owned())
            .collect()
    }

    #[track_caller]
    fn check(when_full: WhenFull, third: &'static str, offered: Offered, left: &[&str]) {
        let mut outbox = outbox(when_full);
        assert_eq!(outbox.offer(item("a1")), Offered::Queued);
        assert_eq!(outbox.offer(item("b1")), Offered::Queued);
        assert_eq!(outbox.offer(item(third)), offered);
        assert_eq!(drained(&mut outbox), left);
    }

    #[test]
    fn third_frame_in_an_outbox_of_two() {
        check(WhenFull::Close, "c1", Offered::Full, &["a1", "b1"]);
        check(WhenFull::DropNewest, "c1", Offered::Dropped, &["a1", "b1"]);
        check(WhenFull::DropOldest, "c1", Offered::Displaced(1), &["b1", "c1"]);
        check(WhenFull::Latest, "a2", Offered::Displaced(1), &["b1", "a2"]);
        check(WhenFull::Latest, "c1", Offered::Dropped, &["a1", "b1"]);
        // Too large even without the older one, which stays then.
        check(WhenFull::Latest, "a-nine-by", Offered::Dropped, &["a1", "b1"]);
    }

    #[test]
    fn bytes_are_a_limit_too_but_an_empty_outbox_takes_any_one_frame() {
        let mut outbox = outbox(WhenFull::Close);
        assert_eq!(outbox.offer(item("a-long-frame-of-24-bytes")), Offered::Queued);
        assert_eq!(outbox.offer(item("b")), Offered::Full);
    }

    #[test]
    fn control_goes_ahead_of_data_and_is_bounded() {
        let mut outbox = outbox(WhenFull::Close);
        assert_eq!(outbox.offer(item("data")), Offered::Queued);
        for _ in 0..CONTROL_MAX {
            assert!(outbox.offer_control(frame("pong")));
        }
        assert!(!outbox.offer_control(frame("pong")));
        assert_eq!(drained(&mut outbox).iter().position(|text| text == "data"), Some(CONTROL_MAX));
    }

    proptest! {
        #[test]
        fn limits_hold_and_every_frame_is_accounted_for(
            sizes in proptest::collection::vec(0_usize..8, 0..200),
            policy in 0..4,
            pops in proptest::collection::vec(any::<bool>(), 200),
        ) {
            let when_full = [WhenFull::Close, WhenFull::DropNewest, WhenFull::DropOldest, WhenFull::Latest][policy as usize];
            let mut outbox = outbox(when_full);
            let (mut taken, mut dropped) = (0, 0);
            for (size, pop) in sizes.iter().zip(pops) {
                let text = "abcdefgh".get(..*size).unwrap();
                let offered = outbox.offer(item(text));
                prop_assert!(offered != Offered::Full || when_full == WhenFull::Close);
                dropped += match offered {
                    Offered::Queued => 0,
                    Offered::Displaced(older) => older as usize,
                    Offered::Dropped | Offered::Full => 1,
                };
                prop_assert!(outbox.depth() <= 2);
                prop_assert!(outbox.bytes <= 10 || outbox.depth() == 1);
                if pop {
                    taken += usize::from(outbox.pop().is_some());
                }
            }
            prop_assert_eq!(sizes.len(), taken + dropped + outbox.depth());
        }
    }
}
