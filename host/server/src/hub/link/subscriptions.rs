//! What one connection is subscribed to, as it knows itself: in this, and nowhere else, it is decided.
//!
//! A channel's members are changed behind it, and a fan-out goes by members of a moment that is past. So each subscription has
//! a number, by which who delivers knows whether the member that it met is one still.

use tengen_wire::id::Channel;

/// A connection's subscriptions.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    /// In order, so that each is found quickly among however many.
    all: Vec<Subscription>,
    /// The number of the last one that began, and of the last one that had begun when one ended.
    last: u32,
    before_end: u32,
    /// The connection is over.
    is_over: bool,
}

#[derive(Debug)]
struct Subscription {
    channel: Channel,
    since: Since,
    /// The client has asked for it, or where it is in it: it knows of it.
    is_known: bool,
}

/// A subscription that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) struct Forgotten {
    pub(in crate::hub) since: Since,
    /// Whether the client knew of it.
    pub(in crate::hub) was_known: bool,
}

/// Which subscription of its connection one is: they are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) struct Since(u32);

/// What came of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::hub) enum Noted {
    New(Since),
    /// Noting one twice is noting it once.
    Already,
    /// There would be too many.
    Full,
    /// The connection has ended.
    Over,
}

impl Subscriptions {
    /// Takes a note of a subscription; there may be `max`.
    pub(super) fn note(&mut self, channel: &Channel, max: usize) -> Noted {
        if self.is_over {
            return Noted::Over;
        }
        match self.find(channel) {
            Ok(_) => Noted::Already,
            Err(_) if self.all.len() >= max => Noted::Full,
            Err(place) => {
                self.last = self.last.wrapping_add(1);
                let (channel, since) = (channel.clone(), Since(self.last));
                self.all.insert(place, Subscription { channel, since, is_known: false });
                Noted::New(Since(self.last))
            }
        }
    }

    /// The client is told of it.
    pub(super) fn tell(&mut self, channel: &Channel) {
        let place = self.find(channel).ok();
        if let Some(told) = place.and_then(|place| self.all.get_mut(place)) {
            told.is_known = true;
        }
    }

    /// Which one it was; none when there was none.
    pub(super) fn forget(&mut self, channel: &Channel) -> Option<Forgotten> {
        let place = self.find(channel).ok()?;
        self.before_end = self.last;
        let Subscription { since, is_known: was_known, .. } = self.all.remove(place);
        Some(Forgotten { since, was_known })
    }

    /// All of them end, and there are no more.
    pub(super) fn end(&mut self) -> Vec<(Channel, Since)> {
        self.is_over = true;
        self.before_end = self.last;
        let all = std::mem::take(&mut self.all);
        all.into_iter().map(|Subscription { channel, since, .. }| (channel, since)).collect()
    }

    /// Whether this one has not ended. Asked for each delivery: mostly none has ended since it began, and then nothing is
    /// looked for.
    pub(super) fn has(&self, channel: &Channel, since: Since) -> bool {
        since.0 > self.before_end
            || self.find(channel).is_ok_and(|place| {
                self.all.get(place).is_some_and(|subscribed| subscribed.since == since)
            })
    }

    pub(super) fn channels(&self) -> Vec<Channel> {
        self.all.iter().map(|subscribed| subscribed.channel.clone()).collect()
    }

    pub(super) fn contains(&self, channel: &Channel) -> bool {
        self.find(channel).is_ok()
    }

    fn find(&self, channel: &Channel) -> Result<usize, usize> {
        self.all.binary_search_by(|subscribed| subscribed.channel.cmp(channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn new(noted: Noted) -> Since {
        let Noted::New(since) = noted else { panic!("{noted:?}") };
        since
    }

    #[test]
    fn a_subscription_is_the_one_that_began_and_not_a_later_one_of_its_name() {
        let mut all = Subscriptions::default();
        let (a, b) = (Channel::from("a"), Channel::from("b"));
        let (of_a, of_b) = (new(all.note(&a, 2)), new(all.note(&b, 2)));
        assert_eq!(all.note(&a, 2), Noted::Already);
        assert_eq!(all.note(&"c".into(), 2), Noted::Full);
        assert!(all.has(&a, of_a) && all.has(&b, of_b));
        all.tell(&b);
        assert_eq!(all.forget(&a), Some(Forgotten { since: of_a, was_known: false }));
        assert_eq!(all.forget(&a), None);
        assert!(!all.has(&a, of_a) && all.has(&b, of_b));
        let again = new(all.note(&a, 2));
        assert!(all.has(&a, again) && !all.has(&a, of_a));
        assert_eq!(all.end(), [(a.clone(), again), (b.clone(), of_b)]);
        assert!(!all.has(&a, again) && !all.has(&b, of_b));
        assert_eq!(all.note(&a, 2), Noted::Over);
    }
}
