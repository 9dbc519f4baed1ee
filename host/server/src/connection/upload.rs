//! How long a message may take to become whole. Takes the time as an argument, never asks a clock.

use std::time::{Duration, Instant};
use tengen_wire::websocket::Unfinished;

/// Any message has so long.
const ANY: Duration = Duration::from_secs(30);
/// And a second more for each so many bytes that came in.
const PER_SECOND: usize = 4096;

/// The message that is coming in.
#[derive(Debug, Default)]
pub(super) struct Upload(Option<Begun>);

#[derive(Debug, Clone, Copy)]
struct Begun {
    number: u64,
    since: Instant,
    due: Instant,
}

impl Upload {
    /// What has come in of a message that is not whole. True: it takes too long.
    ///
    /// Its time begins with its first byte, whatever fragments and control frames it comes in.
    pub(super) fn is_too_slow(&mut self, now: Instant, unfinished: Option<Unfinished>) -> bool {
        let Some(Unfinished { number, bytes }) = unfinished else {
            self.0 = None;
            return false;
        };
        let since = match self.0 {
            Some(begun) if begun.number == number => begun.since,
            _ => now,
        };
        let due = since + ANY + Duration::from_secs((bytes / PER_SECOND) as u64);
        self.0 = Some(Begun { number, since, due });
        now >= due
    }

    /// When it is to be looked at again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.map(|begun| begun.due)
    }

    /// So much time has passed in which nothing could be read.
    pub(super) fn excuse(&mut self, time: Duration) {
        if let Some(begun) = &mut self.0 {
            begun.since += time;
            begun.due += time;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u64, bytes: usize) -> Option<Unfinished> {
        Some(Unfinished { number, bytes })
    }

    #[test]
    fn a_message_has_30_seconds_and_one_more_for_every_4_kib() {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let mut upload = Upload::default();
        assert!(!upload.is_too_slow(at(0), part(7, 1)));
        assert_eq!(upload.due(), Some(at(30)));
        assert!(!upload.is_too_slow(at(29), part(7, 40_960)));
        assert!(!upload.is_too_slow(at(39), part(7, 40_960)));
        assert!(upload.is_too_slow(at(40), part(7, 40_960)));
    }

    #[test]
    fn the_next_message_has_its_own_time_and_a_pause_does_not_count() {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let mut upload = Upload::default();
        assert!(!upload.is_too_slow(at(0), part(0, 1)));
        assert!(!upload.is_too_slow(at(29), part(1, 1)));
        assert!(!upload.is_too_slow(at(50), part(1, 2)));
        upload.excuse(Duration::from_secs(100));
        assert!(!upload.is_too_slow(at(150), part(1, 2)));
        assert!(upload.is_too_slow(at(159), part(1, 2)));
        assert!(!upload.is_too_slow(at(160), None));
        assert_eq!(upload.due(), None);
    }
}
