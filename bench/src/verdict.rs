//! What a measure must reach and what it aims at, and whether it did.

/// The most a measure may be, or the least.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    pub(crate) must: f64,
    pub(crate) aim: f64,
    /// More is better.
    pub(crate) least: bool,
}

/// What became of a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The aim is reached.
    Reached,
    /// The must holds, the aim does not.
    Holds,
    /// The must is missed.
    Missed,
    /// No limit, or none that this measurement could decide.
    Reported,
}

impl Limits {
    pub(crate) const fn new(must: f64, aim: f64) -> Self {
        Self { must, aim, least: false }
    }

    pub(crate) const fn at_least(must: f64, aim: f64) -> Self {
        Self { must, aim, least: true }
    }

    pub(crate) fn judge(self, value: f64) -> Verdict {
        let keeps = |limit: f64| if self.least { value >= limit } else { value <= limit };
        match value {
            _ if keeps(self.aim) => Verdict::Reached,
            _ if keeps(self.must) => Verdict::Holds,
            // What is no number was not measured.
            _ => Verdict::Missed,
        }
    }

    /// A tail latency: counts with enough samples on both sides, and where it is further from the baseline than the
    /// baseline is from itself.
    pub(crate) fn judge_tail(self, ratio: f64, spread: f64, samples: usize) -> Verdict {
        match self.judge(ratio) {
            _ if samples < TAIL_SAMPLES => Verdict::Reported,
            Verdict::Missed if ratio <= TAIL_SLACK * spread => Verdict::Reported,
            verdict => verdict,
        }
    }
}

/// Samples of one side below which a tail latency is only reported.
pub(crate) const TAIL_SAMPLES: usize = 200_000;
/// How much further than from itself the baseline must be.
const TAIL_SLACK: f64 = 1.1;

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Reached => "aim reached",
            Self::Holds => "holds",
            Self::Missed => "**missed**",
            Self::Reported => "reported",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits::new(1.25, 1.15);

    #[track_caller]
    fn check(value: f64, expected: Verdict) {
        assert_eq!(LIMITS.judge(value), expected);
    }

    #[test]
    fn a_limit_itself_is_within() {
        check(1.0, Verdict::Reached);
        check(1.15, Verdict::Reached);
        check(1.16, Verdict::Holds);
        check(1.25, Verdict::Holds);
        check(1.26, Verdict::Missed);
        check(f64::NAN, Verdict::Missed);
    }

    #[test]
    fn a_least_limit_is_missed_from_below() {
        let limits = Limits::at_least(3.0, 5.0);
        assert_eq!(
            [5.0, 4.9, 3.0, 2.9, f64::NAN].map(|value| limits.judge(value)),
            [Verdict::Reached, Verdict::Holds, Verdict::Holds, Verdict::Missed, Verdict::Missed]
        );
    }

    #[track_caller]
    fn check_tail(ratio: f64, spread: f64, samples: usize, expected: Verdict) {
        assert_eq!(LIMITS.judge_tail(ratio, spread, samples), expected);
    }

    #[test]
    fn a_tail_counts_beyond_the_noise_and_with_enough_samples() {
        check_tail(1.5, 1.1, 200_000, Verdict::Missed);
        check_tail(1.5, 1.4, 200_000, Verdict::Reported);
        check_tail(1.5, 1.1, 199_999, Verdict::Reported);
        check_tail(1.2, 1.1, 200_000, Verdict::Holds);
        check_tail(1.2, 1.1, 199_999, Verdict::Reported);
    }
}
