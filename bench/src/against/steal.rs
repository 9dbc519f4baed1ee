//! Time that the hypervisor gave to somebody else, by the kernel's count.

use anyhow::{Context as _, Result};
use std::{collections::BTreeMap, fs};

/// Each core's ticks so far: of all kinds, and stolen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Steal(BTreeMap<String, (u64, u64)>);

impl Steal {
    pub(super) fn now() -> Result<Self> {
        Self::read(&fs::read_to_string("/proc/stat").context("cannot read `/proc/stat`")?)
    }

    fn read(stat: &str) -> Result<Self> {
        let mut cores = BTreeMap::new();
        for line in stat.lines() {
            let mut words = line.split_ascii_whitespace();
            let Some(name) = words.next().filter(|name| is_core(name)) else { continue };
            // user, nice, system, idle, iowait, irq, softirq, steal; guests' time is a part of the first two.
            let ticks = words.take(8).map(str::parse).collect::<Result<Vec<u64>, _>>();
            let ticks = ticks.with_context(|| format!("`{line}` is not in numbers"))?;
            let stolen = *ticks.get(7).context("this kernel does not count stolen time")?;
            cores.insert(name.to_owned(), (ticks.iter().sum(), stolen));
        }
        anyhow::ensure!(!cores.is_empty(), "`/proc/stat` names no core");
        Ok(Self(cores))
    }

    /// The share that was stolen since an earlier look, of the core that lost most.
    pub(super) fn since(&self, earlier: &Self) -> f64 {
        let share = |(name, (all, stolen)): (&String, &(u64, u64))| {
            let (all_then, stolen_then) = earlier.0.get(name).copied().unwrap_or_default();
            let all = all.saturating_sub(all_then);
            stolen.saturating_sub(stolen_then) as f64 / all.max(1) as f64
        };
        self.0.iter().map(share).fold(0.0, f64::max)
    }
}

/// `cpu0`, and not the sum `cpu`.
fn is_core(name: &str) -> bool {
    name.strip_prefix("cpu")
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EARLIER: &str = "cpu  20 0 0 180 0 0 0 0 0 0\ncpu0 10 0 0 90 0 0 0 0 0 0\ncpu1 10 0 0 90 0 0 0 0 0 0\nintr 5\n";

    #[track_caller]
    fn check(later: &str, expected: f64) {
        let (earlier, later) = (Steal::read(EARLIER).unwrap(), Steal::read(later).unwrap());
        assert_eq!(later.since(&earlier), expected);
    }

    #[test]
    fn the_core_that_lost_most_counts_and_not_the_sum() {
        check(
            "cpu 0 0 0 0 0 0 0 0\ncpu0 60 0 0 138 0 0 0 2 0 0\ncpu1 10 0 0 190 0 0 0 0 0 0\n",
            0.02,
        );
    }

    #[test]
    fn no_time_in_between_is_nothing_stolen() {
        check(EARLIER, 0.0);
    }

    #[test]
    fn a_kernel_without_the_figure_is_told_apart_from_none_stolen() {
        assert!(Steal::read("cpu0 1 2 3 4\n").is_err());
        assert!(Steal::read("cpu0 1 2 3 4 5 6 7 x\n").is_err());
        assert!(Steal::read("intr 5\n").is_err());
    }
}
