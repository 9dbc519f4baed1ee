//! Who is subscribed to what.

use crate::id::{Channel, Handle};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

/// One channel's subscribers and its count of publications.
///
/// The lock makes offsets and deliveries one order: whoever publishes holds it until everybody has got the frame.
#[derive(Debug)]
pub struct Members<T> {
    pub subscribers: HashMap<Handle, T>,
    /// Of the last publication; the first one is 1.
    pub offset: u64,
}

/// All channels with at least one subscriber. A channel without one is forgotten, and with it its offset.
///
/// They are counted here and listed in [`Members`]: a publication may hold those for long, and nobody has to wait for that
/// to come or go.
#[derive(Debug)]
pub struct Channels<T> {
    by_name: HashMap<Channel, Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    count: usize,
    members: Arc<Mutex<Members<T>>>,
}

impl<T> Default for Channels<T> {
    fn default() -> Self {
        Self { by_name: HashMap::new() }
    }
}

impl<T> Channels<T> {
    /// One more subscriber: who calls this puts it into the members.
    pub fn join(&mut self, channel: &Channel) -> Arc<Mutex<Members<T>>> {
        let entry = self.by_name.entry(channel.clone()).or_insert_with(|| {
            let members = Members { subscribers: HashMap::new(), offset: 0 };
            Entry { count: 0, members: Arc::new(Mutex::new(members)) }
        });
        entry.count += 1;
        Arc::clone(&entry.members)
    }

    /// One subscriber less: who calls this takes it out of the members. None: there was none.
    pub fn leave(&mut self, channel: &str) -> Option<Arc<Mutex<Members<T>>>> {
        let entry = self.by_name.get_mut(channel)?;
        let members = Arc::clone(&entry.members);
        entry.count -= 1;
        if entry.count == 0 {
            self.by_name.remove(channel);
        }
        Some(members)
    }

    pub fn members(&self, channel: &str) -> Option<Arc<Mutex<Members<T>>>> {
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

    #[test]
    fn a_channel_lives_from_its_first_subscriber_to_its_last() {
        let mut channels = Channels::default();
        let room = Channel::from("room/1");
        assert!(channels.members("room/1").is_none());
        let members = channels.join(&room);
        members.lock().unwrap().subscribers.insert(Handle(1), "a");
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
        let mut channels = Channels::<()>::default();
        let room = Channel::from("room/1");
        let members = channels.join(&room);
        let _publishing = members.lock().unwrap();
        channels.join(&room);
        assert!(channels.leave("room/1").is_some() && channels.leave("room/1").is_some());
        assert!(channels.is_empty());
    }
}
