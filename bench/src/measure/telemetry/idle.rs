//! What the sinks' threads compute while nothing is said.

use crate::{
    bench::{Bench, say},
    gateway,
    report::{Report, Unit},
    verdict::Limits,
};
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// What the names of these threads begin with.
const THREADS: [&str; 5] = ["sink ", "log", "compress", "tengen-otlp", "tengen-metrics"];
const LIMITS: Limits = Limits::new(0.001, 0.0);
/// At most, and until everything has started.
const LONGEST: Duration = Duration::from_secs(60);
const SETTLE: Duration = Duration::from_secs(2);

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let time = bench.plan.still.min(LONGEST);
    say(format_args!("telemetry: an idle gateway for {time:?}"));
    let mut config = gateway::plain();
    for name in ["one", "two"] {
        config +=
            &format!("\n[[sink]]\nkind = \"file\"\nname = \"{name}\"\npath = \"{name}.jsonl\"\n");
    }
    let server = bench.gateway(config)?;
    let ours = |name: &str| THREADS.iter().any(|beginning| name.starts_with(beginning));
    sleep(SETTLE).await;
    let (began, before) = (Instant::now(), server.cpu_of(ours)?);
    sleep(time).await;
    let spent = server.cpu_of(ours)?.since(&before).as_secs_f64();
    let share = spent / began.elapsed().as_secs_f64();
    let threads = before.threads();
    ensure!(threads > 0, "no thread of a sink is there");
    report.judge(
        "idle gateway: CPU of the sinks' threads",
        share,
        Unit::Share,
        LIMITS,
        format!("of one core, over {time:?}; {threads} threads, of the log and two files"),
    );
    Ok(())
}
