//! Upgrades that were refused: counted by reason, and told in the log without letting anybody fill it.

use super::checks::Refusal;
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A reason is told once in this time; who is refused comes again as often as it likes.
const QUIET: Duration = Duration::from_secs(1);

/// What became of the refusals so far. The labels are ours, so they are few.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<BTreeMap<&'static str, Told>>);

#[derive(Debug, Clone, Copy)]
struct Told {
    count: u64,
    at: Instant,
    /// Refusals since then that the log does not have.
    since: u64,
}

impl Refusals {
    /// How many there were, by reason.
    pub fn by_reason(&self) -> BTreeMap<&'static str, u64> {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().map(|(label, told)| (*label, told.count)).collect()
    }

    /// The first of a kind that is somebody's work inside is a warning.
    pub(super) fn tell(&self, refusal: &Refusal, peer: SocketAddr, endpoint: &str, now: Instant) {
        let Some(Told { count, since: untold, .. }) = self.count(refusal.label, now) else {
            return;
        };
        let (status, why) = (refusal.status.as_u16(), refusal.label);
        match &refusal.inside {
            Some(inside) if count == 1 => {
                tracing::warn!(%peer, %endpoint, status, why, "upgrade refused: {inside}");
            }
            Some(inside) => {
                tracing::info!(%peer, %endpoint, status, why, untold, "upgrade refused: {inside}");
            }
            None => tracing::info!(%peer, %endpoint, status, why, untold, "upgrade refused"),
        }
    }

    /// How many of this kind there were, and how many of them the log does not have, when it is time to tell of one.
    fn count(&self, label: &'static str, now: Instant) -> Option<Told> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(told) = all.get_mut(label) else {
            let first = Told { count: 1, at: now, since: 0 };
            all.insert(label, first);
            return Some(first);
        };
        told.count += 1;
        if now.saturating_duration_since(told.at) < QUIET {
            told.since += 1;
            return None;
        }
        let untold = std::mem::take(&mut told.since);
        told.at = now;
        Some(Told { since: untold, ..*told })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_refused_a_thousand_times_fills_no_log() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        let untold = |label, now| refusals.count(label, now).map(|told| told.since);
        assert_eq!(untold("origin", now), Some(0));
        let told = (0..1000).filter(|_| untold("origin", now).is_some()).count();
        assert_eq!(told, 0);
        assert_eq!(untold("denied", now), Some(0), "another reason is told");
        assert_eq!(untold("origin", now + QUIET), Some(1000), "and how many are not");
        assert_eq!(refusals.by_reason(), BTreeMap::from([("denied", 1), ("origin", 1002)]));
    }
}
