//! When to ping a peer, and when to give it up. Takes the time as an argument, never asks a clock.

use crate::{envelope::Dialect, settings};
use std::time::{Duration, Instant};

/// The rules of one dialect (wire.md, "Heartbeats").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Ping after so long without a frame from the peer (Sente: in either direction).
    idle: Duration,
    patience: Patience,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Give up so long after the last inbound frame.
    Silence(Duration),
    /// Give up so long after a ping that nothing followed.
    Unanswered(Duration),
}

impl Rules {
    /// Sente's server pings after 12.5 s without traffic and waits 10 s (`ws-kalive-ms` halved, `ws-ping-timeout-ms`,
    /// since 1.21); our own dialect and raw endpoints follow `[heartbeat]`.
    pub fn of(dialect: Dialect, settings: &settings::Heartbeat) -> Self {
        match dialect {
            Dialect::Sente => Self {
                idle: Duration::from_millis(12_500),
                patience: Patience::Unanswered(Duration::from_secs(10)),
            },
            Dialect::Tengen | Dialect::Raw => Self {
                idle: settings.ping_every,
                patience: Patience::Silence(settings.give_up_after),
            },
        }
    }

    /// What the handshake tells the client: pings come at least this often when it is silent.
    pub fn ping_every(&self) -> Duration {
        self.idle
    }
}

/// What the clock asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Nothing,
    Ping,
    GiveUp,
}

#[derive(Debug)]
pub struct Heartbeat {
    rules: Rules,
    heard: Instant,
    wrote: Instant,
    pinged: Option<Instant>,
}

impl Heartbeat {
    pub fn new(rules: Rules, now: Instant) -> Self {
        Self { rules, heard: now, wrote: now, pinged: None }
    }

    /// A frame came in; any frame counts as life.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.pinged = None;
    }

    /// Data went out.
    pub fn wrote(&mut self, now: Instant) {
        self.wrote = now;
    }

    /// Asks the peer now, whatever the clock says: its client seems to be somewhere else. False when it has been asked
    /// already and has not answered yet.
    pub fn ask(&mut self, now: Instant) -> bool {
        let unasked = self.pinged.is_none();
        self.pinged.get_or_insert(now);
        unasked
    }

    /// When [`Heartbeat::due`] is to be asked next.
    pub fn next(&self) -> Instant {
        match (self.pinged, self.rules.patience) {
            (None, _) => self.idle_since() + self.rules.idle,
            (Some(pinged), Patience::Unanswered(wait)) => pinged + wait,
            (Some(pinged), Patience::Silence(wait)) => {
                (self.heard + wait).min(pinged + self.rules.idle)
            }
        }
    }

    /// What to do now. After [`Due::Ping`] the ping counts as sent.
    pub fn due(&mut self, now: Instant) -> Due {
        if now < self.next() {
            return Due::Nothing;
        }
        let gone = match self.rules.patience {
            Patience::Silence(wait) => now >= self.heard + wait,
            Patience::Unanswered(wait) => self.pinged.is_some_and(|pinged| now >= pinged + wait),
        };
        if gone {
            return Due::GiveUp;
        }
        self.pinged = Some(now);
        Due::Ping
    }

    fn idle_since(&self) -> Instant {
        match self.rules.patience {
            Patience::Silence(_) => self.heard,
            Patience::Unanswered(_) => self.heard.max(self.wrote),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heartbeat(dialect: Dialect) -> (Heartbeat, Instant) {
        let start = Instant::now();
        (Heartbeat::new(Rules::of(dialect, &settings::Heartbeat::default()), start), start)
    }

    /// Asks whenever the heartbeat wants to be asked, and notes what happened at which second.
    fn story(heartbeat: &mut Heartbeat, start: Instant, until: f64) -> Vec<(f64, Due)> {
        let mut seen = Vec::new();
        loop {
            let now = heartbeat.next();
            let at = (now - start).as_secs_f64();
            if at > until || matches!(seen.last(), Some((_, Due::GiveUp))) {
                return seen;
            }
            seen.push((at, heartbeat.due(now)));
        }
    }

    #[test]
    fn a_silent_peer_of_ours_is_pinged_at_25_and_50_seconds_and_given_up_at_60() {
        let (mut heartbeat, start) = heartbeat(Dialect::Tengen);
        let seen = story(&mut heartbeat, start, 100.0);
        assert_eq!(seen, [(25.0, Due::Ping), (50.0, Due::Ping), (60.0, Due::GiveUp)]);
    }

    #[test]
    fn a_silent_sente_client_is_pinged_after_12_5_seconds_and_given_up_10_later() {
        let (mut heartbeat, start) = heartbeat(Dialect::Sente);
        assert_eq!(story(&mut heartbeat, start, 100.0), [(12.5, Due::Ping), (22.5, Due::GiveUp)]);
    }

    #[test]
    fn any_inbound_frame_counts_as_life() {
        let (mut heartbeat, start) = heartbeat(Dialect::Tengen);
        assert_eq!(heartbeat.due(start + Duration::from_secs(25)), Due::Ping);
        heartbeat.heard(start + Duration::from_secs(40));
        assert_eq!(heartbeat.due(start + Duration::from_secs(60)), Due::Nothing);
        assert_eq!(heartbeat.next(), start + Duration::from_secs(65));
    }

    #[test]
    fn for_sente_outbound_data_puts_the_ping_off_and_for_ours_it_does_not() {
        let (mut sente, start) = heartbeat(Dialect::Sente);
        sente.wrote(start + Duration::from_secs(10));
        assert_eq!(sente.next(), start + Duration::from_millis(22_500));
        let (mut ours, start) = heartbeat(Dialect::Tengen);
        ours.wrote(start + Duration::from_secs(10));
        assert_eq!(ours.next(), start + Duration::from_secs(25));
    }
}
