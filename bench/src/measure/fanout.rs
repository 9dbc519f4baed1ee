//! What a delivery costs of a publication to many, against the two ways in which a bare server can do it best.

use crate::{
    bare::Role,
    bench::{Bench, say, take_turns},
    load::fanout::{self, Fanout, Sample},
    process::Server,
    report::{Report, Unit},
    statistics::{compare, median},
    verdict::{Limits, Verdict},
};
use anyhow::{Context as _, Result};

/// Bytes of a publication's data.
pub(crate) const SIZE: usize = 128;
/// The guest that publishes what a client says.
pub(crate) const GUEST: &str = "handler_relay";

/// Publications under way at a time, the best bare server for it, and the limits of CPU time per delivery.
pub(crate) const WINDOWS: [(usize, Role, Limits); 2] =
    [(1, Role::Direct, Limits::new(1.25, 1.1)), (16, Role::Broadcast, Limits::new(1.5, 1.2))];

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let subscribers = bench.plan.subscribers;
    let gateway = bench.gateway(bench.with_plugin(GUEST)?)?;
    for (window, role, limits) in WINDOWS {
        say(format_args!("fanout: {subscribers} subscribers, {window} publications under way"));
        let load = Fanout { subscribers, slow: 0, window, size: SIZE };
        let slow = Fanout { slow: subscribers / 100, ..load };
        let (bare, again) = (bench.bare(role)?, bench.bare(role)?);
        let turns: [(&Server, Fanout); 4] =
            [(&bare, load), (&again, load), (&gateway, load), (&gateway, slow)];
        let samples = take_turns(bench.plan.rounds, turns.len(), async |who| {
            let (server, load) = turns.get(who).context("no such server")?;
            fanout::run(server, *load, bench.plan.warm_up, bench.plan.measured).await
        });
        let samples = samples.await.with_context(|| format!("{window} publications under way"))?;
        let [bare, again, own, slow] = samples.as_slice() else { continue };
        let measure = measure(subscribers, window);
        let Some(cpu) = compare(&cpus(bare), &cpus(again), &cpus(own)) else { continue };
        let how = format!(
            "{:.3} µs, bare ({}) {:.3} µs; bare against itself {:.2}; {:.0} deliveries/s, bare {:.0}",
            cpu.value,
            role.word(),
            cpu.baseline,
            cpu.spread,
            rate(own),
            rate(bare),
        );
        report.judge(&measure, cpu.ratio, Unit::Ratio, limits, how);
        let measure = format!(
            "the same with {} subscribers more that never read, against without",
            subscribers / 100
        );
        let slowed = compare(&cpus(own), &cpus(own), &cpus(slow))
            .map_or(f64::NAN, |compared| compared.ratio);
        report.add(
            &measure,
            slowed,
            Unit::Ratio,
            Verdict::Reported,
            format!("{:.0} deliveries/s", rate(slow)),
        );
    }
    Ok(())
}

pub(crate) fn measure(subscribers: usize, window: usize) -> String {
    format!("fan-out, {SIZE} B to {subscribers}, window {window}: CPU per delivery")
}

pub(super) fn cpus(samples: &[Sample]) -> Vec<f64> {
    samples.iter().map(|sample| sample.cpu).collect()
}

fn rate(samples: &[Sample]) -> f64 {
    let rates: Vec<f64> = samples.iter().map(|sample| sample.per_second).collect();
    median(&rates).unwrap_or(f64::NAN)
}
