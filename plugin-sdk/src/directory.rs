//! Who is here: the connections of the endpoints whose events come to this plugin, at the moment.
//!
//! It needs the grant `directory` (`grant = { directory = true }`); without, everything is answered `not-allowed`.
//!
//! ```
//! use tengen_plugin::{Context, Result, directory::{self, Whom}, json};
//!
//! fn who(ctx: &mut Context) -> Result {
//!     let here = directory::count()?;
//!     let mut names = Vec::new();
//!     for present in directory::all(Whom::Tag("playing")) {
//!         names.extend(present?.user);
//!     }
//!     ctx.reply(&json!({ "players": names, "of": here.users }))
//! }
//! ```

use crate::Result;

pub use crate::bindings::plugin_role::tengen::gateway::directory::{Page, Present, Totals};

/// Connections that are asked for at a time by [`all`].
const AT_A_TIME: u32 = 100;

/// Who is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whom<'a> {
    /// All of them.
    Everybody,
    /// The connections of this user.
    User(&'a str),
    /// Those that this plugin has given this tag.
    Tag(&'a str),
    /// Those that are subscribed to this channel, which has to be in the grant `publish` as well.
    Channel(&'a str),
}

/// Some of those who are asked for: those that come after `after`, which is the `next` of the page before. `limit` at most, from 1 to
/// 1,000; there may be less, and nothing at all, and only where `next` is none there are no more.
pub fn page(whom: Whom<'_>, after: Option<&str>, limit: u32) -> Result<Page> {
    source::page(whom, after, limit)
}

/// All of those who are asked for, a page at a time, as they are needed. What is read counts with what the call hands over, so a
/// call that asks for tens of thousands is cut off.
pub fn all(whom: Whom<'_>) -> impl Iterator<Item = Result<Present>> + '_ {
    let (mut connections, mut after, mut is_over) = (Vec::new().into_iter(), None::<String>, false);
    std::iter::from_fn(move || {
        loop {
            if let Some(present) = connections.next() {
                return Some(Ok(present));
            }
            if is_over {
                return None;
            }
            let found = match page(whom, after.as_deref(), AT_A_TIME) {
                Ok(found) => found,
                Err(why) => {
                    is_over = true;
                    return Some(Err(why));
                }
            };
            (connections, after) = (found.connections.into_iter(), found.next);
            is_over = after.is_none();
        }
    })
}

/// How many connections and users there are.
pub fn count() -> Result<Totals> {
    source::count()
}

/// How many connections are subscribed to a channel on this node, whichever endpoints they came in on. The channel has to be
/// in the grant `publish` as well.
pub fn count_members(channel: &str) -> Result<u32> {
    source::count_members(channel)
}

#[cfg(target_family = "wasm")]
mod source {
    use super::{Page, Result, Totals, Whom};
    use crate::bindings::plugin_role::tengen::gateway::directory::{
        self, Counted, CountedMembers, Listing,
    };

    pub(super) fn page(whom: Whom<'_>, after: Option<&str>, limit: u32) -> Result<Page> {
        let found = match whom {
            Whom::Everybody => directory::connections(after, limit),
            Whom::User(user) => directory::of_user(user, after, limit),
            Whom::Tag(tag) => directory::of_tag(tag, after, limit),
            Whom::Channel(channel) => directory::of_channel(channel, after, limit),
        };
        match found {
            Listing::Page(page) => Ok(page),
            Listing::Refused(why) => Err(why),
        }
    }

    pub(super) fn count() -> Result<Totals> {
        match directory::count() {
            Counted::Totals(totals) => Ok(totals),
            Counted::Refused(why) => Err(why),
        }
    }

    pub(super) fn count_members(channel: &str) -> Result<u32> {
        match directory::count_members(channel) {
            CountedMembers::Members(count) => Ok(count),
            CountedMembers::Refused(why) => Err(why),
        }
    }
}

/// Outside of a gateway: what a test has said, see [`crate::testing::set_directory`].
#[cfg(not(target_family = "wasm"))]
pub(crate) mod source {
    use super::{Page, Present, Result, Totals, Whom};
    use crate::Fault;
    use std::{cell::RefCell, collections::BTreeSet};

    /// Who is here, and in which channels.
    pub(crate) type Here = Vec<(Present, Vec<String>)>;

    thread_local! {
        pub(crate) static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
    }

    fn here<T>(read: impl FnOnce(&Here) -> T) -> Result<T> {
        HERE.with_borrow(|here| match here {
            Some(here) => Ok(read(here)),
            None => Err(Fault::new("not-allowed", "the plugin was not granted the directory")),
        })
    }

    pub(super) fn page(whom: Whom<'_>, after: Option<&str>, limit: u32) -> Result<Page> {
        let is_wanted = |(present, channels): &&(Present, Vec<String>)| match whom {
            Whom::Everybody => true,
            Whom::User(user) => present.user.as_deref() == Some(user),
            Whom::Tag(tag) => present.tags.iter().any(|it| it == tag),
            Whom::Channel(channel) => channels.iter().any(|it| it == channel),
        };
        let before: usize = match after.map_or(Ok(0), str::parse) {
            Ok(before) => before,
            Err(_) => return Err(Fault::new("malformed", "`after` is the `next` of no page")),
        };
        let limit = limit.clamp(1, 1000) as usize;
        here(|here| {
            let mut wanted = here.iter().filter(is_wanted).skip(before);
            let connections: Vec<_> =
                wanted.by_ref().take(limit).map(|(present, _)| present.clone()).collect();
            let next = wanted.next().map(|_| (before + connections.len()).to_string());
            Page { connections, next, more: Vec::new() }
        })
    }

    pub(super) fn count() -> Result<Totals> {
        here(|here| {
            let users: BTreeSet<_> = here.iter().filter_map(|(it, _)| it.user.as_ref()).collect();
            let (connections, users) = (number(here.len()), number(users.len()));
            Totals { connections, users, more: Vec::new() }
        })
    }

    pub(super) fn count_members(channel: &str) -> Result<u32> {
        let is_in =
            |(_, channels): &&(Present, Vec<String>)| channels.iter().any(|it| it == channel);
        here(|here| number(here.iter().filter(is_in).count()))
    }

    fn number(count: usize) -> u32 {
        u32::try_from(count).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{present, set_directory};

    #[test]
    fn nobody_is_seen_without_the_grant() {
        assert_eq!(count().unwrap_err().id, "not-allowed");
        assert_eq!(count_members("tea").unwrap_err().id, "not-allowed");
        let all: Vec<_> = all(Whom::Everybody).collect();
        assert!(matches!(&all[..], [Err(why)] if why.id == "not-allowed"));
    }

    #[test]
    fn all_are_asked_for_page_by_page() {
        let users = ["ann", "bob"];
        let here = (1..=250).map(|handle| {
            let mut present = present(handle, Some(users[handle as usize % 2]));
            present.tags.extend((handle % 10 == 0).then(|| "tenth".to_owned()));
            let channels = if handle <= 3 { vec!["tea".to_owned()] } else { Vec::new() };
            (present, channels)
        });
        set_directory(here.collect());
        let handles = |whom| all(whom).map(|it| it.unwrap().handle).collect::<Vec<_>>();
        assert_eq!(handles(Whom::Everybody), (1..=250).collect::<Vec<_>>());
        assert_eq!(handles(Whom::User("bob")).len(), 125);
        assert_eq!(handles(Whom::Tag("tenth")).len(), 25);
        assert_eq!(handles(Whom::Channel("tea")), [1, 2, 3]);
        assert_eq!(handles(Whom::Channel("coffee")), [] as [u32; 0]);
        let page = page(Whom::Everybody, Some("249"), 9).unwrap();
        assert_eq!((page.connections.len(), page.next), (1, None));
        let totals = count().unwrap();
        assert_eq!((totals.connections, totals.users, count_members("tea")), (250, 2, Ok(3)));
    }
}
