//! When a connection is read: not while what it sent finds no place.
//!
//! A burst is decided in pieces: what was read is decided, then reading goes on. Only while the plugin is behind is the
//! socket left alone, so that TCP slows the sender, and only for a while: then it is read again, so that pings are
//! answered, and what finds no place is refused until the plugin has caught up.

use super::Surroundings;
use crate::router::{Source, Turn};
use std::{
    task::Context,
    time::{Duration, Instant},
};

/// How often what is stuck is tried at one time: others take the places as well.
const TRIES: usize = 4;

/// Whether a connection is read, and how long it has not been.
#[derive(Debug, Default)]
pub(super) struct Reading {
    state: State,
    /// How long it was not read since there was nothing left to read. A ping may lie behind all that the peer has sent,
    /// so the pauses in front of it count together, however many events found their place in between.
    waited: Duration,
}

#[derive(Debug, Default)]
enum State {
    /// It is.
    #[default]
    GoingOn,
    /// Not since then.
    Stopped(Instant),
    /// It is, and what finds no place is refused.
    Refusing,
}

impl Reading {
    /// Whether it is read now. What is stuck is tried again; events that find their place then belong to `turn`.
    pub(super) fn goes_on(
        &mut self,
        around: &Surroundings,
        source: &mut Source,
        turn: &mut Turn<'_>,
        (cx, now): (&Context<'_>, Instant),
    ) -> bool {
        let since = match self.state {
            State::GoingOn if !source.is_stuck() => return true,
            State::GoingOn => now,
            State::Stopped(since) => since,
            State::Refusing => {
                if around.router.has_room(source, cx.waker()) {
                    around.router.be_patient(source, true);
                    *self = Self::default();
                }
                return true;
            }
        };
        // What was read is decided; that may be what makes room.
        turn.settle();
        for _ in 0..TRIES {
            if !source.is_stuck() || !around.router.has_room(source, cx.waker()) {
                break;
            }
            around.router.retry(source, turn);
        }
        if !source.is_stuck() {
            self.state = State::GoingOn;
            self.waited += now.saturating_duration_since(since);
            return true;
        }
        self.state = State::Stopped(since);
        if self.ends(around.limits.wait).is_some_and(|end| now < end) {
            return false;
        }
        around.router.be_patient(source, false);
        self.state = State::Refusing;
        true
    }

    /// All that the peer has sent is read.
    pub(super) fn is_at_the_end(&mut self) {
        self.waited = Duration::ZERO;
    }

    /// While it is not read: until when, if all pauses together may be so long.
    pub(super) fn ends(&self, wait: Duration) -> Option<Instant> {
        match self.state {
            State::Stopped(since) => Some(since + wait.saturating_sub(self.waited)),
            State::GoingOn | State::Refusing => None,
        }
    }
}
