//! What a bare echo costs on a quiet machine, so that one which is not quiet is noticed.
//!
//! Two references. One is the cheapest echo that this machine has ever shown, kept in a file. The other holds on any
//! machine: the echo's cost in rounds of a calculation that is timed beside it.

use anyhow::{Context as _, Result};
use std::{
    fs,
    hint::black_box,
    path::{Path, PathBuf},
    time::Instant,
};

/// A bare echo's CPU time for a message at one in flight, in rounds of [`calibrate`], on a quiet machine.
pub(super) const ECHO_IN_ROUNDS: f64 = 3.2;
/// How much dearer than on a quiet machine is far dearer.
const FAR: f64 = 1.3;
/// Steps of a round: a few microseconds.
const STEPS: u32 = 1000;
/// Rounds that are timed together, and how often.
const ROUNDS: u32 = 50;
const LOOKS: u32 = 200;

/// One look at how dear an echo is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Echo {
    /// CPU time for a message, in microseconds.
    pub(super) cpu: f64,
    /// A round of the calculation, in microseconds.
    pub(super) round: f64,
}

/// The cheapest echo so far, in microseconds, and where it is kept.
#[derive(Debug)]
pub(super) struct Quiet {
    file: Option<PathBuf>,
    cheapest: Option<f64>,
}

impl Quiet {
    /// What earlier runs have kept; without a file, or before the first run, nothing.
    pub(super) fn open(file: Option<&Path>) -> Self {
        let kept = file.and_then(|file| fs::read_to_string(file).ok());
        Self {
            file: file.map(Path::to_owned),
            cheapest: kept.and_then(|kept| kept.trim().parse().ok()).filter(|kept| *kept > 0.0),
        }
    }

    /// Why the machine is not quiet, if it is not.
    pub(super) fn doubts(&self, echo: Echo) -> Vec<String> {
        let mut doubts = Vec::new();
        let rounds = echo.cpu / echo.round;
        if is_far(rounds, ECHO_IN_ROUNDS) {
            doubts.push(format!(
                "a bare echo costs {rounds:.1} rounds of calculation, on a quiet machine {ECHO_IN_ROUNDS:.1}"
            ));
        }
        if let Some(cheapest) = self.cheapest.filter(|cheapest| is_far(echo.cpu, *cheapest)) {
            doubts.push(format!(
                "a bare echo costs {:.2} µs, at its cheapest on this machine {cheapest:.2} µs",
                echo.cpu
            ));
        }
        doubts
    }

    /// Keeps what a run without stolen time has found, if it is cheaper.
    pub(super) fn keep(&mut self, cpu: f64) -> Result<()> {
        if !cpu.is_finite() || self.cheapest.is_some_and(|cheapest| cheapest <= cpu) {
            return Ok(());
        }
        self.cheapest = Some(cpu);
        let Some(file) = &self.file else { return Ok(()) };
        fs::write(file, format!("{cpu:.3}\n"))
            .with_context(|| format!("cannot write `{}`", file.display()))
    }
}

/// Whether a cost is far above what it is on a quiet machine; what is no number is.
fn is_far(cost: f64, quiet: f64) -> bool {
    let is_near = cost <= quiet * FAR;
    !is_near
}

/// The time of one round of a calculation that needs no memory and no kernel, in microseconds. The least of many short
/// looks: what a core can do, whatever else it is asked to do meanwhile.
pub(crate) fn calibrate() -> f64 {
    let mut state = 1_u64;
    let mut least = f64::INFINITY;
    for _ in 0..LOOKS {
        let began = Instant::now();
        for _ in 0..ROUNDS {
            for _ in 0..STEPS {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
            }
            state = black_box(state);
        }
        least = least.min(began.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS));
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(cpu: f64) -> Echo {
        Echo { cpu, round: 1.0 }
    }

    #[test]
    fn a_third_more_than_on_a_quiet_machine_is_in_doubt() {
        let quiet = Quiet { file: None, cheapest: None };
        assert!(quiet.doubts(echo(ECHO_IN_ROUNDS * 1.29)).is_empty());
        assert_eq!(quiet.doubts(echo(ECHO_IN_ROUNDS * 1.31)).len(), 1);
        assert_eq!(quiet.doubts(echo(f64::NAN)).len(), 1, "what was not measured");
    }

    #[test]
    fn a_machine_is_compared_with_itself_as_well() {
        let quiet = Quiet { file: None, cheapest: Some(2.0) };
        assert!(quiet.doubts(echo(2.5)).is_empty());
        assert_eq!(quiet.doubts(echo(2.7)).len(), 1);
    }

    #[test]
    fn the_cheapest_is_kept_and_nothing_dearer() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quiet");
        let mut quiet = Quiet::open(Some(&file));
        for cpu in [3.0, 2.0, 4.0, f64::NAN] {
            quiet.keep(cpu).unwrap();
        }
        assert_eq!(Quiet::open(Some(&file)).cheapest, Some(2.0));
    }

    #[test]
    fn a_broken_file_is_no_reference() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quiet");
        for text in ["", "x", "-1", "0"] {
            fs::write(&file, text).unwrap();
            assert_eq!(Quiet::open(Some(&file)).cheapest, None, "{text:?}");
        }
    }
}
