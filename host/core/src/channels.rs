//! Who is subscribed to what.

use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, VecDeque},
    ops::Range,
    sync::{Arc, Mutex},
};
use tengen_wire::id::{Channel, Handle};

/// One channel's subscribers and its count of publications.
///
/// The lock makes offsets and deliveries one order: whoever publishes holds it until everybody has got the frame, or puts
/// the publication behind those that are under way.
#[derive(Debug)]
pub struct Members<T, P> {
    pub roster: Roster<T>,
    /// Of the last publication; the first one is 1.
    pub offset: u64,
    /// Publications that some subscribers have not got yet, in the order of their offsets. One begins to be delivered
    /// when the one before it is.
    pub under_way: VecDeque<P>,
}

/// Subscribers in the order in which they came, so that a walk through them can stop and go on.
#[derive(Debug)]
pub struct Roster<T> {
    order: Vec<Option<(Handle, T)>>,
    places: HashMap<Handle, usize, RandomState>,
    /// Walks that have not ended: until they do, nobody changes places.
    walks: usize,
    /// Places of those who left meanwhile.
    left: Vec<usize>,
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Self { order: Vec::new(), places: HashMap::default(), walks: 0, left: Vec::new() }
    }
}

impl<T> Roster<T> {
    /// False when it was in already: its place stays.
    pub fn insert(&mut self, handle: Handle, member: T) -> bool {
        if let Some(place) = self.places.get(&handle) {
            if let Some(entry) = self.order.get_mut(*place) {
                *entry = Some((handle, member));
            }
            return false;
        }
        self.places.insert(handle, self.order.len());
        self.order.push(Some((handle, member)));
        true
    }

    /// False when it was not in.
    pub fn remove(&mut self, handle: Handle) -> bool {
        let Some(place) = self.places.remove(&handle) else { return false };
        if let Some(entry) = self.order.get_mut(place) {
            *entry = None;
        }
        self.left.push(place);
        self.tidy();
        true
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        self.order.iter().flatten().map(|(handle, member)| (*handle, member))
    }

    /// Begins a walk through those who are in now: to be ended by [`Roster::end_walk`].
    pub fn begin_walk(&mut self) -> Range<usize> {
        self.walks += 1;
        0..self.order.len()
    }

    /// Those who are still in, of this part of a walk.
    pub fn part(&self, part: Range<usize>) -> impl Iterator<Item = (Handle, &T)> {
        let part = self.order.get(part).unwrap_or_default();
        part.iter().flatten().map(|(handle, member)| (*handle, member))
    }

    pub fn end_walk(&mut self) {
        self.walks = self.walks.saturating_sub(1);
        self.tidy();
    }

    /// How many places nobody has.
    pub fn gaps(&self) -> usize {
        self.left.len()
    }

    /// The last ones take the places of those who left, unless somebody walks.
    fn tidy(&mut self) {
        if self.walks > 0 {
            return;
        }
        // From behind: what moves into a gap is then never a gap itself.
        self.left.sort_unstable();
        while let Some(place) = self.left.pop() {
            self.order.swap_remove(place);
            if let Some(Some((handle, _))) = self.order.get(place) {
                self.places.insert(*handle, place);
            }
        }
        if self.order.capacity() > 4 * self.order.len() + 16 {
            self.order.shrink_to(2 * self.order.len());
            self.left = Vec::new();
        }
    }
}

/// All channels with at least one subscriber. A channel without one is forgotten, and with it its offset.
///
/// They are counted here and listed in [`Members`]: a publication may hold those for long, and nobody has to wait for that
/// to come or go.
#[derive(Debug)]
pub struct Channels<T, P> {
    by_name: HashMap<Channel, Entry<T, P>>,
}

#[derive(Debug)]
struct Entry<T, P> {
    count: usize,
    members: Arc<Mutex<Members<T, P>>>,
}

impl<T, P> Default for Channels<T, P> {
    fn default() -> Self {
        Self { by_name: HashMap::new() }
    }
}

impl<T, P> Default for Members<T, P> {
    fn default() -> Self {
        Self { roster: Roster::default(), offset: 0, under_way: VecDeque::new() }
    }
}

