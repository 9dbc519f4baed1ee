//! Medians, quantiles, and how far a thing is from itself.

/// The value in the middle; of an even count, the mean of the two. None of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    match sorted.len() % 2 {
        1 => Some(upper),
        _ => sorted.get(sorted.len() / 2 - 1).map(|lower| f64::midpoint(*lower, upper)),
    }
}

/// How far apart two measurements of the same thing were, at worst: the largest ratio of a pair, never below 1.
pub(crate) fn spread(pairs: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    pairs.into_iter().map(|(one, other)| (one / other).max(other / one)).fold(1.0, f64::max)
}

/// The values below which a quarter and three quarters of the others lie, between two of them where none is there. None of
/// nothing.
pub(crate) fn quartiles(values: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    let at = |share: f64| {
        let place = share * last as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        let (low, high) = (sorted.get(below)?, sorted.get(above)?);
        Some(low + (high - low) * place.fract())
    };
    Some((at(0.25)?, at(0.75)?))
}

/// How far apart two measurements of the same thing are in the middle of all rounds: never below 1, and no number without
/// rounds.
pub(crate) fn typical_spread(pairs: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    let ratios: Vec<f64> =
        pairs.into_iter().map(|(one, other)| (one / other).max(other / one)).collect();
    median(&ratios).unwrap_or(f64::NAN)
}

/// The value that a share of the others do not exceed; the values are sorted. None of nothing.
pub(crate) fn quantile(sorted: &[u32], share: f64) -> Option<u32> {
    let last = sorted.len().checked_sub(1)?;
    // Counts fit a float's 53 bits, and the share is at most one.
    let place = (share * last as f64).round() as usize;
    sorted.get(place.min(last)).copied()
}

/// A contestant against a baseline that was measured twice, round by round.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Comparison {
    /// The baseline's median over both of its measurements.
    pub(crate) baseline: f64,
    pub(crate) value: f64,
    /// The median of the rounds' ratios: what disturbs a round disturbs both sides.
    pub(crate) ratio: f64,
    /// The baseline against itself.
    pub(crate) spread: f64,
}

/// Compares values taken in the same rounds. None when there was no round.
pub(crate) fn compare(baseline: &[f64], again: &[f64], values: &[f64]) -> Option<Comparison> {
    let pairs = || baseline.iter().copied().zip(again.iter().copied());
    let ratios: Vec<f64> =
        pairs().zip(values).map(|((a, b), value)| value / f64::midpoint(a, b)).collect();
    let both: Vec<f64> = baseline.iter().chain(again).copied().collect();
    Some(Comparison {
        baseline: median(&both)?,
        value: median(values)?,
        ratio: median(&ratios)?,
        spread: spread(pairs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[f64], expected: Option<f64>) {
        assert_eq!(median(values), expected);
    }

    #[test]
    fn the_median_needs_no_order() {
        check(&[], None);
        check(&[3.0], Some(3.0));
        check(&[9.0, 1.0, 5.0], Some(5.0));
        check(&[9.0, 1.0, 5.0, 2.0], Some(3.5));
    }

    #[test]
    fn the_spread_is_the_worst_pair_whichever_side_it_is_on() {
        assert_eq!(spread([]), 1.0);
        assert_eq!(spread([(2.0, 2.0), (2.0, 2.5), (2.0, 1.0)]), 2.0);
    }

    #[test]
    fn quartiles_lie_between_values_where_none_is_there() {
        assert_eq!(quartiles(&[]), None);
        assert_eq!(quartiles(&[2.0]), Some((2.0, 2.0)));
        assert_eq!(quartiles(&[5.0, 1.0, 3.0, 2.0, 4.0]), Some((2.0, 4.0)));
        assert_eq!(quartiles(&[1.0, 2.0, 3.0, 4.0]), Some((1.75, 3.25)));
    }

    #[test]
    fn one_bad_pair_does_not_spread_the_others() {
        assert_eq!(typical_spread([(2.0, 2.0), (2.0, 2.5), (9.0, 1.0)]), 1.25);
        assert_eq!(typical_spread([(2.0, 1.0)]), 2.0, "whichever side it is on");
        assert!(typical_spread([]).is_nan());
    }

    #[test]
    fn a_quantile_is_one_of_the_values() {
        let sorted: Vec<u32> = (1..=101).collect();
        assert_eq!(quantile(&sorted, 0.5), Some(51));
        assert_eq!(quantile(&sorted, 0.99), Some(100));
        assert_eq!(quantile(&sorted, 1.0), Some(101));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_slow_round_slows_both_sides_and_leaves_the_ratio() {
        let compared =
            compare(&[10.0, 20.0, 10.0], &[10.0, 20.0, 12.5], &[12.0, 24.0, 12.0]).unwrap();
        assert_eq!(compared.ratio, 1.2);
        assert_eq!((compared.baseline, compared.value), (11.25, 12.0));
        assert_eq!(compared.spread, 1.25);
    }
}
