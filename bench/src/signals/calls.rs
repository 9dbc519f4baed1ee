//! What one call costs who says something.

use crate::{
    Found,
    rig::{Rig, account, sink},
    say::{kept, said, unsaid},
};
use anyhow::{Result, ensure};
use std::{
    num::NonZeroUsize,
    path::Path,
    thread,
    time::{Duration, Instant},
};
use tengen_settings::{self as settings, FullSink};

/// Calls of a burst, and the pause after it: as busy connections do it, and slow enough for any sink.
const BURST: u64 = 100;
const PAUSE: Duration = Duration::from_micros(60);

/// Samples, so that what disturbs one does not count.
const SAMPLES: u64 = 15;

/// How it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All signals off.
    Off,
    /// To a file, on its own thread.
    Asynchronous,
    /// To a file, on the thread of who says it.
    Synchronous,
}

/// A call site whose level does not pass.
pub(crate) fn filtered(count: u64) -> Result<Found> {
    let rig = Rig::new(settings::Telemetry::default())?;
    let _sink = rig.count(&sink("count"))?;
    let ns = best(count, unsaid);
    let report = rig.end()?;
    ensure!(report.stats.signals.created == 0, "something was said");
    Ok(vec![("ns", ns)])
}

/// A call site that passes, of which the filter takes no share: each is made, and asked for.
pub(crate) fn sampled_out(count: u64) -> Result<Found> {
    let filter = settings::Filter { sample: 0.0, ..settings::Filter::default() };
    let rig = Rig::new(settings::Telemetry { filter, ..settings::Telemetry::default() })?;
    let _sink = rig.count(&sink("count"))?;
    let ns = best(count, said);
    let report = rig.end()?;
    ensure!(report.stats.signals.accepted == 0, "something was accepted");
    Ok(vec![("ns", ns)])
}

/// A signal about a connection that the filter of all does not let pass and the recorder keeps.
pub(crate) fn recorded(count: u64) -> Result<Found> {
    let recorder = NonZeroUsize::new(4 << 20);
    let rig = Rig::new(settings::Telemetry { recorder, ..settings::Telemetry::default() })?;
    let _sink = rig.count(&sink("count"))?;
    let ns = best(count, kept);
    let report = rig.end()?;
    let signals = report.stats.signals;
    ensure!(signals.accepted == 0 && signals.recorded > 0, "nothing was kept, or something said");
    Ok(vec![("ns", ns)])
}

/// Each call by itself, in bursts, with one asynchronous sink.
pub(crate) fn accepted(count: u64) -> Result<Found> {
    let rig = Rig::new(settings::Telemetry::default())?;
    let settings = settings::Sink { when_full: FullSink::DropNewest, ..sink("count") };
    let _sink = rig.count(&settings)?;
    // The clock is asked twice for each call: what that costs is no part of it.
    let clock = quantile(&mut each(count.min(100_000), |_| ()), 0.5);
    let mut took = each(count, said);
    let (accepted, processed, dropped) = account(&rig.end()?, "count")?;
    ensure!(accepted == count && processed + dropped == count, "the account does not add up");
    let mut at = |share| (quantile(&mut took, share) - clock).max(0.0);
    Ok(vec![
        ("p50", at(0.5)),
        ("p99", at(0.99)),
        ("p999", at(0.999)),
        ("clock", clock),
        ("dropped", dropped as f64),
    ])
}

/// As the seeds compared them: nothing said, said to a file that is written elsewhere, and written at once. ns per call.
pub(crate) fn mode(count: u64, folder: &Path, mode: Mode) -> Result<Found> {
    let rig = Rig::new(settings::Telemetry::default())?;
    rig.file(&folder.join("mode.jsonl"), mode == Mode::Synchronous)?;
    if mode == Mode::Off {
        let order = rig.runtime.block_on(rig.telemetry.order("off", &[]));
        order.map_err(anyhow::Error::msg)?;
    }
    let ns = mean(&paced(count, said));
    let (_, processed, dropped) = account(&rig.end()?, "file")?;
    let expected = if mode == Mode::Off { 0 } else { count };
    ensure!(processed == expected && dropped == 0, "{processed} written and {dropped} lost");
    Ok(vec![("ns", ns)])
}

/// ns per call, of the best sample.
fn best(count: u64, call: fn(u64)) -> f64 {
    let sample = |_| {
        let began = Instant::now();
        (0..count / SAMPLES).for_each(call);
        began.elapsed().as_nanos() as f64 / (count / SAMPLES).max(1) as f64
    };
    (0..SAMPLES).map(sample).fold(f64::INFINITY, f64::min)
}

/// ns of every call, in bursts.
fn each(count: u64, call: fn(u64)) -> Vec<u64> {
    let mut took = Vec::with_capacity(usize::try_from(count).unwrap_or_default());
    for number in 0..count {
        if number % BURST == 0 {
            thread::sleep(PAUSE);
        }
        let began = Instant::now();
        call(number);
        took.push(u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX));
    }
    took
}

/// ns per call of every burst.
fn paced(count: u64, call: fn(u64)) -> Vec<f64> {
    let burst = |number: u64| {
        thread::sleep(PAUSE);
        let began = Instant::now();
        (number * BURST..count.min((number + 1) * BURST)).for_each(call);
        began.elapsed().as_nanos() as f64 / BURST as f64
    };
    (0..count.div_ceil(BURST)).map(burst).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn quantile(took: &mut [u64], share: f64) -> f64 {
    took.sort_unstable();
    let last = took.len().saturating_sub(1) as f64;
    took.get((share * last) as usize).copied().unwrap_or_default() as f64
}