impl<T, P> Channels<T, P> {
    /// One more subscriber: who calls this puts it into the members.
    pub fn join(&mut self, channel: &Channel) -> Arc<Mutex<Members<T, P>>> {
        let entry = self
            .by_name
            .entry(channel.clone())
            .or_insert_with(|| Entry { count: 0, members: Arc::default() });
        entry.count += 1;
        Arc::clone(&entry.members)
    }

    /// One subscriber less: who calls this takes it out of the members. None: there was none.
    pub fn leave(&mut self, channel: &str) -> Option<Arc<Mutex<Members<T, P>>>> {
        let entry = self.by_name.get_mut(channel)?;
        let members = Arc::clone(&entry.members);
        entry.count -= 1;
        if entry.count == 0 {
            self.by_name.remove(channel);
        }
        Some(members)
    }

    pub fn members(&self, channel: &str) -> Option<Arc<Mutex<Members<T, P>>>> {
        self.by_name.get(channel).map(|entry| Arc::clone(&entry.members))
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_channel_lives_from_its_first_subscriber_to_its_last() {
        let mut channels = Channels::<_, ()>::default();
        let room = Channel::from("room/1");
        assert!(channels.members("room/1").is_none());
        let members = channels.join(&room);
        assert!(members.lock().unwrap().roster.insert(Handle(1), "a"));
        assert!(Arc::ptr_eq(&members, &channels.join(&room)), "the second comes to the first");
        assert!(channels.leave("room/1").is_some());
        assert_eq!(channels.len(), 1);
        assert!(channels.leave("room/1").is_some());
        assert!(channels.is_empty());
        assert!(channels.leave("room/1").is_none());
        assert!(!Arc::ptr_eq(&members, &channels.join(&room)), "a new one has nothing of the old");
    }

    #[test]
    fn nobody_waits_for_a_publication_to_come_or_go() {
        let mut channels = Channels::<(), ()>::default();
        let room = Channel::from("room/1");
        let members = channels.join(&room);
        let _publishing = members.lock().unwrap();
        channels.join(&room);
        assert!(channels.leave("room/1").is_some() && channels.leave("room/1").is_some());
        assert!(channels.is_empty());
    }

    #[test]
    fn a_walk_meets_nobody_twice_and_nobody_who_came_or_left_meanwhile() {
        let mut roster = Roster::default();
        (0..10).for_each(|number| assert!(roster.insert(Handle(number), ())));
        let walk = roster.begin_walk();
        let met = |roster: &Roster<()>, part| {
            roster.part(part).map(|(handle, ())| handle.0).collect::<Vec<_>>()
        };
        assert_eq!(met(&roster, 0..4), [0, 1, 2, 3]);
        assert!(roster.remove(Handle(1)) && roster.remove(Handle(6)));
        assert!(roster.insert(Handle(10), ()) && roster.insert(Handle(1), ()));
        assert_eq!(met(&roster, 4..walk.end), [4, 5, 7, 8, 9]);
        roster.end_walk();
        let mut all = roster.iter().map(|(handle, ())| handle.0).collect::<Vec<_>>();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 7, 8, 9, 10]);
        assert_eq!(roster.gaps(), 0, "the gaps are closed after the walk");
    }

    proptest! {
        #[test]
        fn a_roster_is_a_set(steps in proptest::collection::vec((0..4, 0_u32..20), 0..200)) {
            let (mut roster, mut model) = (Roster::default(), std::collections::BTreeSet::new());
            let mut walks = 0;
            for (step, number) in steps {
                match step {
                    0 => prop_assert_eq!(roster.insert(Handle(number), number), model.insert(number)),
                    1 => prop_assert_eq!(roster.remove(Handle(number)), model.remove(&number)),
                    2 => {
                        roster.begin_walk();
                        walks += 1;
                    }
                    _ if walks > 0 => {
                        roster.end_walk();
                        walks -= 1;
                    }
                    _ => {}
                }
                let mut members = roster.iter().map(|(_, number)| *number).collect::<Vec<_>>();
                members.sort_unstable();
                prop_assert_eq!(&members, &model.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(roster.len(), model.len());
                prop_assert!(walks > 0 || roster.gaps() == 0);
            }
        }
    }
}
