//! Connections by handle and by user. One lock guards both: they must agree.
//!
//! Everybody waits for that lock, so nothing here takes longer the more connections there are: whatever looks at all of
//! them does so in the directory, part by part. Channels have an owner of their own (`crate::channels`). Order of locks: this
//! one, then one of the directory's parts; never one of the channels'.

use super::{Link, Unwelcome, directory::Directory, link::Client};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};
use tengen_wire::id::{EndpointIndex, Handle, UserId};

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
    last_handle: u32,
    pub(super) draining: bool,
}

/// A user's connections: nearly always one, sometimes thousands.
#[derive(Debug)]
enum Crowd {
    One(Arc<Link>),
    Many(Box<Many>),
}

#[derive(Debug)]
struct Many {
    links: Links,
    /// How many of them each endpoint has; there are few.
    endpoints: Vec<(EndpointIndex, usize)>,
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

    pub(super) fn remove(&mut self, link: &Arc<Link>) {
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
    }

    pub(super) fn of_user(&self, user: &str) -> impl Iterator<Item = &Arc<Link>> {
        let (one, many) = match self.users.get(user) {
            None => (None, None),
            Some(Crowd::One(link)) => (Some(link), None),
            Some(Crowd::Many(many)) => (None, Some(many.links.values())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Whether a user has a connection on one of these endpoints.
    pub(super) fn has(&self, user: &str, is_one: impl Fn(EndpointIndex) -> bool) -> bool {
        match self.users.get(user) {
            None => false,
            Some(Crowd::One(link)) => is_one(link.facts.endpoint_index),
            Some(Crowd::Many(many)) => many.endpoints.iter().any(|(endpoint, _)| is_one(*endpoint)),
        }
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
            let mut many = Many { links: Links::default(), endpoints: Vec::new() };
            many.add(Arc::clone(first));
            *self = Self::Many(Box::new(many));
        }
        if let Self::Many(many) = self {
            many.add(link);
        }
    }

    /// True: nobody is left.
    fn remove(&mut self, handle: Handle) -> bool {
        match self {
            Self::One(link) => link.facts.handle == handle,
            Self::Many(many) => {
                many.remove(handle);
                many.links.is_empty()
            }
        }
    }
}

impl Many {
    fn add(&mut self, link: Arc<Link>) {
        let endpoint = link.facts.endpoint_index;
        if self.links.insert(link.facts.handle, link).is_some() {
            return;
        }
        match self.endpoints.iter_mut().find(|(known, _)| *known == endpoint) {
            Some((_, count)) => *count += 1,
            None => self.endpoints.push((endpoint, 1)),
        }
    }

    fn remove(&mut self, handle: Handle) {
        let Some(link) = self.links.remove(&handle) else { return };
        let endpoint = link.facts.endpoint_index;
        for (_, count) in self.endpoints.iter_mut().filter(|(known, _)| *known == endpoint) {
            *count -= 1;
        }
        self.endpoints.retain(|(_, count)| *count > 0);
    }
}
