//! Bounds of what peers may make the gateway hold and do.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outbox {
    pub events: NonZeroUsize,
    pub bytes: NonZeroUsize,
    /// How long the peer may take nothing, or less than 1 KiB a second, before the connection counts as stuck.
    pub write_deadline: Duration,
    pub when_full: WhenFull,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest message, in bytes; a warning from half of it.
    pub message: NonZeroUsize,
    /// What all connections may hold together.
    pub memory: Memory,
    pub connections: NonZeroUsize,
    /// The largest head of a request, in bytes.
    pub request_head: NonZeroUsize,
    /// Most header lines of a request.
    pub request_lines: NonZeroUsize,
    /// Most HTTP connections of one address, or of one /64 in IPv6; none: as many as there are places.
    pub per_address: Option<NonZeroUsize>,
    pub waiting_events: u32,
    pub waiting_bytes: usize,
    /// How long a connection is not read, because what came in finds no place, before such events are refused.
    pub wait: Duration,
    /// Events that wait for one plugin.
    pub plugin_waiting_events: NonZeroUsize,
    /// Instances of all plugins at one time, those of reloads included.
    pub plugin_instances: NonZeroUsize,
    pub subscriptions: usize,
    /// How long a handshake may take.
    pub unauthenticated: Duration,
    /// A connection is closed (4503) whose messages are malformed so often.
    pub malformed: Rate,
    /// How long a client's request waits for the plugin's reply.
    pub reply: Duration,
}

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
    /// So many within a minute; one at least.
    pub fn per_minute(count: u32) -> Self {
        let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        Self { count, per: Duration::from_secs(60) }
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            events: at_least_one(1000),
            bytes: at_least_one(1 << 20),
            write_deadline: Duration::from_secs(10),
            when_full: WhenFull::Close,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: at_least_one(1 << 20),
            memory: Memory::Half,
            connections: at_least_one(100_000),
            request_head: at_least_one(32 << 10),
            request_lines: at_least_one(100),
            per_address: None,
            waiting_events: 64,
            waiting_bytes: 1 << 20,
            wait: Duration::from_secs(1),
            plugin_waiting_events: at_least_one(8192),
            plugin_instances: at_least_one(4096),
            subscriptions: 128,
            unauthenticated: Duration::from_secs(10),
            malformed: Rate::per_minute(16),
            reply: Duration::from_secs(30),
        }
    }
}

/// Defaults are written as numbers; zero is not one of them.
pub(crate) fn at_least_one(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}
