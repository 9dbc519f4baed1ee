//! Whether a row is worse than it was: ratios round by round, their quartiles, and what forbids a judgement.

use crate::statistics::{median, quartiles};

/// Rounds below which nothing is judged.
pub(super) const ROUNDS: u32 = crate::plan::AGAINST_ROUNDS;
/// A median ratio up to here is no worse, whatever the quartiles say.
const SLACK: f64 = 1.03;

/// Two revisions, measured in the same rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figures {
    /// Medians of both.
    pub(super) old: f64,
    pub(super) new: f64,
    /// The median of the rounds' ratios, new to old: what disturbs a round disturbs both sides.
    pub(super) ratio: f64,
    /// Half of the rounds' ratios lie between these.
    pub(super) quartiles: (f64, f64),
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    NoWorse,
    Worse,
    /// The machine, or the measurement, does not allow an answer.
    NotJudged,
}

impl Figures {
    /// None without rounds, or where a ratio is none (a memory that did not grow).
    pub(super) fn of(old: &[f64], new: &[f64]) -> Option<Self> {
        let ratios: Vec<f64> = old.iter().zip(new).map(|(old, new)| new / old).collect();
        let sound = ratios.iter().all(|ratio| ratio.is_finite() && *ratio > 0.0);
        Some(Self {
            old: median(old)?,
            new: median(new)?,
            ratio: median(&ratios).filter(|_| sound)?,
            quartiles: quartiles(&ratios)?,
        })
    }

    /// No worse is a median ratio of at most 1.03, or one that cannot be told from 1: a quarter of the rounds or more
    /// were no dearer than before.
    fn is_no_worse(&self) -> bool {
        let (low, high) = self.quartiles;
        self.ratio <= SLACK || (low..=high).contains(&1.0)
    }

    pub(super) fn verdict(&self, doubts: &[String]) -> Verdict {
        match (doubts.is_empty(), self.is_no_worse()) {
            (false, _) => Verdict::NotJudged,
            (true, true) => Verdict::NoWorse,
            (true, false) => Verdict::Worse,
        }
    }
}

impl Verdict {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NoWorse => "no worse",
            Self::Worse => "**worse**",
            Self::NotJudged => "not judged",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(ratios: &[f64], expected: Verdict) {
        let old = vec![2.0; ratios.len()];
        let new: Vec<f64> = ratios.iter().map(|ratio| ratio * 2.0).collect();
        assert_eq!(Figures::of(&old, &new).unwrap().verdict(&[]), expected, "{ratios:?}");
    }

    #[test]
    fn three_hundredths_are_no_worse() {
        check(&[1.02, 1.03, 1.04], Verdict::NoWorse);
        check(&[1.03, 1.04, 1.05], Verdict::Worse);
        check(&[0.5, 0.6, 0.7], Verdict::NoWorse);
    }

    #[test]
    fn a_median_that_cannot_be_told_from_one_is_no_worse() {
        check(&[0.99, 1.0, 1.05, 1.06, 1.07], Verdict::NoWorse);
        check(&[0.99, 1.01, 1.05, 1.06, 1.07], Verdict::Worse);
    }

    #[test]
    fn a_doubt_forbids_either_judgement() {
        let doubt = ["3 rounds, 9 are needed".to_owned()];
        for new in [1.0, 9.0] {
            let figures = Figures::of(&[1.0], &[new]).unwrap();
            assert_eq!(figures.verdict(&doubt), Verdict::NotJudged);
        }
    }

    #[test]
    fn the_ratio_is_of_rounds_and_not_of_medians() {
        let figures = Figures::of(&[1.0, 10.0, 4.0], &[2.0, 20.0, 8.0]).unwrap();
        assert_eq!((figures.old, figures.new, figures.ratio), (4.0, 8.0, 2.0));
        assert_eq!(figures.quartiles, (2.0, 2.0));
    }

    #[test]
    fn what_has_no_ratio_has_no_figures() {
        assert_eq!(Figures::of(&[], &[]), None);
        assert_eq!(Figures::of(&[0.0], &[1.0]), None);
        assert_eq!(Figures::of(&[1.0], &[-1.0]), None);
    }
}
