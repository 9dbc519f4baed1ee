//! How often signals of one key pass.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};
use tengen_core::sink::Signal;
use tengen_settings::{LimitBy, Rate};

/// Keys that are counted apart; those that come when so many are busy are counted together.
const KEYS: usize = 4096;
/// The key of those; no id or name is empty otherwise where it is counted.
const OTHERS: &str = "*";

/// Lets so many of each key pass within a time, at once or spread.
#[derive(Debug)]
pub(crate) struct Limit {
    rate: Rate,
    by: LimitBy,
    keys: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Limit {
    pub(crate) fn new(rate: Rate, by: LimitBy) -> Self {
        Self { rate, by, keys: Mutex::default() }
    }

    pub(crate) fn admits(&self, signal: &Signal, now: Instant) -> bool {
        let key: &str = match self.by {
            LimitBy::Id => &signal.id,
            LimitBy::Namespace => &signal.namespace,
            LimitBy::User => &signal.user,
            LimitBy::Connection => &signal.connection,
        };
        let full = f64::from(self.rate.count.get());
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if !keys.contains_key(key) && keys.len() >= KEYS {
            keys.retain(|_, bucket| self.filled(bucket, now) < full);
        }
        let key = if keys.len() < KEYS || keys.contains_key(key) { key } else { OTHERS };
        if let Some(bucket) = keys.get_mut(key) {
            *bucket = Bucket { left: self.filled(bucket, now), at: now };
            let passes = bucket.left >= 1.0;
            bucket.left -= if passes { 1.0 } else { 0.0 };
            return passes;
        }
        keys.insert(key.to_owned(), Bucket { left: full - 1.0, at: now });
        true
    }

    fn filled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let full = f64::from(self.rate.count.get());
        let passed = now.saturating_duration_since(bucket.at).as_secs_f64();
        full.min(bucket.left + full * passed / self.rate.per.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tengen_core::sink::Level;

    fn of(id: impl Into<String>) -> Signal {
        Signal { id: id.into().into(), ..Signal::new(Level::Info, "test", "") }
    }

    #[test]
    fn each_key_has_a_limit_of_its_own_that_fills_up_again() {
        let (limit, start) = (Limit::new(Rate::per_minute(6), LimitBy::Id), Instant::now());
        let passed = |id: &str, second: u64| {
            let now = start + Duration::from_secs(second);
            (0..100).filter(|_| limit.admits(&of(id), now)).count()
        };
        assert_eq!((passed("a", 0), passed("b", 0)), (6, 6));
        assert_eq!(passed("a", 20), 2);
        assert_eq!(passed("a", 3600), 6);
    }

    #[test]
    fn the_number_of_keys_is_bounded_and_others_share_one() {
        let (limit, now) = (Limit::new(Rate::per_minute(1), LimitBy::Id), Instant::now());
        let passed = (0..10_000).filter(|id| limit.admits(&of(id.to_string()), now)).count();
        assert_eq!(passed, KEYS + 1);
        assert!(limit.keys.lock().unwrap().len() <= KEYS + 1);
        let later = now + Duration::from_secs(60);
        assert!(limit.admits(&of("new"), later), "those that rest make room");
        assert!(limit.keys.lock().unwrap().len() < 10);
    }
}
