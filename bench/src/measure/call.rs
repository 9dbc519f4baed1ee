//! What a plugin's call costs without sockets.

use crate::{
    bench::{Bench, say},
    cores,
    report::{Report, Unit},
    statistics::median,
    verdict::Limits,
};
use anyhow::{Context as _, Result, ensure};

/// Events offered together, with the limits of the time for each.
const BATCHES: [(usize, &str, Limits); 2] =
    [(1, "alone", Limits::new(1.2, 0.8)), (64, "in a batch of 64", Limits::new(0.6, 0.35))];

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    say("call");
    let program = bench.own.with_file_name("tengen-bench-call");
    let events = if bench.plan.smoke { 640 } else { 64_000 };
    for (batch, what, limits) in BATCHES {
        let mut command = cores::pinned(&program);
        command.arg(bench.guest("echo")?).arg(batch.to_string()).arg(events.to_string());
        let output =
            command.output().with_context(|| format!("cannot start `{}`", program.display()))?;
        ensure!(
            output.status.success(),
            "the calls failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout)?;
        let each = text
            .lines()
            .map(str::parse)
            .collect::<Result<Vec<f64>, _>>()
            .context("not a sample")?;
        let measure = format!("plugin call, 64 B event in, one reply out, {what}");
        let value = median(&each).context("there are no samples")?;
        let best = each.iter().copied().fold(f64::INFINITY, f64::min);
        let how =
            format!("per event, by the clock; the best of {} samples {best:.2} µs", each.len());
        report.judge(&measure, value, Unit::Microseconds, limits, how);
    }
    Ok(())
}
