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
use tempfile::TempDir;

const LIMITS: Limits = Limits::new(150.0, 50.0);

pub(crate) const NAME: &str = "start to ready with four plugins, warm cache";

/// A configuration, and the folder that it names.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) text: String,
    _logs: TempDir,
}

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let rounds = if bench.plan.smoke { 1 } else { bench.plan.rounds.max(5) };
    say(format_args!("start: {rounds} times"));
    let config = config(bench)?;
    let mut took = Vec::new();
    for _ in 0..=rounds {
        took.push(take(bench, &config)?);
    }
    // The first start fills the caches.
    let warm = median(took.get(1..).unwrap_or_default()).unwrap_or(f64::NAN);
    let how = format!(
        "chat, echo, token-auth, log-sink; median of {rounds}; the first start {:.0} ms",
        took.first().unwrap_or(&f64::NAN)
    );
    report.judge(NAME, warm, Unit::Milliseconds, LIMITS, how);
    Ok(())
}

pub(crate) fn config(bench: &Bench) -> Result<Config> {
    let logs = tempfile::tempdir()?;
    let text = gateway::with_all(|guest| bench.guest(guest), SECRET, logs.path())?;
    Ok(Config { text, _logs: logs })
}

/// One start, in milliseconds.
pub(crate) fn take(bench: &Bench, config: &Config) -> Result<f64> {
    Ok(bench.gateway_on(config.text.clone(), false)?.ready_after.as_secs_f64() * 1000.0)
}
