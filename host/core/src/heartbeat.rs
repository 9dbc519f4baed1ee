//! When to ping a peer, and when to give it up. Takes the time as an argument, never asks a clock.
//!
//! **Invariant:** nobody is given up who was not asked and given time. What the gateway slept through, and what it did
//! not read, is no silence of the peer's.

use std::time::{Duration, Instant};
use tengen_settings as settings;
use tengen_wire::dialect::{Dialect, Profile, Pulse};

/// The longest wait for the answer to a ping; Sente's own server has the same.
const ANSWER: Duration = Duration::from_secs(10);

/// The rules of one dialect: what its clients expect, and how long they are silent themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Ping after so long without a byte from the peer (Sente: in either direction).
    idle: Duration,
    /// Nobody is given up before so long without a byte, whatever was asked.
    silence: Duration,
    /// Nobody is given up before a ping has waited so long for a byte. At half of it a ping of the WebSocket layer
    /// follows, which every client answers; not all answer an application's.
    answer: Duration,
    /// What goes out puts the ping off, too.
    both_ways: bool,
    /// The ping is one of the WebSocket layer already.
    plain: bool,
}

impl Rules {
    /// Those that the dialect's clients rely on, if they do; all others follow `[heartbeat]`.
    pub fn of(dialect: Dialect, settings: &settings::Heartbeat) -> Self {
        let Profile { pulse, pings, .. } = dialect.profile();
        match pulse {
            Some(Pulse { idle, silence, both_ways }) => Self {
                idle: *idle,
                silence: *silence,
                answer: ANSWER,
                both_ways: *both_ways,
                plain: !pings,
            },
            None => Self {
                idle: settings.ping_every,
                silence: settings.give_up_after,
                answer: ANSWER.min(settings.give_up_after.saturating_sub(settings.ping_every)),
                both_ways: false,
                plain: !pings,
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
    /// A ping in the peer's own words.
    Ping,
    /// A ping of the WebSocket layer: the other one stays unanswered.
    PlainPing,
    GiveUp,
}

#[derive(Debug)]
pub struct Heartbeat {
    rules: Rules,
    heard: Instant,
    wrote: Instant,
    asked: Option<Asked>,
    /// Since when nobody reads what the peer sends.
    deaf: Option<Instant>,
}

/// Pings that nothing has followed.
#[derive(Debug, Clone, Copy)]
struct Asked {
    first: Instant,
    last: Instant,
    plainly: bool,
}

impl Heartbeat {
    pub fn new(rules: Rules, now: Instant) -> Self {
        Self { rules, heard: now, wrote: now, asked: None, deaf: None }
    }

    /// Bytes came in; any byte counts as life, also one of a message that is not whole yet.
    pub fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.asked = None;
    }

    /// How long ago a ping was sent that nothing has followed: with the next byte, its round trip.
    pub fn pinged(&self, now: Instant) -> Option<Duration> {
        self.asked.map(|asked| now.saturating_duration_since(asked.last))
    }

    /// Data went out.
    pub fn wrote(&mut self, now: Instant) {
        self.wrote = now;
    }

    /// Asks the peer now, whatever the clock says: its client seems to be somewhere else. False when it has been asked
    /// already and has not answered yet.
    pub fn ask(&mut self, now: Instant) -> bool {
        let unasked = self.asked.is_none();
        self.asked.get_or_insert(Asked { first: now, last: now, plainly: false });
        unasked
    }

    /// From `now` on nobody reads what the peer sends, so that its silence says nothing: until [`Heartbeat::listen`] the
    /// time that passes does not count. To be called in every turn that does not read, first or not.
    pub fn deafen(&mut self, now: Instant) {
        self.deaf.get_or_insert(now);
    }

    /// What the peer sends is read again. Costs nothing where it was read all the time, so that a turn may always say so.
    pub fn listen(&mut self, now: Instant) {
        if let Some(since) = self.deaf.take() {
            self.excuse(now.saturating_duration_since(since));
        }
    }

    /// So much time has passed in which the peer could not be heard: [`Heartbeat::due`] was asked so much later than
    /// it wanted, because the process or the machine stood still or was busy.
    pub fn excuse(&mut self, time: Duration) {
        self.heard += time;
        self.wrote += time;
        if let Some(asked) = &mut self.asked {
            asked.first += time;
            asked.last += time;
        }
    }

    /// When [`Heartbeat::due`] is to be asked next.
    pub fn next(&self) -> Instant {
        let Some(asked) = self.asked else { return self.idle_since() + self.rules.idle };
        let then = self.gives_up(asked).min(asked.last + self.rules.idle);
        if self.asks_plainly(asked) { then.min(self.plain_ping(asked)) } else { then }
    }

    /// What to do now. After [`Due::Ping`] and [`Due::PlainPing`] the ping counts as sent.
    pub fn due(&mut self, now: Instant) -> Due {
        if self.deaf.is_some() {
            self.listen(now);
            self.deafen(now);
        }
        if now < self.next() {
            return Due::Nothing;
        }
        let Some(asked) = self.asked else {
            self.asked = Some(Asked { first: now, last: now, plainly: false });
            return Due::Ping;
        };
        if now >= self.gives_up(asked) {
            return Due::GiveUp;
        }
        let plainly = self.asks_plainly(asked) && now >= self.plain_ping(asked);
        let last = if plainly { asked.last } else { now };
        self.asked = Some(Asked { last, plainly, ..asked });
        if plainly { Due::PlainPing } else { Due::Ping }
    }

    fn gives_up(&self, asked: Asked) -> Instant {
        (self.heard + self.rules.silence).max(asked.first + self.rules.answer)
    }

    fn asks_plainly(&self, asked: Asked) -> bool {
        !self.rules.plain && !asked.plainly
    }

    fn plain_ping(&self, asked: Asked) -> Instant {
        asked.last + self.rules.answer / 2
    }

    fn idle_since(&self) -> Instant {
        if self.rules.both_ways { self.heard.max(self.wrote) } else { self.heard }
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

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn a_silent_peer_of_ours_is_pinged_at_25_and_50_seconds_both_ways_and_given_up_at_60() {
        let (mut heartbeat, start) = heartbeat(Dialect::Tengen);
        let seen = story(&mut heartbeat, start, 100.0);
        assert_eq!(
            seen,
            [
                (25.0, Due::Ping),
                (30.0, Due::PlainPing),
                (50.0, Due::Ping),
                (55.0, Due::PlainPing),
                (60.0, Due::GiveUp)
            ]
        );
    }

    #[test]
    fn a_silent_sente_client_is_pinged_after_12_5_seconds_plainly_5_later_and_given_up_at_22_5() {
        let (mut heartbeat, start) = heartbeat(Dialect::Sente);
        assert_eq!(
            story(&mut heartbeat, start, 100.0),
            [(12.5, Due::Ping), (17.5, Due::PlainPing), (22.5, Due::GiveUp)]
        );
    }

    #[test]
    fn a_raw_peer_is_pinged_by_websocket_alone() {
        let (mut heartbeat, start) = heartbeat(Dialect::Raw);
        let seen = story(&mut heartbeat, start, 100.0);
        assert_eq!(seen, [(25.0, Due::Ping), (50.0, Due::Ping), (60.0, Due::GiveUp)]);
    }

    #[test]
    fn with_a_short_heartbeat_the_time_to_answer_shrinks_with_it() {
        let settings = settings::Heartbeat { ping_every: seconds(1), give_up_after: seconds(3) };
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(Rules::of(Dialect::Tengen, &settings), start);
        let seen = story(&mut heartbeat, start, 100.0);
        assert_eq!(seen.first(), Some(&(1.0, Due::Ping)));
        assert_eq!(seen.last(), Some(&(3.0, Due::GiveUp)));
    }

    #[test]
    fn any_inbound_byte_counts_as_life() {
        let (mut heartbeat, start) = heartbeat(Dialect::Tengen);
        assert_eq!(heartbeat.due(start + seconds(25)), Due::Ping);
        heartbeat.heard(start + seconds(40));
        assert_eq!(heartbeat.due(start + seconds(60)), Due::Nothing);
        assert_eq!(heartbeat.next(), start + seconds(65));
    }

    #[test]
    fn a_round_trip_goes_from_the_last_ping_to_the_first_byte_after_it() {
        let (mut heartbeat, start) = heartbeat(Dialect::Tengen);
        assert_eq!(heartbeat.pinged(start + seconds(24)), None);
        heartbeat.due(start + seconds(25));
        assert_eq!(heartbeat.pinged(start + seconds(26)), Some(seconds(1)));
        heartbeat.excuse(seconds(1));
        assert_eq!(heartbeat.pinged(start + seconds(26)), Some(seconds(0)), "nobody could hear it");
        heartbeat.heard(start + seconds(27));
        assert_eq!(heartbeat.pinged(start + seconds(28)), None, "what follows is no answer");
    }

    #[test]
    fn who_answers_only_plain_pings_stays() {
        for dialect in [Dialect::Tengen, Dialect::Sente] {
            let (mut heartbeat, start) = heartbeat(dialect);
            while heartbeat.next() < start + seconds(600) {
                let now = heartbeat.next();
                match heartbeat.due(now) {
                    Due::PlainPing => heartbeat.heard(now + Duration::from_millis(50)),
                    Due::GiveUp => panic!("given up after {:?}", now - start),
                    Due::Ping | Due::Nothing => {}
                }
            }
        }
    }

    #[test]
    fn after_a_pause_the_peer_is_asked_and_given_its_time_first() {
        for dialect in [Dialect::Tengen, Dialect::Sente, Dialect::Raw] {
            // The pause may begin before the ping and after it.
            for asked in [false, true] {
                let (mut heartbeat, start) = heartbeat(dialect);
                if asked {
                    let ping = heartbeat.next();
                    assert_eq!(heartbeat.due(ping), Due::Ping);
                }
                let woken = heartbeat.next() + seconds(300);
                heartbeat.excuse(seconds(300));
                assert!(matches!(heartbeat.due(woken), Due::Ping | Due::PlainPing));
                let seen = story(&mut heartbeat, start, 1000.0);
                let (end, last) = *seen.last().unwrap();
                assert_eq!(last, Due::GiveUp);
                let patience = end - (woken - start).as_secs_f64();
                assert!(patience >= 5.0, "{dialect:?}: {patience} s after the pause");
            }
        }
    }

    #[test]
    fn while_we_do_not_read_silence_is_ours() {
        let (mut heartbeat, start) = heartbeat(Dialect::Sente);
        assert_eq!(heartbeat.due(start + Duration::from_millis(12_500)), Due::Ping);
        heartbeat.deafen(start + seconds(13));
        for second in 14..100 {
            heartbeat.deafen(start + seconds(second));
            assert_eq!(heartbeat.due(start + seconds(second)), Due::Nothing, "{second}");
        }
        heartbeat.listen(start + seconds(100));
        // Half a second of its time had passed.
        let seen = story(&mut heartbeat, start, 1000.0);
        assert_eq!(seen, [(104.5, Due::PlainPing), (109.5, Due::GiveUp)]);
    }

    #[test]
    fn clients_of_sente_lite_are_pinged_after_half_a_minute_and_given_up_after_a_whole_one() {
        let (mut heartbeat, start) = heartbeat(Dialect::SenteLite);
        let seen = story(&mut heartbeat, start, 1000.0);
        assert_eq!(seen.first(), Some(&(30.0, Due::Ping)));
        assert_eq!(seen.last(), Some(&(60.0, Due::GiveUp)));
        let plain = seen.iter().find(|(_, due)| *due == Due::PlainPing);
        assert_eq!(
            plain,
            Some(&(35.0, Due::PlainPing)),
            "its clients answer no other when they came back"
        );
    }

    #[test]
    fn for_sente_outbound_data_puts_the_ping_off_and_for_ours_it_does_not() {
        let (mut sente, start) = heartbeat(Dialect::Sente);
        sente.wrote(start + seconds(10));
        assert_eq!(sente.next(), start + Duration::from_millis(22_500));
        let (mut ours, start) = heartbeat(Dialect::Tengen);
        ours.wrote(start + seconds(10));
        assert_eq!(ours.next(), start + seconds(25));
    }
}
