//! What a message costs that says one thing, where every sink hangs, against telemetry off.

use crate::{
    bench::{Bench, say, take_turns},
    gateway,
    load::{
        Burst,
        closed::{self, Closed},
    },
    report::{Report, Unit},
    statistics::compare,
    verdict::Limits,
};
use anyhow::{Context as _, Result, ensure};
use std::{path::Path, process::Command, sync::Arc};

const CONNECTIONS: usize = 50;
const LIMITS: Limits = Limits::new(1.1, 1.03);

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    say("telemetry: sinks that hang");
    let folder = tempfile::tempdir()?;
    let config = gateway::with_plugins(&[("hostile", &bench.guest("handler_hostile")?)]);
    let hanging = format!("{config}{}", sinks(folder.path())?);
    let off = format!("{config}\n[telemetry]\nlevel = \"off\"\n");
    let servers = [
        ("telemetry off", bench.gateway(off.clone())?),
        ("telemetry off, again", bench.gateway(off)?),
        ("every sink hanging", bench.gateway(hanging)?),
    ];
    // Each message has the plugin say one thing, at the level `info`.
    let burst = Arc::new(Burst::asking("hostile/signal", "32", "\"well\""));
    let load = Closed { connections: CONNECTIONS, burst };
    let samples = take_turns(bench.plan.rounds, servers.len(), async |who| {
        let (name, server) = servers.get(who).context("no such server")?;
        let sample = closed::run(server, &load, bench.plan.window()).await;
        Ok(sample.with_context(|| (*name).to_owned())?.cpu)
    });
    let samples = samples.await?;
    let [off, again, hanging] = samples.as_slice() else { return Ok(()) };
    let Some(cpu) = compare(off, again, hanging) else { return Ok(()) };
    report.judge(
        &format!("echo, {CONNECTIONS} connections, 1 in flight, a signal for each message, every sink hanging, against telemetry off: CPU"),
        cpu.ratio,
        Unit::Ratio,
        LIMITS,
        format!(
            "{:.3} µs, off {:.3} µs; off against itself {:.2}; two files that are pipes nobody reads",
            cpu.value, cpu.baseline, cpu.spread
        ),
    );
    Ok(())
}

/// Two files that are pipes nobody reads; the log is off. A plugin's sink can hang only by computing, which is CPU time of its
/// own.
fn sinks(folder: &Path) -> Result<String> {
    let mut config = String::from("\n[telemetry]\nlevel = \"debug\"\n");
    config += "\n[[sink]]\nkind = \"stderr\"\nfilter = { level = \"off\" }\n";
    for name in ["one", "two"] {
        let pipe = folder.join(name);
        let made = Command::new("mkfifo").arg(&pipe).status().context("cannot start `mkfifo`")?;
        ensure!(made.success(), "`mkfifo` failed: {made}");
        let pipe = pipe.display();
        config += &format!("\n[[sink]]\nkind = \"file\"\nname = \"{name}\"\npath = '{pipe}'\n");
    }
    Ok(config)
}
