//! What a message costs that a plugin answers, against a bare server that answers the same bytes.

use super::tail;
use crate::{
    bare::Role,
    bench::{Bench, say, take_turns},
    collector::Collector,
    gateway,
    load::{
        Burst, Dialect,
        closed::{self, Closed, Sample},
    },
    process::Server,
    report::{Report, Unit},
    statistics::{compare, median, quantile, typical_spread},
    verdict::{Limits, Verdict},
};
use anyhow::{Context as _, Result};
use std::{path::Path, sync::Arc};

pub(crate) const CONNECTIONS: usize = 50;
/// Bytes of an event's data, or of a raw frame.
pub(crate) const SIZE: usize = 64;
const TRACED_SHARE: f64 = 0.01;

/// In flight per connection, with the limits of CPU time against the bare server; a raw endpoint has none yet.
const DEPTHS: [(usize, Limits); 2] = [(1, Limits::new(1.25, 1.15)), (64, Limits::new(5.0, 3.0))];
/// Rounds of the tail.
const TAIL_ROUNDS: u32 = 9;

/// An echo in our dialect, or on a raw endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) dialect: Dialect,
    pub(crate) role: Role,
    word: &'static str,
}

impl Kind {
    pub(crate) fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Tengen | Dialect::Edn => Self { dialect, role: Role::Echo, word: "echo" },
            Dialect::Raw => Self { dialect, role: Role::Raw, word: "raw echo" },
        }
    }

    /// The gateway with the echo plugin.
    pub(crate) fn config(self, bench: &Bench) -> Result<String> {
        let plugins: [(&str, &Path); 1] = [("echo", &bench.guest("echo")?)];
        Ok(match self.dialect {
            Dialect::Tengen | Dialect::Edn => gateway::with_plugins(&plugins),
            Dialect::Raw => gateway::raw(&plugins),
        })
    }

    pub(crate) fn measure(self, depth: usize, what: &str) -> String {
        format!("{}, {SIZE} B, {CONNECTIONS} connections, {depth} in flight: {what}", self.word)
    }

    pub(crate) fn tail(self) -> String {
        format!(
            "{}, {SIZE} B, {CONNECTIONS} connections, open loop at half of the bare server's capacity: p99",
            self.word
        )
    }
}

pub(super) async fn run(bench: &Bench, report: &mut Report, dialect: Dialect) -> Result<()> {
    let kind = Kind::of(dialect);
    let collector = Collector::start().await?;
    let wasm = kind.config(bench)?;
    let mut servers = vec![
        ("bare", bench.bare(kind.role)?),
        ("bare, again", bench.bare(kind.role)?),
        ("gateway, echo plugin", bench.gateway(wasm.clone())?),
    ];
    if dialect == Dialect::Tengen {
        let traced = gateway::traced(&wasm, &collector.address(), TRACED_SHARE);
        servers.push(("gateway, echo plugin, 1 % traced", bench.gateway(traced)?));
        servers.push(("gateway, built-in echo", bench.gateway(gateway::plain())?));
    }
    let mut table = String::from(HEAD);
    for (depth, limits) in DEPTHS {
        say(format_args!("{}: {CONNECTIONS} connections, {depth} in flight", kind.word));
        let burst = Arc::new(Burst::of(dialect, SIZE, depth));
        let load = Closed { connections: CONNECTIONS, burst };
        let samples = take_turns(bench.plan.rounds, servers.len(), async |who| {
            let (name, server) = servers.get(who).context("no such server")?;
            let sample = closed::run(server, &load, bench.plan.window()).await;
            sample.with_context(|| format!("{name}, {depth} in flight"))
        });
        let turns: Vec<Turns> = samples.await?.into_iter().map(Turns::of).collect();
        let [bare, again, wasm, ..] = turns.as_slice() else { continue };
        for ((name, _), turns) in servers.iter().zip(&turns) {
            table += &turns.row(depth, name, bare, again);
        }
        let limits = (dialect == Dialect::Tengen).then_some(limits);
        wasm.judge(report, &kind.measure(depth, "CPU"), limits, bare, again);
    }
    report.note(table);
    judge_tail(bench, report, kind, &servers).await
}

