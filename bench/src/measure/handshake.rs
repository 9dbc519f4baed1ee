//! What an upgrade costs, against hyper's alone.

use crate::{
    bare::Role,
    bench::{Bench, say, take_turns},
    gateway,
    load::handshakes::{self, Handshakes, Sample},
    process::Server,
    report::{Report, Unit},
    statistics::{compare, median},
    verdict::{Limits, Verdict},
};
use anyhow::{Context as _, Result};

const PLAIN: Limits = Limits::new(1.3, 1.1);

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.plan.handshakes;
    say(format_args!("handshake: {count} a turn"));
    let gateway = bench.gateway(gateway::plain())?;
    let servers: [(&Server, bool); 6] = [
        (&bench.bare(Role::Upgrade)?, false),
        (&bench.bare(Role::Upgrade)?, false),
        (&gateway, false),
        (&bench.bare(Role::Greet)?, true),
        (&bench.bare(Role::Greet)?, true),
        (&gateway, true),
    ];
    let samples = take_turns(bench.plan.rounds, servers.len(), async |who| {
        let (server, greeting) = servers.get(who).context("no such server")?;
        handshakes::run(server, Handshakes { count, headers: "", greeting: *greeting }).await
    });
    let samples = samples.await?;
    let [bare, again, own, greeting, greeting_again, greeted] = samples.as_slice() else { return Ok(()) };
    if let Some((ratio, how)) = compared(bare, again, own) {
        report.judge("handshake without authenticator: CPU", ratio, Unit::Ratio, PLAIN, how);
    }
    if let Some((ratio, how)) = compared(greeting, greeting_again, greeted) {
        let measure = "the same, the dialect's first frame waited for, bare sending one too";
        report.add(measure, ratio, Unit::Ratio, Verdict::Reported, how);
    }
    report.gap("handshake with token-auth: CPU", "the bench has no token for the plugin yet");
    Ok(())
}

fn compared(bare: &[Sample], again: &[Sample], own: &[Sample]) -> Option<(f64, String)> {
    let cpus = |samples: &[Sample]| samples.iter().map(|sample| sample.cpu).collect::<Vec<f64>>();
    let rates: Vec<f64> = own.iter().map(|sample| sample.per_second).collect();
    let compared = compare(&cpus(bare), &cpus(again), &cpus(own))?;
    let how = format!(
        "{:.1} µs, bare {:.1} µs; bare against itself {:.2}; {:.0} a second",
        compared.value,
        compared.baseline,
        compared.spread,
        median(&rates)?
    );
    Some((compared.ratio, how))
}
