//! Who is subscribed to what.

use crate::id::{Channel, Handle};
use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
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
#[derive(Debug)]
pub struct Channels<T> {
    by_name: HashMap<Channel, Arc<Mutex<Members<T>>>>,
}

impl<T> Default for Channels<T> {
    fn default() -> Self {
        Self { by_name: HashMap::new() }
    }
}

impl<T> Channels<T> {
    /// False when the connection was a subscriber already.
    pub fn subscribe(&mut self, channel: &Channel, handle: Handle, member: T) -> bool {
        let members = self.by_name.entry(channel.clone()).or_insert_with(|| {
            Arc::new(Mutex::new(Members { subscribers: HashMap::new(), offset: 0 }))
        });
        let mut members = members.lock().unwrap_or_else(PoisonError::into_inner);
        members.subscribers.insert(handle, member).is_none()
    }

    /// False when the connection was no subscriber.
    pub fn unsubscribe(&mut self, channel: &Channel, handle: Handle) -> bool {
        let Entry::Occupied(entry) = self.by_name.entry(channel.clone()) else { return false };
        let mut members = entry.get().lock().unwrap_or_else(PoisonError::into_inner);
        let was_subscriber = members.subscribers.remove(&handle).is_some();
        let empty = members.subscribers.is_empty();
        drop(members);
        if empty {
            entry.remove();
        }
        was_subscriber
    }

    pub fn members(&self, channel: &str) -> Option<Arc<Mutex<Members<T>>>> {
        self.by_name.get(channel).map(Arc::clone)
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
        assert!(channels.subscribe(&room, Handle(1), "a"));
        assert!(!channels.subscribe(&room, Handle(1), "a"), "twice is once");
        assert!(channels.subscribe(&room, Handle(2), "b"));
        assert!(channels.unsubscribe(&room, Handle(1)));
        assert!(!channels.unsubscribe(&room, Handle(1)));
        assert_eq!(channels.len(), 1);
        assert!(channels.unsubscribe(&room, Handle(2)));
        assert!(channels.is_empty());
        assert!(!channels.unsubscribe(&room, Handle(2)));
    }
}
