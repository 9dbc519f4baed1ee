//! Who may be reached: everything a plugin names is checked here.
//!
//! It touches the connections of its own endpoints, the channels and users it was granted, and nothing else.

use crate::hub::{Link, budget, step::Step};
use foldhash::fast::RandomState;
use std::{collections::HashSet, sync::Arc, vec};
use tengen_core::capability::push::Target;
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{Handle, Tag, UserId},
};

/// Whom a push is for, while they are looked up: a list may be long.
#[derive(Debug)]
pub(super) struct Gathering {
    wanted: Wanted,
    found: Found,
}

/// Each connection once, however often a list names it or its user: else a short list that names a user of many
/// connections again and again would be a very long one.
#[derive(Debug, Default)]
struct Found {
    links: Vec<Arc<Link>>,
    /// Those of a list.
    known: HashSet<Handle, RandomState>,
}

impl Found {
    /// False when it was there.
    fn add(&mut self, link: &Arc<Link>) -> bool {
        let is_new = self.known.insert(link.facts.handle);
        if is_new {
            self.links.push(Arc::clone(link));
        }
        is_new
    }
}

#[derive(Debug)]
enum Wanted {
    Connections(vec::IntoIter<Handle>),
    Users(vec::IntoIter<UserId>),
    Nobody,
}

impl Gathering {
    /// Channels have their own way, see `fanout`.
    pub(super) fn begin(step: &mut Step<'_>, to: Target) -> Result<Self, Fault> {
        let (mut wanted, mut links) = (Wanted::Nobody, Vec::new());
        match to {
            Target::Connection(handle) => links = vec![step.own(handle)?],
            Target::Connections(handles) => wanted = Wanted::Connections(handles.into_iter()),
            Target::User(user) => links = step.of_user(&user)?,
            Target::Users(users) => wanted = Wanted::Users(users.into_iter()),
            Target::Endpoint(path) => links = step.of_endpoint(&path)?,
            Target::Tagged(tag) => links = step.of_tag(&tag),
            Target::Channel(_) => {}
        }
        Ok(Self { wanted, found: Found { links, known: HashSet::default() } })
    }

    /// Looks up until all are found, or the step is over. A foreign one refuses the whole push.
    pub(super) fn go_on(
        mut self,
        step: &mut Step<'_>,
    ) -> Result<Result<Vec<Arc<Link>>, Fault>, Self> {
        loop {
            if step.is_over() {
                return Err(self);
            }
            let found = match &mut self.wanted {
                Wanted::Nobody => return Ok(Ok(self.found.links)),
                Wanted::Connections(handles) => match handles.next() {
                    None => return Ok(Ok(self.found.links)),
                    Some(handle) => step.if_open(handle, &mut self.found),
                },
                Wanted::Users(users) => match users.next() {
                    None => return Ok(Ok(self.found.links)),
                    Some(user) => step.of_one(&user, &mut self.found),
                },
            };
            step.spend(1);
            if let Err(why) = found {
                return Ok(Err(why));
            }
        }
    }
}

impl Step<'_> {
    /// One that has gone meanwhile is nobody's fault.
    fn if_open(&self, handle: Handle, found: &mut Found) -> Result<(), Fault> {
        if let Some(link) = self.hub.link(handle) {
            found.add(&self.owned(link)?);
        }
        Ok(())
    }

    fn may_push_to(&self, user: &UserId) -> Result<(), Fault> {
        if self.rights.get().grants.may_push_to(user) {
            return Ok(());
        }
        let message = format!("pushing to the user `{user}` needs `grant.push`");
        Err(Fault::new(FaultId::NotAllowed, message))
    }

    fn of_user(&mut self, user: &UserId) -> Result<Vec<Arc<Link>>, Fault> {
        self.may_push_to(user)?;
        let links: Vec<_> = self.hub.read_tables().of_user(user).cloned().collect();
        self.spend(budget::looking_up(links.len()));
        Ok(links)
    }

    /// One of a list of users. Where its first connection is known, all of them are.
    fn of_one(&mut self, user: &UserId, found: &mut Found) -> Result<(), Fault> {
        self.may_push_to(user)?;
        let before = found.links.len();
        let tables = self.hub.read_tables();
        tables.of_user(user).all(|link| found.add(link));
        drop(tables);
        self.spend(budget::looking_up(found.links.len() - before));
        Ok(())
    }

    /// Those that the plugin has given a tag; the endpoints of some may be others' by now.
    fn of_tag(&mut self, tag: &Tag) -> Vec<Arc<Link>> {
        let Some(tagged) = self.hub.tags.of(self.plugin, tag) else { return Vec::new() };
        let rights = self.rights.get();
        let all = tagged.iter().map(|tagged| &tagged.0);
        let own = all.filter(|link| rights.owns(link)).cloned().collect();
        self.spend(budget::looking_up(tagged.len()));
        own
    }

    /// Of an endpoint that is not this plugin's, or that is not there, the plugin learns it.
    fn of_endpoint(&mut self, path: &str) -> Result<Vec<Arc<Link>>, Fault> {
        if !self.rights.get().grants.endpoint {
            let message = "pushing to a whole endpoint needs `grant.endpoint`";
            return Err(Fault::new(FaultId::NotAllowed, message));
        }
        let mut own = self.rights.get().endpoints.iter();
        let Some(index) = own.position(|own| own.as_deref() == Some(path)) else {
            let path: String = path.chars().filter(|char| !char.is_control()).take(64).collect();
            let message = format!("no endpoint `{path}` brings its events to this plugin");
            return Err(Fault::new(FaultId::NotAllowed, message));
        };
        let links = self.hub.links.all(|link| usize::from(link.facts.endpoint_index.0) == index);
        self.spend(budget::looking_up(links.len()));
        Ok(links)
    }
}
