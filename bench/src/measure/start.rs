//! From starting the process to the port file, with four plugins.

use super::handshake::SECRET;
use crate::{
    bench::{Bench, say},
    gateway,
    report::{Report, Unit},
    statistics::median,
    verdict::Limits,
};
use anyhow::Result;

const LIMITS: Limits = Limits::new(150.0, 50.0);
pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let rounds = if bench.plan.smoke { 1 } else { bench.plan.rounds.max(5) };
    say(format_args!("start: {rounds} times"));
    let logs = tempfile::tempdir()?;
    let config = gateway::with_all(|guest| bench.guest(guest), SECRET, logs.path())?;
    let mut took = Vec::new();
    for _ in 0..=rounds {
        let server = bench.gateway_on(config.clone(), false)?;
        took.push(server.ready_after.as_secs_f64() * 1000.0);
    }
    // The first start fills the caches.
    let warm = median(took.get(1..).unwrap_or_default()).unwrap_or(f64::NAN);
    let how = format!(
        "chat, echo, token-auth, log-sink; median of {rounds}; the first start {:.0} ms",
        took.first().unwrap_or(&f64::NAN)
    );
    let measure = "start to ready with four plugins, warm cache";
    report.judge(measure, warm, Unit::Milliseconds, LIMITS, how);
    Ok(())
}
