//! A share of the signals: of a trace all or none, and of the same traces as the tracer records.

use std::sync::atomic::{AtomicU64, Ordering};
use tengen_core::sink::{Level, Signal};

/// Of traceless signals, these steps through all numbers are spread evenly, however few are taken.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// Keeps a share of the signals below `warn`; all others are kept.
#[derive(Debug)]
pub(crate) struct Sampling {
    /// Traces whose number is below are kept.
    below: u64,
    turn: AtomicU64,
}

impl Sampling {
    /// None: all are kept.
    pub(crate) fn new(share: f64) -> Option<Self> {
        let below = (share.clamp(0.0, 1.0) * (1_u64 << 63) as f64) as u64;
        (share < 1.0).then(|| Self { below, turn: AtomicU64::new(0) })
    }

    pub(crate) fn keeps(&self, signal: &Signal) -> bool {
        if signal.level >= Level::Warn {
            return true;
        }
        let number = low_half(&signal.trace_id)
            .unwrap_or_else(|| self.turn.fetch_add(1, Ordering::Relaxed).wrapping_mul(STEP));
        number >> 1 < self.below
    }
}

/// What the tracer decides by: the second half of the trace's number.
fn low_half(trace_id: &str) -> Option<u64> {
    u64::from_str_radix(trace_id.get(16..32)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(share: f64, trace: Option<u128>) -> usize {
        let Some(sampling) = Sampling::new(share) else { return 1000 };
        let mut signal = Signal::new(Level::Info, "test", "hello");
        signal.trace_id = trace.map(|id| format!("{id:032x}")).unwrap_or_default();
        (0..1000).filter(|_| sampling.keeps(&signal)).count()
    }

    #[test]
    fn a_share_of_what_belongs_to_no_trace_is_kept() {
        assert_eq!(kept(1.0, None), 1000);
        assert_eq!(kept(0.0, None), 0);
        assert!((240..=260).contains(&kept(0.25, None)), "{}", kept(0.25, None));
    }

    #[test]
    fn of_a_trace_all_or_none_are_kept_as_the_tracer_does() {
        let (low, high) = (0x4000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF);
        assert_eq!((kept(0.5, Some(low)), kept(0.5, Some(high))), (1000, 0));
        assert_eq!(kept(0.25, Some(low)), 0, "its number is at a quarter of all");
    }

    #[test]
    fn warnings_are_always_kept() {
        let sampling = Sampling::new(0.0).unwrap();
        assert!(sampling.keeps(&Signal::new(Level::Warn, "test", "")));
        assert!(!sampling.keeps(&Signal::new(Level::Info, "test", "")));
    }
}
