//! Bounds of what peers may make the gateway hold and do.

use crate::schema::{
    Kind,
    kind::{count, duration, number, plain_size, quoted, size, small_count, words},
    settings, units,
    value::Value,
    with_defaults,
};
use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

settings! {
    /// What waits to be written to one connection.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Outbox {
        /// most events that wait
        events: NonZeroUsize = count().or(at_least_one(1000));
        /// most bytes that wait
        bytes: NonZeroUsize = size().or(at_least_one(1 << 20));
        /// who does not take what waits for so long is closed, unless it took 1 KiB a second over the last minute
        write_deadline: Duration = duration().or(Duration::from_secs(10));
        /// `close`, `drop-newest`, `drop-oldest` or `latest` (the newest value per channel)
        when_full: WhenFull = when_full().or(WhenFull::Close);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// Close the slow connection (4000).
    Close,
    DropNewest,
    DropOldest,
    /// Keep the newest value per channel; without an older value of the same channel, like `DropNewest`.
    Latest,
}

fn when_full() -> Kind<WhenFull> {
    let all = [
        ("close", WhenFull::Close),
        ("drop-newest", WhenFull::DropNewest),
        ("drop-oldest", WhenFull::DropOldest),
        ("latest", WhenFull::Latest),
    ];
    words(all, &[])
}

/// The most that `limits.plugin_instances` can be. A place takes two of the process's mappings, of which Linux allows
/// 65,530, and 8 GiB of addresses, of which it has 128 TiB.
pub(crate) const PLUGIN_INSTANCES_MAX: usize = 8192;

settings! {
    /// What peers may cost.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Limits {
        /// largest message; a warning from half of it
        message: NonZeroUsize = size().or(at_least_one(1 << 20));
        /// memory for all that peers send and do not read: outboxes, unfinished messages, waiting events, channels; `half` of the
        /// machine or its control group, or a size. At 80 % those who hold most are closed (4000) and newcomers get 503;
        /// at 90 % who holds something is not read until there is room
        memory: Memory = Kind::new(memory, |_| quoted(HALF)).or(Memory::Half);
        /// most open connections; fewer where the system's limit of open files asks for it
        connections: NonZeroUsize = count().or(at_least_one(100_000));
        /// largest head of an HTTP request, its first line, headers and cookies; over it: 431
        request_head: NonZeroUsize = size().within(at_least_one(1 << 10)..=at_least_one(1 << 20)).or(at_least_one(32 << 10));
        /// most header lines of an HTTP request; over it: 431
        request_lines: NonZeroUsize = count().within(at_least_one(8)..=at_least_one(1000)).or(at_least_one(100));
        /// most HTTP connections of one address (IPv6: one /64) that are no WebSocket yet, never of the loopback; absent: no
        /// limit, as behind a proxy, where all come from one address
        per_address: Option<NonZeroUsize> = count().absent("50");
        /// longest handshake; a request's head may take as long, and the making of its answer six times as long
        unauthenticated: Duration = duration().or(Duration::from_secs(10));
        /// a connection is closed whose messages are malformed so often
        ///
        /// With 4503.
        malformed: Rate = rate().or(Rate::per_minute(16));
        /// how long a client's request waits for the plugin's reply
        reply: Duration = duration().or(Duration::from_secs(30));
        /// most events that wait for one instance of a plugin
        plugin_waiting_events: NonZeroUsize = count().or(at_least_one(8192));
        /// most instances of all plugins at one time: those that serve, as many again while they are reloaded, and one more
        /// for each plugin. A place for one takes 8 GiB of addresses and no memory; so many are reserved as the configuration
        /// may need
        plugin_instances: NonZeroUsize = count().within(at_least_one(1)..=at_least_one(PLUGIN_INSTANCES_MAX)).or(at_least_one(4096));
    }
    later ["handshakes_per_second", "trusted_proxies", "proxy_protocol"]
    /// The same for each connection.
    in per_connection {
        /// most channels
        subscriptions: usize = number().or(128);
        /// most events that wait for a decision; over it the connection is not read
        waiting_events: u32 = small_count().or(64);
        /// most bytes of such events
        waiting_bytes: usize = plain_size().or(1 << 20);
        /// how long it is not read before what finds no place is answered `overloaded`
        wait: Duration = duration().or(Duration::from_secs(1));
    }
    later ["events_per_second", "bytes_per_second"]
}

with_defaults!(Outbox, Limits);

/// What outboxes, unfinished messages and waiting events may take up together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Half of what the machine has, or of what its control group gives this process.
    Half,
    Bytes(NonZeroUsize),
}

impl Memory {
    /// In bytes; without a number, as many as can be counted.
    pub fn bytes(self) -> usize {
        match self {
            Self::Half => usize::MAX / 8,
            Self::Bytes(bytes) => bytes.get(),
        }
    }
}

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    pub count: NonZeroU32,
    /// Within so long.
    pub per: Duration,
}

impl Rate {
    /// As in `16/min`; Err: what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        units::rate(text).map(|(count, per)| Self { count, per })
    }

    /// So many within a minute; one at least.
    pub fn per_minute(count: u32) -> Self {
        let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        Self { count, per: Duration::from_secs(60) }
    }
}

const HALF: &str = "half";
/// With less than this, no connection could say anything.
const MEMORY_MIN: usize = 64 << 10;

/// `"half"`, or a size.
fn memory(value: &Value<'_>) -> Option<Memory> {
    value.must_be_text("\"half\" or a string with a unit, as in \"256MiB\"")?;
    value.read(|text| {
        if text == HALF {
            return Ok(Memory::Half);
        }
        let size = units::size(text).map_err(|what| format!("{what}, or \"half\""))?;
        let size = NonZeroUsize::new(size).filter(|size| size.get() >= MEMORY_MIN);
        size.map(Memory::Bytes).ok_or_else(|| "must be at least 64KiB".into())
    })
}

/// How often, as in `"16/min"`.
pub(crate) fn rate() -> Kind<Rate> {
    let read = |value: &Value<'_>| {
        if let Some(number) = value.digits() {
            value.mistake(format!("is a number within a time; write \"{number}/min\""));
            return None;
        }
        value.must_be_text("a string with a time, as in \"16/min\"")?;
        value.read(units::rate).map(|(count, per)| Rate { count, per })
    };
    Kind::new(read, |rate: &Rate| quoted(units::show_rate(rate.count, rate.per)))
}

/// Defaults are written as numbers; zero is not one of them.
pub(crate) fn at_least_one(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}
