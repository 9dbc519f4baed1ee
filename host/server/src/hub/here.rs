//! Who is here, as plugins ask: the connections of their own endpoints, in pages, and how many there are.
//!
//! A page looks at as many as it returns, at one part of those there are, and at some others; then it ends, and says where to
//! go on. Nobody who comes, goes or delivers waits for more than the copy of a part.

use super::{Hub, Link, Rights, subscriptions::Subscriber, tags::Tagged};
use std::sync::{Arc, OnceLock, Weak};
use tengen_core::{
    directory::{
        Directory, NoPlace, PAGE_BYTES, PAGE_CONNECTIONS, Page, Present, Totals, Wanted, Whom,
    },
    roster::{PAGE, Snapshot},
};
use tengen_wire::id::{Channel, Handle, PluginName};

/// So many others are looked at for one page.
const OTHERS: usize = 1024;

/// The way to a hub from what has to be there before it.
#[derive(Debug, Default)]
pub struct Reception(OnceLock<Weak<Hub>>);

impl Reception {
    /// The hub is there. Only the first one counts.
    pub fn open(&self, hub: &Arc<Hub>) {
        self.0.get_or_init(|| Arc::downgrade(hub));
    }

    fn hub(&self) -> Option<Arc<Hub>> {
        self.0.get().and_then(Weak::upgrade)
    }
}

impl Directory for Reception {
    fn page(&self, plugin: &PluginName, whom: &Whom, wanted: Wanted<'_>) -> Result<Page, NoPlace> {
        self.hub().map_or(Ok(Page::default()), |hub| hub.page(plugin, whom, wanted))
    }

    fn totals(&self, plugin: &PluginName) -> Totals {
        self.hub().map_or(Totals::default(), |hub| hub.totals(plugin))
    }

    fn members(&self, channel: &Channel) -> usize {
        self.hub().map_or(0, |hub| hub.members(channel))
    }
}

impl Directory for Hub {
    fn page(&self, plugin: &PluginName, whom: &Whom, wanted: Wanted<'_>) -> Result<Page, NoPlace> {
        let rights = self.rights.load();
        let rights = rights.get(plugin).unwrap_or(&self.nobodys);
        let limit = wanted.limit.clamp(1, PAGE_CONNECTIONS);
        let sheet = Sheet { plugin, rights, limit, looked: 0, bytes: 0, page: Page::default() };
        match whom {
            Whom::Everybody => self.everybody(sheet, wanted.after),
            Whom::User(user) => self.of_user(sheet, user, wanted.after),
            Whom::Tag(tag) => match self.tags.of(plugin, tag) {
                Some(tagged) => sheet.walk(&tagged, |Tagged(link)| link, wanted.after),
                None => Ok(Page::default()),
            },
            Whom::Channel(channel) => match self.channels.find(channel) {
                Some(open) => sheet.walk(&open.members(), |it: &Subscriber| &it.link, wanted.after),
                None => Ok(Page::default()),
            },
        }
    }

    fn totals(&self, plugin: &PluginName) -> Totals {
        let rights = self.rights.load();
        let rights = rights.get(plugin).unwrap_or(&self.nobodys);
        let (connections, users) = self.read_tables().at(|endpoint| rights.owns_endpoint(endpoint));
        Totals { connections, users }
    }

    fn members(&self, channel: &Channel) -> usize {
        self.channels.find(channel).map_or(0, |open| open.members().len())
    }
}

impl Hub {
    /// Part by part, and in each by handles.
    fn everybody(&self, mut sheet: Sheet<'_>, after: Option<&str>) -> Result<Page, NoPlace> {
        let (mut part, mut handle) = match after {
            None => (0, None),
            Some(after) => {
                let (part, handle) = after.split_once('.').ok_or(NoPlace)?;
                (number(part)?, Some(Handle(number(handle)?)))
            }
        };
        loop {
            let rights = sheet.rights;
            let Some((links, count)) = self.links.after(part, handle, |link| rights.owns(link))
            else {
                return Ok(sheet.page);
            };
            for link in &links {
                if !sheet.put(link) {
                    let last = handle.unwrap_or(Handle(0)).0;
                    return Ok(sheet.going_on(format!("{part}.{last}")));
                }
                handle = Some(link.facts.handle);
            }
            (part, handle) = (part + 1, None);
            sheet.looked += count;
            if sheet.is_over() {
                // No connection has this handle.
                return Ok(sheet.going_on(format!("{part}.0")));
            }
        }
    }

    /// By handles. A user's connections are together in one place.
    fn of_user(
        &self,
        mut sheet: Sheet<'_>,
        user: &str,
        after: Option<&str>,
    ) -> Result<Page, NoPlace> {
        let mut last = after.map(number).transpose()?.map(Handle);
        let mut links: Vec<_> = self.read_tables().of_user(user).cloned().collect();
        let comes = |link: &Link| last.is_none_or(|last| link.facts.handle > last);
        links.retain(|link| comes(link) && sheet.rights.owns(link));
        links.sort_unstable_by_key(|link| link.facts.handle);
        for link in &links {
            if !sheet.put(link) {
                return Ok(sheet.going_on(last.map_or(0, |last| last.0).to_string()));
            }
            last = Some(link.facts.handle);
        }
        Ok(sheet.page)
    }
}

/// A page that is being written.
struct Sheet<'a> {
    plugin: &'a PluginName,
    rights: &'a Rights,
    limit: usize,
    /// How many were looked at that are not in it, or in a part that was gone through.
    looked: usize,
    bytes: usize,
    page: Page,
}

impl Sheet<'_> {
    /// False: there is no room for it.
    fn put(&mut self, link: &Arc<Link>) -> bool {
        if self.page.connections.len() >= self.limit {
            return false;
        }
        let connection = Arc::clone(&link.facts);
        let data = connection.data.of(self.plugin);
        let present = Present { connection, data };
        let bytes = self.bytes + present.texts();
        if bytes > PAGE_BYTES && !self.page.connections.is_empty() {
            return false;
        }
        self.bytes = bytes;
        self.page.connections.push(present);
        true
    }

    /// Whether enough were looked at.
    fn is_over(&self) -> bool {
        self.looked >= self.limit + OTHERS
    }

    fn going_on(self, next: String) -> Page {
        Page { next: Some(next), ..self.page }
    }

    /// From the last one to the first. Whoever leaves has its place taken by the last one: which has been met, so that nobody is
    /// left out who stays.
    fn walk<M>(
        mut self,
        members: &Snapshot<M>,
        link: impl Fn(&M) -> &Arc<Link>,
        after: Option<&str>,
    ) -> Result<Page, NoPlace> {
        let below = after.map_or(Ok(members.len()), number)?.min(members.len());
        for place in (0..below).rev() {
            let member = members.page(place / PAGE).and_then(|page| page.get(place % PAGE));
            let Some(link) = member.map(&link) else { continue };
            let is_over = self.is_over();
            if is_over || (self.rights.owns(link) && !self.put(link)) {
                return Ok(self.going_on((place + 1).to_string()));
            }
            self.looked += 1;
        }
        Ok(self.page)
    }
}

/// A place that a page has said to go on at.
fn number<T: std::str::FromStr>(text: &str) -> Result<T, NoPlace> {
    text.parse().map_err(|_| NoPlace)
}
