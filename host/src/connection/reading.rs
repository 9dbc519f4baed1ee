//! When a connection is read: not while what it sent finds no place (requirement T5b).
//!
//! A burst is decided in pieces: what was read is decided, then reading goes on. Only while the plugin is behind is the
//! socket left alone, so that TCP slows the sender, and only for a while: then it is read again, so that pings are
//! answered, and what finds no place is refused until the plugin has caught up.

use super::Surroundings;
use crate::router::{Source, Turn};
use std::{task::Context, time::Instant};

/// How often what is stuck is tried at one time: others take the places as well.
const TRIES: usize = 4;

/// Whether a connection is read.
#[derive(Debug, Default)]
pub(super) enum Reading {
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
        turn: &mut Option<Turn>,
        (cx, now): (&Context<'_>, Instant),
    ) -> bool {
        let since = match self {
            Self::GoingOn if !source.is_stuck() => return true,
            Self::GoingOn => now,
            Self::Stopped(since) => *since,
            Self::Refusing => {
                if around.router.has_room(source, cx.waker()) {
                    around.router.be_patient(source, true);
                    *self = Self::GoingOn;
                }
                return true;
            }
        };
        // What was read is decided; that may be what makes room.
        *turn = None;
        for _ in 0..TRIES {
            if !source.is_stuck() || !around.router.has_room(source, cx.waker()) {
                break;
            }
            around.router.retry(source, turn.get_or_insert_with(|| Turn::at(now)));
        }
        if !source.is_stuck() {
            *self = Self::GoingOn;
            return true;
        }
        if now < since + around.limits.wait {
            *self = Self::Stopped(since);
            return false;
        }
        around.router.be_patient(source, false);
        *self = Self::Refusing;
        true
    }

    /// While it is not read: since when.
    pub(super) fn stopped(&self) -> Option<Instant> {
        match self {
            Self::Stopped(since) => Some(*since),
            Self::GoingOn | Self::Refusing => None,
        }
    }
}
