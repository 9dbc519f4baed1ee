//! What every plugin is, whatever its roles: a name, a start, a stop.

use crate::{Description, Encoding, StartReason};

/// What every plugin is. [`export!`](crate::export) implements it by `Default`; implement it yourself to read the
/// configuration when the plugin starts, or to choose another encoding, and say so: `export!(Chat: Plugin, Handler)`.
pub trait Plugin: Sized + 'static {
    /// The encoding that payloads arrive in; the gateway converts.
    const ENCODING: Encoding = Encoding::Json;

    /// How many events one call may bring. More only come together when they already wait.
    const MAX_BATCH: u32 = 64;

    /// The event ids wanted, such as `chat/*`. Empty: all that the routes send.
    const EVENTS: &'static [&'static str] = &[];

    /// The channels of which it wants to hear when they get their first subscriber and lose their last, such as `room/*`: by
    /// [`Handler::channel_occupied`](crate::Handler::channel_occupied) and
    /// [`Handler::channel_vacated`](crate::Handler::channel_vacated). They have to be in its grant `publish`. Empty: none.
    const CHANNELS: &'static [&'static str] = &[];

    /// The channels of which it wants to hear who is subscribed to them, such as `room/*`: by
    /// [`Handler::subscribed`](crate::Handler::subscribed) and [`Handler::unsubscribed`](crate::Handler::unsubscribed). They have to be
    /// in its grant `publish`. Empty: none.
    const SUBSCRIPTIONS: &'static [&'static str] = &[];

    /// Whether it wants to hear who has a connection: by [`Handler::user_online`](crate::Handler::user_online) and
    /// [`Handler::user_offline`](crate::Handler::user_offline).
    const USERS: bool = false;

    /// Whether it wants to hear what slow clients do not get: by [`Handler::missed`](crate::Handler::missed).
    const MISSED: bool = false;

    /// Starts an instance. An `Err` is logged and the instance never serves; after a reload the old version goes on.
    fn start(reason: StartReason) -> Result<Self, String>;

    /// Ends an instance, with a short deadline. Effects are no longer possible, and a crash does not come by here.
    fn stop(&mut self) {}
}

/// What `describe` says of a plugin; its snapshot formats are filled in by that role.
pub fn describe<P: Plugin>(name: &str, version: &str) -> Description {
    Description {
        name: name.to_owned(),
        version: version.to_owned(),
        encoding: P::ENCODING,
        max_batch: P::MAX_BATCH,
        events: P::EVENTS.iter().map(|&pattern| pattern.to_owned()).collect(),
        others: Vec::new(),
        snapshot_writes: None,
        snapshot_reads: Vec::new(),
        channels: P::CHANNELS.iter().map(|&pattern| pattern.to_owned()).collect(),
        subscriptions: P::SUBSCRIPTIONS.iter().map(|&pattern| pattern.to_owned()).collect(),
        users: P::USERS,
        missed: P::MISSED,
        more: Vec::new(),
    }
}
