//! What a message costs that a plugin answers, against a bare server that answers the same bytes.

use crate::{
    bare::Role,
    bench::{Bench, say, take_turns},
    collector::Collector,
    gateway,
    load::{
        Burst,
        closed::{self, Closed, Sample},
    },
    report::{Report, Unit},
    statistics::{compare, median, quantile},
    verdict::Limits,
};
use anyhow::{Context as _, Result};
use std::sync::Arc;

const CONNECTIONS: usize = 50;
/// Bytes of an event's data.
pub(super) const SIZE: usize = 64;
const TRACED_SHARE: f64 = 0.01;

/// In flight per connection, with the limits of CPU time against the bare server.
const DEPTHS: [(usize, Limits); 2] = [(1, Limits::new(1.25, 1.15)), (64, Limits::new(5.0, 3.0))];

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let collector = Collector::start().await?;
    let wasm = bench.with_plugin("echo")?;
    let traced = gateway::traced(&wasm, &collector.address(), TRACED_SHARE);
    let servers = [
        ("bare", bench.bare(Role::Echo)?),
        ("bare, again", bench.bare(Role::Echo)?),
        ("gateway, echo plugin", bench.gateway(wasm)?),
        ("gateway, echo plugin, 1 % traced", bench.gateway(traced)?),
        ("gateway, built-in echo", bench.gateway(gateway::plain())?),
    ];
    let mut table = String::from(HEAD);
    for (depth, limits) in DEPTHS {
        say(format_args!("echo: {CONNECTIONS} connections, {depth} in flight"));
        let load = Closed { connections: CONNECTIONS, burst: Arc::new(Burst::echo(SIZE, depth)) };
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
        wasm.judge(report, depth, limits, bare, again);
    }
    report.note(table);
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
    /// The 99th percentile of each turn, in nanoseconds.
    tails: Vec<f64>,
    /// Of all turns, sorted.
    latencies: Vec<u32>,
}

impl Turns {
    fn of(samples: Vec<Sample>) -> Self {
        let tail =
            |sample: &Sample| f64::from(quantile(&sample.latencies, 0.99).unwrap_or(u32::MAX));
        let mut latencies: Vec<u32> =
            samples.iter().flat_map(|sample| &sample.latencies).copied().collect();
        latencies.sort_unstable();
        Self {
            cpu: samples.iter().map(|sample| sample.cpu).collect(),
            per_second: samples.iter().map(|sample| sample.per_second).collect(),
            tails: samples.iter().map(tail).collect(),
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

    fn judge(&self, report: &mut Report, depth: usize, limits: Limits, bare: &Self, again: &Self) {
        let measure = format!("echo, {SIZE} B, {CONNECTIONS} connections, {depth} in flight: CPU");
        let Some(cpu) = compare(&bare.cpu, &again.cpu, &self.cpu) else { return };
        let how = format!(
            "{:.3} µs, bare {:.3} µs; bare against itself {:.2}",
            cpu.value, cpu.baseline, cpu.spread
        );
        report.judge(&measure, cpu.ratio, Unit::Ratio, limits, how);
        let Some(tail) = compare(&bare.tails, &again.tails, &self.tails) else { return };
        let samples = self.latencies.len().min(bare.latencies.len());
        let verdict = limits.judge_tail(tail.ratio, tail.spread, samples);
        let how = format!(
            "{:.0} µs, bare {:.0} µs; bare against itself {:.2}; {samples} samples",
            tail.value / 1000.0,
            tail.baseline / 1000.0,
            tail.spread
        );
        report.add(
            &measure.replace("CPU", "p99 of a round trip"),
            tail.ratio,
            Unit::Ratio,
            verdict,
            how,
        );
    }
}
