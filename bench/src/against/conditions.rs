//! What the machine was like while rows were measured: stolen time, and what a bare echo cost meanwhile.

use super::{
    quiet::{Echo, Quiet},
    steal::Steal,
};
use crate::{
    bare::Role,
    bench::Bench,
    cores,
    load::{
        Burst,
        closed::{self, Closed, Window},
    },
    process::Server,
    statistics::median,
};
use anyhow::{Context as _, Result, ensure};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// The share of stolen time above which nothing is judged.
const STEAL_MAX: f64 = 0.01;
const WARM_UP: Duration = Duration::from_millis(50);
const MEASURED: Duration = Duration::from_millis(150);

/// The bare echo that is asked beside every round, and what is known of it.
#[derive(Debug)]
pub(super) struct Conditions {
    own: PathBuf,
    bare: Server,
    quiet: Quiet,
}

/// The time of some rows.
#[derive(Debug)]
pub(super) struct Watch {
    began: Steal,
    echoes: Vec<f64>,
    rounds: Vec<f64>,
}

/// What was seen in that time.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) steal: f64,
    pub(super) echo: Echo,
    /// Why nothing can be judged.
    pub(super) doubts: Vec<String>,
}

impl Conditions {
    pub(super) fn new(bench: &Bench, quiet: Quiet) -> Result<Self> {
        Ok(Self { own: bench.own.clone(), bare: bench.bare(Role::Echo)?, quiet })
    }

    pub(super) fn watch() -> Result<Watch> {
        Ok(Watch { began: Steal::now()?, echoes: Vec::new(), rounds: Vec::new() })
    }

    /// Asks the bare echo for a moment: once in every round.
    pub(super) async fn probe(&self) -> Result<Echo> {
        let load = Closed { connections: 50, burst: Arc::new(Burst::echo(64, 1)) };
        // The kernel may still be at the thousands of sockets that a row has left: one answer for each is waited for.
        let window = Window { warm_up: WARM_UP, measured: MEASURED, round_trips: 50 };
        let cpu = closed::run(&self.bare, &load, window).await?.cpu;
        Ok(Echo { cpu, round: self.calibrate()? })
    }

    /// Times the calculation where servers run.
    fn calibrate(&self) -> Result<f64> {
        let output = cores::pinned(&self.own).arg("calibrate").output()?;
        ensure!(output.status.success(), "the calibration failed: {}", output.status);
        String::from_utf8(output.stdout)?.trim().parse().context("the calibration is no number")
    }

    pub(super) fn seen(&mut self, watch: &Watch) -> Result<Seen> {
        let steal = Steal::now()?.since(&watch.began);
        let middle = |values: &[f64]| median(values).unwrap_or(f64::NAN);
        let echo = Echo { cpu: middle(&watch.echoes), round: middle(&watch.rounds) };
        let mut doubts = stolen(steal);
        if doubts.is_empty() {
            self.quiet.keep(echo.cpu)?;
        }
        doubts.extend(self.quiet.doubts(echo));
        Ok(Seen { steal, echo, doubts })
    }
}

impl Watch {
    pub(super) fn add(&mut self, probe: Echo) {
        self.echoes.push(probe.cpu);
        self.rounds.push(probe.round);
    }
}

fn stolen(share: f64) -> Vec<String> {
    match share <= STEAL_MAX {
        true => Vec::new(),
        false => vec![format!("{:.1} % of a core's time was stolen", share * 100.0)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_a_hundredth_stolen_is_a_doubt() {
        assert!(stolen(0.01).is_empty());
        assert_eq!(stolen(0.0101), ["1.0 % of a core's time was stolen"]);
    }
}
