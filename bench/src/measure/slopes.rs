//! How costs grow: a design whose cost per message, delivery or connection rises with their number has a limit.

use super::{echo, fanout, idle};
use crate::{
    args::Name,
    bare::Role,
    bench::{Bench, say, take_turns},
    gateway,
    load::{
        Burst,
        closed::{self, Closed},
        fanout::Fanout,
    },
    process::Server,
    report::{Report, Unit},
    statistics::median,
};
use anyhow::{Context as _, Result};
use std::sync::Arc;

const CONNECTIONS: [usize; 4] = [1, 100, 1000, 10_000];
const SUBSCRIBERS: [usize; 3] = [10, 1000, 10_000];
/// The last is near what fits into a file limit of 20,000, of which a part is kept for requests and plugins.
const IDLE: [usize; 3] = [1000, 10_000, 17_000];

/// Sockets that a server may have open.
const SOCKETS: u32 = 18_000;

/// Benches without a slope add nothing.
pub(super) async fn run(name: Name, bench: &Bench, report: &mut Report) -> Result<()> {
    match name {
        Name::Echo => messages(bench, report).await,
        Name::Fanout => deliveries(bench, report).await,
        Name::Idle => memory(bench, report).await,
        _ => Ok(()),
    }
}

async fn messages(bench: &Bench, report: &mut Report) -> Result<()> {
    let servers = [bench.bare(Role::Echo)?, bench.gateway(bench.with_plugin("echo")?)?];
    let mut table = String::from(
        "| connections, one message at a time each | bare | gateway, echo plugin | × bare |\n|---|---|---|---|\n",
    );
    for connections in CONNECTIONS {
        say(format_args!("slope: {connections} connections"));
        let load = Closed { connections, burst: Arc::new(Burst::echo(echo::SIZE, 1)) };
        let samples = take_turns(bench.plan.rounds, servers.len(), async |who| {
            let server = servers.get(who).context("no such server")?;
            let sample = closed::run(server, &load, bench.plan.window()).await;
            Ok(sample.with_context(|| format!("{connections} connections"))?.cpu)
        });
        table += &row(connections, &samples.await?);
    }
    report.note(table);
    Ok(())
}

async fn deliveries(bench: &Bench, report: &mut Report) -> Result<()> {
    let gateway = bench.gateway(bench.with_plugin(fanout::GUEST)?)?;
    for (window, role, _) in fanout::WINDOWS {
        let mut table = format!(
            "| subscribers, window {window} | bare ({}) | gateway, per delivery | × bare |\n|---|---|---|---|\n",
            role.word()
        );
        for subscribers in SUBSCRIBERS {
            // The bare server notices who has left only when it publishes again: their sockets count as open till then.
            let servers: [&Server; 2] = [&bench.bare(role)?, &gateway];
            let rounds = bench.plan.rounds.min(SOCKETS / u32::try_from(subscribers)?).max(1);
            say(format_args!("slope: {subscribers} subscribers, window {window}"));
            let load = Fanout { subscribers, slow: 0, window, size: fanout::SIZE };
            let samples = take_turns(rounds, servers.len(), async |who| {
                let server = servers.get(who).context("no such server")?;
                let sample =
                    crate::load::fanout::run(server, load, bench.plan.warm_up, bench.plan.measured)
                        .await;
                Ok(sample.with_context(|| format!("{subscribers} subscribers"))?.cpu)
            });
            table += &row(subscribers, &samples.await?);
        }
        report.note(table);
    }
    Ok(())
}

async fn memory(bench: &Bench, report: &mut Report) -> Result<()> {
    let mut table = String::from(
        "| idle connections | memory of each | 10 s after each echoed 16 KB |\n|---|---|---|\n",
    );
    let mut last = f64::NAN;
    for connections in IDLE {
        say(format_args!("slope: {connections} idle connections"));
        let memory = idle::take(&bench.gateway(gateway::plain())?, connections, true).await?;
        let (idle, after) = (Unit::Bytes.show(memory.idle), Unit::Bytes.show(memory.after_large));
        table += &format!("| {connections} | {idle} | {after} |\n");
        last = memory.idle;
    }
    report.note(table);
    report.note(format!(
        "By the last row a million idle connections take {:.1} GB, the kernel's part aside.",
        last / 1000.0
    ));
    Ok(())
}

fn row(count: usize, samples: &[Vec<f64>]) -> String {
    let of = |who: usize| samples.get(who).and_then(|turns| median(turns)).unwrap_or(f64::NAN);
    let (bare, own) = (of(0), of(1));
    format!("| {count} | {bare:.3} µs | {own:.3} µs | {:.2} |\n", own / bare)
}
