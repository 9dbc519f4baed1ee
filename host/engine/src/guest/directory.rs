//! The import `directory`: who is here, for a guest that was granted it.
//!
//! What is handed to the guest counts as what it hands over: each call has an end.

use super::{
    bindings::{
        directory::{Counted, CountedMembers, Host, Listing, Page, Present, Totals},
        types::Fault as Told,
    },
    data::Data,
    imports::PLACE,
    tape::size_of,
};
use std::sync::Arc;
use tengen_core::directory::{self, Directory, NoPlace, PAGE_CONNECTIONS, Wanted, Whom};
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{Channel, NAME_RULE, Tag, is_name},
};

impl Host for Data {
    fn connections(&mut self, after: Option<String>, limit: u32) -> wasmtime::Result<Listing> {
        self.list(Ok(Whom::Everybody), 0, after, limit)
    }

    fn of_user(
        &mut self,
        user: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Listing> {
        let bytes = user.len();
        self.list(named(user).map(Whom::User), bytes, after, limit)
    }

    fn of_tag(
        &mut self,
        tag: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Listing> {
        let bytes = tag.len();
        self.list(named(tag).map(|tag| Whom::Tag(Tag::new(tag))), bytes, after, limit)
    }

    fn of_channel(
        &mut self,
        channel: String,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Listing> {
        let bytes = channel.len();
        let whom = named(channel).map(Channel::new).and_then(|channel| self.granted(channel));
        self.list(whom.map(Whom::Channel), bytes, after, limit)
    }

    fn count(&mut self) -> wasmtime::Result<Counted> {
        self.charge(PLACE)?;
        Ok(self.tape.answer("count", || match self.directory() {
            Ok(directory) => {
                let directory::Totals { connections, users } =
                    directory.totals(self.signals.plugin());
                let (connections, users) = (number(connections), number(users));
                Counted::Totals(Totals { connections, users, more: Vec::new() })
            }
            Err(why) => Counted::Refused(told(why)),
        }))
    }

    fn count_members(&mut self, channel: String) -> wasmtime::Result<CountedMembers> {
        self.charge(channel.len())?;
        Ok(self.tape.answer(("members", channel.clone()), || {
            let members = self.directory().and_then(|directory| {
                let channel = named(channel).map(Channel::new)?;
                Ok(directory.members(&self.granted(channel)?))
            });
            match members {
                Ok(members) => CountedMembers::Members(number(members)),
                Err(why) => CountedMembers::Refused(told(why)),
            }
        }))
    }
}

impl Data {
    /// `bytes`: of the name of who is asked for.
    fn list(
        &mut self,
        whom: Result<Whom, Fault>,
        bytes: usize,
        after: Option<String>,
        limit: u32,
    ) -> wasmtime::Result<Listing> {
        self.charge(bytes + after.as_ref().map_or(0, String::len))?;
        let limit = usize::try_from(limit).unwrap_or(PAGE_CONNECTIONS);
        let wanted = Wanted { after: after.as_deref(), limit };
        let question = ("list", whom.clone(), after.clone(), limit);
        let listing = self.tape.answer(question, || {
            // Whoever was granted nothing learns nothing, not even what is no name.
            let found = self.directory().and_then(|directory| {
                let page = directory.page(self.signals.plugin(), &whom?, wanted);
                page.map_err(|NoPlace| {
                    Fault::new(FaultId::Malformed, "`after` is the `next` of no page")
                })
            });
            match found {
                Ok(page) => Listing::Page(Page {
                    connections: page.connections.iter().map(present).collect(),
                    next: page.next,
                    more: Vec::new(),
                }),
                Err(why) => Listing::Refused(told(why)),
            }
        });
        if let Listing::Page(page) = &listing {
            self.charge(page.connections.iter().map(size_of).sum())?;
        }
        Ok(listing)
    }

    /// Who knows who is here, if the guest may.
    fn directory(&self) -> Result<Arc<dyn Directory>, Fault> {
        if !self.config.grant.directory {
            let message = "the plugin was not granted this: `grant.directory`";
            return Err(Fault::new(FaultId::NotAllowed, message));
        }
        let directory = self.directory.as_ref().map(Arc::clone);
        directory.ok_or_else(|| Fault::new(FaultId::Unsupported, "nobody knows who is here"))
    }

    fn granted(&self, channel: Channel) -> Result<Channel, Fault> {
        if self.config.grant.may_publish(&channel) {
            return Ok(channel);
        }
        let message = "the plugin was not granted this channel: `grant.publish`";
        Err(Fault::new(FaultId::NotAllowed, message))
    }
}

fn named(text: String) -> Result<String, Fault> {
    match is_name(&text) {
        true => Ok(text),
        false => Err(Fault::new(FaultId::Malformed, format!("no name: {NAME_RULE}"))),
    }
}

fn present(present: &directory::Present) -> Present {
    let directory::Present { connection, data } = present;
    Present {
        handle: connection.handle.0,
        user: connection.user.as_ref().map(|user| user.id.to_string()),
        endpoint: connection.endpoint.to_string(),
        tags: data.iter().flat_map(|data| data.tags()).map(ToString::to_string).collect(),
        more: Vec::new(),
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn told(why: Fault) -> Told {
    Told { id: why.id.word().to_owned(), message: why.message, retry_after_ms: None }
}
