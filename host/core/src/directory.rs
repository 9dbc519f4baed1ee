//! The contract between plugins and who knows who is here: connections, in pages, and how many there are.
//!
//! What a plugin is shown is its own: connections of the endpoints whose events come to it. What it was granted is looked at by
//! whoever asks for it.

use crate::event::{Connection, OwnData};
use std::{fmt, sync::Arc};
use tengen_wire::id::{Channel, PluginName, Tag};

/// Connections of a page at most.
pub const PAGE_CONNECTIONS: usize = 1000;
/// Bytes of the texts of a page at most, but for those of the first connection.
pub const PAGE_BYTES: usize = 256 << 10;

/// Knows who is here, at the moment. It waits for nobody, and what it costs to ask does not grow with how many are here, but by
/// what is returned and what one part of all holds.
pub trait Directory: fmt::Debug + Send + Sync {
    /// Some of those that this plugin asks for.
    fn page(&self, plugin: &PluginName, whom: &Whom, wanted: Wanted<'_>) -> Result<Page, NoPlace>;

    /// How many connections are this plugin's, and how many users have some of them.
    fn totals(&self, plugin: &PluginName) -> Totals;

    /// How many connections are subscribed to a channel, whosever they are.
    fn members(&self, channel: &Channel) -> usize;
}

/// Who is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Whom {
    Everybody,
    /// The connections of this user.
    User(String),
    /// Those that the plugin has given this tag.
    Tag(Tag),
    /// Those that are subscribed to this channel.
    Channel(Channel),
}

/// Which page is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The [`Page::next`] of the page before; none: the first page.
    pub after: Option<&'a str>,
    /// At most so many; one at least, and [`PAGE_CONNECTIONS`] at most.
    pub limit: usize,
}

/// Connections, and where to go on.
#[derive(Debug, Clone, Default)]
pub struct Page {
    pub connections: Vec<Present>,
    /// There may be more.
    pub next: Option<String>,
}

/// A connection, and what the plugin that asks keeps with it.
#[derive(Debug, Clone)]
pub struct Present {
    pub connection: Arc<Connection>,
    pub data: Option<Arc<OwnData>>,
}

impl Present {
    /// Bytes of what a plugin is told of it.
    pub fn texts(&self) -> usize {
        let user = self.connection.user.as_ref().map_or(0, |user| user.id.len());
        let tags = self.data.iter().flat_map(|data| data.tags()).map(|tag| tag.len() + 32);
        user + self.connection.endpoint.len() + tags.sum::<usize>()
    }
}

/// What stands where a page is to go on is nothing that a page has said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPlace;

/// How many are here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    pub connections: usize,
    pub users: usize,
}
