//! From starting the process to the port file, with four plugins.

use crate::{
    bench::{Bench, say},
    gateway,
    report::{Report, Unit},
    statistics::median,
    verdict::Limits,
};
use anyhow::Result;
use std::path::PathBuf;

const LIMITS: Limits = Limits::new(150.0, 50.0);
/// What the gateway ships, the first of it to fill up with.
const SHIPPED: [&str; 4] = ["echo", "chat", "token-auth", "log-sink"];

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let rounds = if bench.plan.smoke { 1 } else { bench.plan.rounds.max(5) };
    say(format_args!("start: {rounds} times"));
    let names = ["first", "second", "third", "fourth"];
    let files: Vec<PathBuf> = SHIPPED
        .iter()
        .map(|guest| bench.guest(guest).or_else(|_| bench.guest("echo")))
        .collect::<Result<_>>()?;
    let plugins: Vec<_> = names.into_iter().zip(files.iter().map(PathBuf::as_path)).collect();
    let mut took = Vec::new();
    for _ in 0..=rounds {
        let server = bench.gateway_on(gateway::with_plugins(&plugins), false)?;
        took.push(server.ready_after.as_secs_f64() * 1000.0);
    }
    // The first start fills the caches.
    let warm = median(took.get(1..).unwrap_or_default()).unwrap_or(f64::NAN);
    let used: Vec<_> = files.iter().filter_map(|file| file.file_stem()?.to_str()).collect();
    let how =
        format!("{}; the first start {:.0} ms", used.join(", "), took.first().unwrap_or(&f64::NAN));
    report.judge(
        "start to ready with four plugins, warm cache",
        warm,
        Unit::Milliseconds,
        LIMITS,
        how,
    );
    Ok(())
}
