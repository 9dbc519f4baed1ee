//! What a plugin's sink takes: `tengen-bench-call`, which holds the engine.

use crate::{
    bench::{Bench, say},
    cores,
    measure::call,
    report::{Report, Unit},
    verdict::Limits,
};
use anyhow::Result;

const BATCH: usize = 256;
const LIMITS: Limits = Limits::at_least(100e3, 200e3);

pub(super) fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    say("telemetry: a plugin's sink");
    let signals = if bench.plan.smoke { BATCH } else { BATCH * 200 };
    let mut command = cores::pinned(&bench.call);
    command.arg(bench.guest("every_role")?).arg(format!("sink:{BATCH}")).arg(signals.to_string());
    let sample = call::read(command)?;
    report.judge(
        &format!("a plugin's sink, batches of {BATCH}, 4 values"),
        1e6 / sample.median,
        Unit::PerSecond,
        LIMITS,
        format!("{:.2} µs for each signal, by the clock, on one worker", sample.median),
    );
    Ok(())
}
