//! What a message costs on two cores, against what it costs on one.
//!
//! On two, the server shares a core with the load, and its own workers get into each other's way: what all of them write
//! travels between their caches. The bare server, whose connections share nothing, says how much of it is the machine's.

use super::fanout::{GUEST, SIZE as PUBLICATION};
use crate::{
    bare::Role,
    bench::{Bench, say, take_turns},
    gateway,
    load::{
        Burst, Dialect,
        closed::{self, Closed},
        fanout::{self, Fanout},
    },
    process::Server,
    report::{Report, Unit},
    statistics::{compare, median},
    verdict::Limits,
};
use anyhow::{Context as _, Result};
use std::sync::Arc;

/// Messages in flight per connection: so that workers are busy, and not waiting.
const DEPTH: usize = 64;
const ECHO: Limits = Limits::new(1.05, 1.0);
const PLUGIN: Limits = Limits::new(1.10, 1.0);

/// What is measured on one core and on two.
#[derive(Debug)]
struct Row {
    name: &'static str,
    /// None: a bare server.
    config: Option<String>,
    limits: Option<Limits>,
}

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let echo = bench.with_plugin("echo")?;
    let echoes = [
        Row { name: "bare echo", config: None, limits: None },
        Row { name: "built-in echo", config: Some(gateway::plain()), limits: Some(ECHO) },
        Row { name: "echo plugin", config: Some(echo), limits: Some(PLUGIN) },
    ];
    let burst = Arc::new(Burst::of(Dialect::Tengen, super::echo::SIZE, DEPTH));
    let load = Closed { connections: super::echo::CONNECTIONS, burst };
    let servers = servers(bench, &echoes, Role::Echo)?;
    let samples = take_turns(bench.plan.rounds, servers.len(), async |who| {
        let server = servers.get(who).context("no such server")?;
        Ok(closed::run(server, &load, bench.plan.window()).await?.cpu)
    });
    judge(report, &echoes, &samples.await?, "message");
    drop(servers);

    let relay = bench.with_plugin(GUEST)?;
    let fanouts = [
        Row { name: "bare fan-out", config: None, limits: None },
        Row { name: "fan-out", config: Some(relay), limits: Some(PLUGIN) },
    ];
    let subscribers = bench.plan.subscribers;
    let load = Fanout { subscribers, slow: 0, window: 16, size: PUBLICATION };
    let servers = self::servers(bench, &fanouts, Role::Broadcast)?;
    let samples = take_turns(bench.plan.rounds, servers.len(), async |who| {
        let server = servers.get(who).context("no such server")?;
        Ok(fanout::run(server, load, bench.plan.warm_up, bench.plan.measured).await?.cpu)
    });
    judge(report, &fanouts, &samples.await?, "delivery");
    Ok(())
}

/// Each row's server twice: on one core, and on two.
fn servers(bench: &Bench, rows: &[Row], role: Role) -> Result<Vec<Server>> {
    let mut servers = Vec::new();
    for row in rows {
        say(format_args!("cores: {}", row.name));
        for one in [true, false] {
            servers.push(match &row.config {
                None => bench.bare_on(role, one)?,
                Some(config) => bench.gateway_on(config.clone(), one)?,
            });
        }
    }
    Ok(servers)
}

fn judge(report: &mut Report, rows: &[Row], samples: &[Vec<f64>], what: &str) {
    for (row, pair) in rows.iter().zip(samples.chunks_exact(2)) {
        let [one, two] = pair else { continue };
        let Some(compared) = compare(one, one, two) else { continue };
        let measure = format!("{}: CPU per {what} on two cores, against one", row.name);
        let micros = |samples: &[f64]| median(samples).unwrap_or(f64::NAN);
        let how = format!("{:.3} µs, on one core {:.3} µs", micros(two), micros(one));
        match row.limits {
            Some(limits) => report.judge(&measure, compared.ratio, Unit::Ratio, limits, how),
            None => {
                let verdict = crate::verdict::Verdict::Reported;
                report.add(&measure, compared.ratio, Unit::Ratio, verdict, how);
            }
        }
    }
}
