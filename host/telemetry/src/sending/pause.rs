//! How long to wait before a request is tried again.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// The pause before the first try after the first; it doubles with each.
const PAUSE: Duration = Duration::from_millis(100);

/// Longer with each try, and never quite the same: gateways that lost one collector do not all come back at one time.
pub(crate) fn pause(tries: u32) -> Duration {
    let usual = PAUSE * 2_u32.saturating_pow(tries);
    let dice = RandomState::new().build_hasher().finish() % 100;
    usual + Duration::from_millis(dice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_are_never_quite_the_same() {
        for tries in 0..4 {
            let (least, most) = (PAUSE * 2_u32.pow(tries), PAUSE * (2_u32.pow(tries) + 1));
            let all: Vec<_> = (0..64).map(|_| pause(tries)).collect();
            assert!(all.iter().all(|it| (least..most).contains(it)), "{all:?}");
            assert!(all.iter().any(|it| *it != all[0]), "{all:?}");
        }
    }
}
