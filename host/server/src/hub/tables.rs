//! Connections by handle, by user, by channel. One lock guards them all: they must agree.
//!
//! Everybody waits for that lock, so nothing here takes longer the more connections there are: whatever looks at all of
//! them does so in the directory, part by part, and a channel's members, whom a publication may hold for long, are changed
//! when the lock is free again (see [`Membership`]). Order of locks: this one, then one of the directory's parts.

use super::{
    Link, Unwelcome,
    directory::Directory,
    fanout::{FanOut, Subscribers},
    link::{Client, Noted},
};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};
use tengen_core::channels::Channels;
use tengen_wire::id::{Channel, Handle, UserId};

type Links = HashMap<Handle, Arc<Link>, RandomState>;

#[derive(Debug)]
pub(super) struct Tables {
    /// Changed only here, and looked at by everybody without this lock.
    links: Arc<Directory>,
    open: usize,
    /// Connections whose sockets are there: open, about to open, or saying goodbye.
    sockets: usize,
    /// Handles given out for connections that are not open yet.
    reserved: HashSet<Handle, RandomState>,
    /// The newest connection of each client instance.
    clients: HashMap<Client, Handle>,
    users: HashMap<UserId, Crowd>,
    pub(super) channels: Channels<Arc<Link>, FanOut>,
    last_handle: u32,
    pub(super) draining: bool,
}

/// A user's connections: nearly always one, sometimes thousands.
#[derive(Debug)]
enum Crowd {
    One(Arc<Link>),
    Many(Links),
}

/// A channel's members, who have to be told of a connection's subscription or of its end.
#[derive(Debug)]
#[must_use = "the channel does not know of it yet"]
pub(super) struct Membership {
    channel: Channel,
    members: Arc<Mutex<Subscribers>>,
}

impl Membership {
    /// Makes the members agree with what the connection is subscribed to now. Waits for a publication that is under
    /// way, so nobody holds the tables meanwhile. Of two changes at once, the later to come here sees what both came to.
    pub(super) fn settle(&self, link: &Arc<Link>) {
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        if link.is_subscribed(&self.channel) {
            members.roster.insert(link.facts.handle, Arc::clone(link));
        } else {
            members.roster.remove(link.facts.handle);
        }
    }
}

impl Tables {
    pub(super) fn new(links: Arc<Directory>) -> Self {
        Self {
            links,
            open: 0,
            sockets: 0,
            reserved: HashSet::default(),
            clients: HashMap::new(),
            users: HashMap::new(),
            channels: Channels::default(),
            last_handle: 0,
            draining: false,
        }
    }

    /// Handles count up, so that one is not used again before four billion others were.
    pub(super) fn reserve(&mut self, max: usize) -> Result<Handle, Unwelcome> {
        if self.draining {
            return Err(Unwelcome::Draining);
        }
        // What is short is descriptors, and who says goodbye has one still.
        if self.sockets >= max {
            return Err(Unwelcome::Full);
        }
        loop {
            self.last_handle = self.last_handle.wrapping_add(1);
            let handle = Handle(self.last_handle);
            if !self.links.contains(handle) && self.reserved.insert(handle) {
                self.sockets += 1;
                return Ok(handle);
            }
        }
    }

    pub(super) fn release(&mut self, handle: Handle) {
        self.reserved.remove(&handle);
    }

    pub(super) fn gone(&mut self) {
        self.sockets = self.sockets.saturating_sub(1);
    }

    pub(super) fn insert(&mut self, link: Arc<Link>) {
        let handle = link.facts.handle;
        self.reserved.remove(&handle);
        if let Some(user) = &link.facts.user {
            self.join(&user.id, &link);
        }
        if self.draining {
            link.send_away();
        }
        if let Some(client) = link.client()
            && let Some(older) = self.clients.insert(client, handle)
            && let Some(older) = self.links.get(older)
        {
            older.supersede();
        }
        if self.links.insert(handle, link) {
            self.open += 1;
        }
    }

    fn join(&mut self, user: &UserId, link: &Arc<Link>) {
        match self.users.entry(user.clone()) {
            Entry::Vacant(entry) => drop(entry.insert(Crowd::One(Arc::clone(link)))),
            Entry::Occupied(mut entry) => entry.get_mut().add(Arc::clone(link)),
        }
    }

    /// What the channels have to be told of it is returned.
    pub(super) fn remove(&mut self, link: &Arc<Link>) -> Vec<Membership> {
        let handle = link.facts.handle;
        if self.links.remove(handle) {
            self.open -= 1;
        }
        if let Some(client) = link.client()
            && self.clients.get(&client) == Some(&handle)
        {
            self.clients.remove(&client);
        }
        if let Some(user) = &link.facts.user
            && let Some(crowd) = self.users.get_mut(&user.id)
            && crowd.remove(handle)
        {
            self.users.remove(&user.id);
        }
        let channels = link.take_subscriptions().into_iter();
        channels.filter_map(|channel| self.left(channel)).collect()
    }

    /// Whether the connection is subscribed now, and what its channel has to be told of that. One that has just gone
    /// cannot subscribe any more, nor can one that has `max` subscriptions.
    pub(super) fn subscribe(
        &mut self,
        link: &Arc<Link>,
        channel: &Channel,
        max: usize,
    ) -> (bool, Option<Membership>) {
        if !self.links.contains(link.facts.handle) {
            return (false, None);
        }
        match link.note_subscription(channel, max) {
            Noted::Full => (false, None),
            Noted::Already => (true, None),
            Noted::New => {
                let members = self.channels.join(channel);
                (true, Some(Membership { channel: channel.clone(), members }))
            }
        }
    }

    /// What the channel has to be told; none when the connection was not subscribed.
    pub(super) fn unsubscribe(&mut self, link: &Link, channel: &Channel) -> Option<Membership> {
        if !link.forget_subscription(channel) {
            return None;
        }
        self.left(channel.clone())
    }

    fn left(&mut self, channel: Channel) -> Option<Membership> {
        let members = self.channels.leave(&channel)?;
        Some(Membership { channel, members })
    }

    pub(super) fn of_user(&self, user: &str) -> impl Iterator<Item = &Arc<Link>> {
        let (one, many) = match self.users.get(user) {
            None => (None, None),
            Some(Crowd::One(link)) => (Some(link), None),
            Some(Crowd::Many(links)) => (None, Some(links.values())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    pub(super) fn len(&self) -> usize {
        self.open + self.reserved.len()
    }

    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    pub(super) fn closing(&self) -> usize {
        self.sockets.saturating_sub(self.len())
    }
}

impl Crowd {
    fn add(&mut self, link: Arc<Link>) {
        if let Self::One(first) = self {
            let first = (first.facts.handle, Arc::clone(first));
            *self = Self::Many(Links::from_iter([first]));
        }
        if let Self::Many(links) = self {
            links.insert(link.facts.handle, link);
        }
    }

    /// True: nobody is left.
    fn remove(&mut self, handle: Handle) -> bool {
        match self {
            Self::One(link) => link.facts.handle == handle,
            Self::Many(links) => {
                links.remove(&handle);
                links.is_empty()
            }
        }
    }
}
