//! What the peer has taken of what was written to it: by that it is judged while it does not take all.

use super::Driver;
use crate::transport::Carrier;
use std::time::{Duration, Instant};
use tengen_core::meter::Happened;
use tengen_wire::close::Reason;

/// Who is so late was not busy: everything stood still.
const PAUSE: Duration = Duration::from_secs(1);

impl<C: Carrier> Driver<C> {
    /// The kernel does not take what we have for the peer. Some: the peer takes so little that the connection is over.
    pub(super) fn stuck(&mut self, now: Instant) -> Option<Reason> {
        match self.pace.next() {
            None => {
                let taken = self.taken();
                self.pace.stuck(now, taken);
            }
            Some(next) if now >= next => {
                let taken = self.taken();
                // Whose outbox overflowed has been found too slow already, and counted.
                if self.opened.source.link.is_given_up() {
                    return Some(Reason::SlowConsumer);
                }
                if self.pace.is_too_slow(now, taken) {
                    self.around.hub.meter.note(Happened::ReadTooSlowly);
                    return Some(Reason::SlowConsumer);
                }
            }
            Some(_) => {}
        }
        None
    }

    /// Late is who was kept from looking, by a pause of the process or by others: the peer had no part in it.
    pub(super) fn excuse_lateness(&mut self, now: Instant, due: Instant) {
        let late = now.saturating_duration_since(due);
        // A pause may have begun right after the last turn.
        let missed = if late < PAUSE { late } else { now.saturating_duration_since(self.turned) };
        self.heartbeat.excuse(missed);
        self.pace.excuse(missed);
        self.upload.excuse(missed);
    }

    /// Notes how much the peer has taken, as long as the kernel holds something for it.
    pub(super) fn look_at_pace(&mut self, now: Instant) {
        if self.pace.is_stuck() {
            // It cannot be asked while nothing reaches it; its pace is what it is judged by.
            self.heartbeat.heard(now);
        } else if self.carrier.untaken() == 0 {
            self.pace.forget();
        } else {
            let taken = self.taken();
            self.pace.mark(now, taken);
        }
    }

    /// Whether our ping may not have reached the peer yet: the kernel has more for it, which it is taking. It is given
    /// its time again.
    pub(super) fn may_be_unasked(&mut self, now: Instant) -> bool {
        let unasked = self.carrier.untaken() > 0 && self.taken() > self.asked;
        if unasked {
            self.heartbeat.heard(now);
        }
        unasked
    }

    /// Bytes that the peer has taken since the connection began.
    pub(super) fn taken(&self) -> u64 {
        let written = self.carrier.total() + self.opened.source.link.written_for();
        written.saturating_sub(self.carrier.untaken() as u64)
    }
}
