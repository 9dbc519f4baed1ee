//! The channel over which gRPC goes, made anew when nobody has answered over it for a while.
//!
//! A peer that vanishes without a word (a machine that is switched off, a firewall that forgets) leaves a connection that takes
//! everything and answers nothing until TCP gives it up, a quarter of an hour later; and a channel asks over the one connection
//! that it has. Pings of HTTP/2 would tell sooner, and collectors written in Go end connections that ping them so often.

use crate::exporter::CONNECT_WITHIN;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tonic::transport::{Channel, Endpoint};

/// An idle connection is asked for a sign of life so often,
const ALIVE_EVERY: Duration = Duration::from_secs(20);
/// and without one again after this,
const ALIVE_AGAIN: Duration = Duration::from_secs(5);
/// so many times.
const ALIVE_TRIES: u32 = 3;
/// Requests in a row that nobody answers before the channel is made anew.
pub(super) const UNHEARD: u32 = 3;

/// To be used inside of one runtime.
pub(super) struct Line {
    endpoint: Endpoint,
    channel: Mutex<Channel>,
    /// Requests in a row that nobody has answered.
    unheard: AtomicU32,
}

impl Line {
    /// Connects to nobody yet.
    pub(super) fn new(endpoint: Endpoint) -> Self {
        let endpoint = endpoint
            .connect_timeout(CONNECT_WITHIN)
            .tcp_keepalive(Some(ALIVE_EVERY))
            .tcp_keepalive_interval(Some(ALIVE_AGAIN))
            .tcp_keepalive_retries(Some(ALIVE_TRIES));
        let channel = Mutex::new(endpoint.connect_lazy());
        Self { endpoint, channel, unheard: AtomicU32::new(0) }
    }

    pub(super) fn channel(&self) -> Channel {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        if self.unheard.load(Ordering::Relaxed) >= UNHEARD {
            self.unheard.store(0, Ordering::Relaxed);
            *channel = self.endpoint.connect_lazy();
        }
        channel.clone()
    }

    /// A request begins. It counts as unanswered unless it is said to be heard: whoever sends gives up by dropping it.
    pub(super) fn listen(&self) -> Listening<'_> {
        Listening { line: self, is_heard: false }
    }
}

pub(super) struct Listening<'a> {
    line: &'a Line,
    is_heard: bool,
}

impl Listening<'_> {
    /// Somebody has answered, whatever it was.
    pub(super) fn hear(mut self) {
        self.is_heard = true;
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        match self.is_heard {
            true => self.line.unheard.store(0, Ordering::Relaxed),
            false => _ = self.line.unheard.fetch_add(1, Ordering::Relaxed),
        }
    }
}
