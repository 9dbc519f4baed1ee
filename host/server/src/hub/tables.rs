//! Connections by handle and by user. One lock guards both: they must agree.
//!
//! Everybody waits for that lock, so nothing here takes longer the more connections there are: whatever looks at all of
//! them does so in the directory, part by part. Channels have an owner of their own (`crate::channels`). Order of locks: this
//! one, then one of the directory's parts; never one of the channels'.

use super::{
    Link, Unwelcome,
    directory::Directory,
    link::Client,
    users::{At, Users},
};
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
    /// Of those that are open, by the index of their endpoint.
    at: Vec<usize>,
    at_endpoints: Users,
    /// Connections whose sockets are there: open, about to open, or saying goodbye.
    sockets: usize,
    /// Sockets besides, of requests that wait for what somebody else decides.
    beside: usize,
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
    Many(Links, At),
}

impl Tables {
    pub(super) fn new(links: Arc<Directory>) -> Self {
        Self {
            links,
            open: 0,
            at: Vec::new(),
            at_endpoints: Users::default(),
            sockets: 0,
            beside: 0,
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
        if self.is_full(max) {
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

    fn is_full(&self, max: usize) -> bool {
        self.sockets + self.beside >= max
    }

    /// One more socket among those of connections, which is none of them; false: there is no room.
    pub(super) fn seat_beside(&mut self, max: usize) -> bool {
        let has_room = !self.draining && !self.is_full(max);
        self.beside += usize::from(has_room);
        has_room
    }

    pub(super) fn gone_beside(&mut self) {
        self.beside = self.beside.saturating_sub(1);
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
        let endpoint = link.facts.endpoint_index;
        if self.links.insert(handle, link) {
            self.open += 1;
            self.count(endpoint, |count| count + 1);
        }
    }

    fn count(&mut self, endpoint: EndpointIndex, change: impl FnOnce(usize) -> usize) {
        let place = usize::from(endpoint.0);
        if self.at.len() <= place {
            self.at.resize(place + 1, 0);
        }
        if let Some(count) = self.at.get_mut(place) {
            *count = change(*count);
        }
    }

    fn join(&mut self, user: &UserId, link: &Arc<Link>) {
        match self.users.entry(user.clone()) {
            Entry::Vacant(entry) => {
                self.at_endpoints.comes(link.facts.endpoint_index);
                entry.insert(Crowd::One(Arc::clone(link)));
            }
            Entry::Occupied(mut entry) => {
                entry.get_mut().add(Arc::clone(link), &mut self.at_endpoints);
            }
        }
    }

    pub(super) fn remove(&mut self, link: &Arc<Link>) {
        let handle = link.facts.handle;
        if self.links.remove(handle) {
            self.open -= 1;
            self.count(link.facts.endpoint_index, |count| count.saturating_sub(1));
        }
        if let Some(client) = link.client()
            && self.clients.get(&client) == Some(&handle)
        {
            self.clients.remove(&client);
        }
        if let Some(user) = &link.facts.user
            && let Some(crowd) = self.users.get_mut(&user.id)
            && crowd.remove(handle, &mut self.at_endpoints)
        {
            self.users.remove(&user.id);
        }
    }

    pub(super) fn of_user(&self, user: &str) -> impl Iterator<Item = &Arc<Link>> {
        let (one, many) = match self.users.get(user) {
            None => (None, None),
            Some(Crowd::One(link)) => (Some(link), None),
            Some(Crowd::Many(links, _)) => (None, Some(links.values())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// Whether a user has a connection on one of these endpoints.
    pub(super) fn has(&self, user: &str, is_one: impl Fn(EndpointIndex) -> bool) -> bool {
        match self.users.get(user) {
            None => false,
            Some(Crowd::One(link)) => is_one(link.facts.endpoint_index),
            Some(Crowd::Many(_, at)) => at.is_at(is_one),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open + self.reserved.len()
    }

    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    /// How many connections are open at these endpoints, and how many users have some of them.
    pub(super) fn at(&self, own: impl Fn(EndpointIndex) -> bool) -> (usize, usize) {
        let each = (0..).map(EndpointIndex).zip(&self.at);
        let open = each.filter(|(at, _)| own(*at)).map(|(_, count)| count).sum();
        (open, self.at_endpoints.at(own))
    }

    pub(super) fn closing(&self) -> usize {
        self.sockets.saturating_sub(self.len())
    }
}

impl Crowd {
    fn add(&mut self, link: Arc<Link>, users: &mut Users) {
        if let Self::One(first) = self {
            let at = At::one(first.facts.endpoint_index);
            let first = (first.facts.handle, Arc::clone(first));
            *self = Self::Many(Links::from_iter([first]), at);
        }
        if let Self::Many(links, at) = self {
            let endpoint = link.facts.endpoint_index;
            if links.insert(link.facts.handle, link).is_none() {
                users.joins(at, endpoint);
            }
        }
    }

    /// True: nobody is left.
    fn remove(&mut self, handle: Handle, users: &mut Users) -> bool {
        match self {
            Self::One(link) if link.facts.handle == handle => {
                users.goes(link.facts.endpoint_index);
                true
            }
            Self::One(_) => false,
            Self::Many(links, at) => {
                if let Some(link) = links.remove(&handle) {
                    users.leaves(at, link.facts.endpoint_index);
                }
                links.is_empty()
            }
        }
    }
}