/// The tail of the first three servers: bare, bare again, and the gateway.
async fn judge_tail(
    bench: &Bench,
    report: &mut Report,
    kind: Kind,
    servers: &[(&str, Server)],
) -> Result<()> {
    say(format_args!("{}: open loop", kind.word));
    let pace = tail::pace(bench, kind).await?;
    let rounds = if bench.plan.smoke { 1 } else { bench.plan.rounds.max(TAIL_ROUNDS) };
    let samples = take_turns(rounds, 3, async |who| {
        let (name, server) = servers.get(who).context("no such server")?;
        tail::run(server, kind, pace).await.with_context(|| format!("{name}, open loop"))
    });
    let samples = samples.await?;
    let p99 = |who: usize| -> Vec<f64> {
        samples.get(who).into_iter().flatten().map(|sample| sample.p99).collect()
    };
    let count = samples.iter().flatten().map(|sample| sample.count).sum::<usize>() / 3;
    let (bare, again, own) = (p99(0), p99(1), p99(2));
    let Some(tail) = compare(&bare, &again, &own) else { return Ok(()) };
    let spread = typical_spread(bare.into_iter().zip(again));
    let verdict = match kind.dialect {
        Dialect::Tengen | Dialect::Edn => DEPTHS[0].1.judge_tail(tail.ratio, spread, count),
        Dialect::Raw => Verdict::Reported,
    };
    let how = format!(
        "{:.0} µs, bare {:.0} µs; bare against itself {spread:.2}; {count} requests at {:.0} a second",
        tail.value,
        tail.baseline,
        1.0 / pace.interval.as_secs_f64()
    );
    report.add(&kind.tail(), tail.ratio, Unit::Ratio, verdict, how);
    Ok(())
}

const HEAD: &str = "\
| in flight | server | CPU per message | × bare | messages/s | p50 | p99 | p99.9 |
|---|---|---|---|---|---|---|---|
";

/// All of a server's turns.
#[derive(Debug)]
struct Turns {
    cpu: Vec<f64>,
    per_second: Vec<f64>,
    /// Of all turns, sorted.
    latencies: Vec<u32>,
}

impl Turns {
    fn of(samples: Vec<Sample>) -> Self {
        let mut latencies: Vec<u32> =
            samples.iter().flat_map(|sample| &sample.latencies).copied().collect();
        latencies.sort_unstable();
        Self {
            cpu: samples.iter().map(|sample| sample.cpu).collect(),
            per_second: samples.iter().map(|sample| sample.per_second).collect(),
            latencies,
        }
    }

    fn row(&self, depth: usize, name: &str, bare: &Self, again: &Self) -> String {
        let ratio =
            compare(&bare.cpu, &again.cpu, &self.cpu).map_or(f64::NAN, |compared| compared.ratio);
        let per_second = median(&self.per_second).unwrap_or(f64::NAN);
        let latency = |share| f64::from(quantile(&self.latencies, share).unwrap_or(0)) / 1000.0;
        format!(
            "| {depth} | {name} | {:.3} µs | {ratio:.2} | {per_second:.0} | {:.0} µs | {:.0} µs | {:.0} µs |\n",
            median(&self.cpu).unwrap_or(f64::NAN),
            latency(0.5),
            latency(0.99),
            latency(0.999),
        )
    }

    fn judge(
        &self,
        report: &mut Report,
        measure: &str,
        limits: Option<Limits>,
        bare: &Self,
        again: &Self,
    ) {
        let Some(cpu) = compare(&bare.cpu, &again.cpu, &self.cpu) else { return };
        let how = format!(
            "{:.3} µs, bare {:.3} µs; bare against itself {:.2}",
            cpu.value, cpu.baseline, cpu.spread
        );
        match limits {
            Some(limits) => report.judge(measure, cpu.ratio, Unit::Ratio, limits, how),
            None => report.add(measure, cpu.ratio, Unit::Ratio, Verdict::Reported, how),
        }
    }
}
