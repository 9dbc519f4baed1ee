//! Connections by handle, by user, by channel. One lock guards them all: they must agree.

use super::{Link, Unwelcome, fanout::FanOut, link::Client};
use crate::{
    channels::Channels,
    close::Reason,
    id::{Channel, Handle, UserId},
};
use foldhash::fast::RandomState;
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

#[derive(Debug, Default)]
pub(super) struct Tables {
    links: HashMap<Handle, Arc<Link>, RandomState>,
    /// Handles given out for connections that are not open yet.
    reserved: HashSet<Handle, RandomState>,
    clients: HashMap<Client, Handle>,
    users: HashMap<UserId, Vec<Arc<Link>>>,
    pub(super) channels: Channels<Arc<Link>, FanOut>,
    last_handle: u32,
    pub(super) draining: bool,
}

impl Tables {
    /// Handles count up, so that one is not used again before four billion others were.
    pub(super) fn reserve(&mut self, max: usize) -> Result<Handle, Unwelcome> {
        if self.draining {
            return Err(Unwelcome::Draining);
        }
        if self.len() >= max {
            return Err(Unwelcome::Full);
        }
        loop {
            self.last_handle = self.last_handle.wrapping_add(1);
            let handle = Handle(self.last_handle);
            if !self.links.contains_key(&handle) && self.reserved.insert(handle) {
                return Ok(handle);
            }
        }
    }

    pub(super) fn release(&mut self, handle: Handle) {
        self.reserved.remove(&handle);
    }

    pub(super) fn insert(&mut self, link: Arc<Link>) {
        self.reserved.remove(&link.facts.handle);
        if let Some(user) = &link.facts.user {
            self.users.entry(user.id.clone()).or_default().push(Arc::clone(&link));
        }
        if self.draining {
            link.send_away();
        }
        if let Some(client) = link.client()
            && let Some(older) = self.clients.insert(client, link.facts.handle)
            && let Some(older) = self.links.get(&older)
        {
            older.close(Reason::Replaced);
        }
        self.links.insert(link.facts.handle, link);
    }

    pub(super) fn remove(&mut self, link: &Arc<Link>) {
        let handle = link.facts.handle;
        self.links.remove(&handle);
        if let Some(client) = link.client()
            && self.clients.get(&client) == Some(&handle)
        {
            self.clients.remove(&client);
        }
        if let Some(user) = &link.facts.user
            && let Some(links) = self.users.get_mut(&user.id)
        {
            links.retain(|other| other.facts.handle != handle);
            if links.is_empty() {
                self.users.remove(&user.id);
            }
        }
        for channel in link.take_subscriptions() {
            self.channels.unsubscribe(&channel, handle);
        }
    }

    /// A connection that has just gone cannot subscribe any more.
    pub(super) fn subscribe(&mut self, link: &Arc<Link>, channel: &Channel, max: usize) -> bool {
        if !self.links.contains_key(&link.facts.handle) {
            return false;
        }
        link.note_subscription(channel, max) && {
            self.channels.subscribe(channel, link.facts.handle, Arc::clone(link));
            true
        }
    }

    pub(super) fn unsubscribe(&mut self, link: &Arc<Link>, channel: &Channel) -> bool {
        link.forget_subscription(channel);
        self.channels.unsubscribe(channel, link.facts.handle)
    }

    pub(super) fn link(&self, handle: Handle) -> Option<Arc<Link>> {
        self.links.get(&handle).map(Arc::clone)
    }

    pub(super) fn links(&self) -> impl Iterator<Item = &Arc<Link>> {
        self.links.values()
    }

    pub(super) fn of_user(&self, user: &str) -> &[Arc<Link>] {
        self.users.get(user).map_or(&[], Vec::as_slice)
    }

    pub(super) fn len(&self) -> usize {
        self.links.len() + self.reserved.len()
    }
}
