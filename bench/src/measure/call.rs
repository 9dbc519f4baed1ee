//! What a plugin's call costs without sockets.

use crate::{
    bench::{Bench, say},
    cores,
    report::{Report, Unit},
    statistics::median,
    verdict::Limits,
};
use anyhow::{Context as _, Result, ensure};
use std::process::Command;

/// Events offered together, with the limits of the time for each.
pub(crate) const BATCHES: [(usize, &str, Limits); 2] =
    [(1, "alone", Limits::new(1.2, 0.8)), (64, "in a batch of 64", Limits::new(0.6, 0.35))];

/// Microseconds per event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    pub(crate) median: f64,
    best: f64,
    count: usize,
}

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    say("call");
    for (batch, what, limits) in BATCHES {
        let sample = take(bench, batch)?;
        let how = format!(
            "per event, by the clock; the best of {} samples {:.2} µs",
            sample.count, sample.best
        );
        report.judge(&measure(what), sample.median, Unit::Microseconds, limits, how);
    }
    Ok(())
}

pub(crate) fn measure(what: &str) -> String {
    format!("plugin call, 64 B event in, one reply out, {what}")
}

/// Calls with so many events offered together.
pub(crate) fn take(bench: &Bench, batch: usize) -> Result<Sample> {
    let events = if bench.plan.smoke { 640 } else { 64_000 };
    let mut command = cores::pinned(&bench.call);
    command.arg(bench.guest("echo")?).arg(batch.to_string()).arg(events.to_string());
    read(command)
}

/// The same of a plugin whose state is saved every so many seconds; 0: never.
pub(super) fn take_keeping(bench: &Bench, guest: &str, batch: usize, every: u8) -> Result<Sample> {
    let events = if bench.plan.smoke { 640 } else { 64_000 };
    let mut command = cores::pinned(&bench.call);
    command.arg(bench.guest(guest)?).arg(batch.to_string()).arg(events.to_string());
    command.arg(every.to_string());
    read(command)
}

/// What the program for calls prints: one sample a line.
pub(crate) fn read(mut command: Command) -> Result<Sample> {
    let output = command.output().context("cannot start the program for calls")?;
    ensure!(
        output.status.success(),
        "the calls failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout)?;
    let each =
        text.lines().map(str::parse).collect::<Result<Vec<f64>, _>>().context("not a sample")?;
    Ok(Sample {
        median: median(&each).context("there are no samples")?,
        best: each.iter().copied().fold(f64::INFINITY, f64::min),
        count: each.len(),
    })
}
