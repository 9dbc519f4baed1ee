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
const GUARDED: Limits = Limits::new(2.0, 1.5);

pub(crate) const PLAIN_NAME: &str = "handshake without authenticator: CPU";
pub(crate) const TOKEN_NAME: &str = "handshake with token-auth: CPU";
pub(crate) const GREETING_NAME: &str =
    "without authenticator, the dialect's first frame waited for, bare sending one too";

/// A secret, and a token for `sub: bench` without expiry that is signed with it.
pub(crate) const SECRET: &str = "the bench signs with this secret";
const TOKEN: &str =
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJiZW5jaCJ9.Uc9i2EkqIFZT2QnM1ejVn4pHhox9OKO21yxx1cG0VVQ";

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.plan.handshakes;
    say(format_args!("handshake: {count} a turn"));
    let gateway = bench.gateway(gateway::plain())?;
    let guarded = bench.gateway(gateway::with_token_auth(&bench.guest("token-auth")?, SECRET))?;
    let bearer = bearer();
    let plain = Handshakes { count, headers: "", greeting: false };
    let token = Handshakes { headers: &bearer, ..plain };
    let greeting = Handshakes { greeting: true, ..plain };
    let servers: [(&Server, Handshakes<'_>); 7] = [
        (&bench.bare(Role::Upgrade)?, plain),
        (&bench.bare(Role::Upgrade)?, plain),
        (&gateway, plain),
        (&guarded, token),
        (&bench.bare(Role::Greet)?, greeting),
        (&bench.bare(Role::Greet)?, greeting),
        (&gateway, greeting),
    ];
    let samples = take_turns(bench.plan.rounds, servers.len(), async |who| {
        let (server, load) = servers.get(who).context("no such server")?;
        handshakes::run(server, *load).await
    });
    let samples = samples.await?;
    let [bare, again, own, guarded, greeting, greeting_again, greeted] = samples.as_slice() else {
        return Ok(());
    };
    if let Some((ratio, how)) = compared(bare, again, own) {
        report.judge(PLAIN_NAME, ratio, Unit::Ratio, PLAIN, how);
    }
    if let Some((ratio, how)) = compared(bare, again, guarded) {
        report.judge(TOKEN_NAME, ratio, Unit::Ratio, GUARDED, how);
    }
    if let Some((ratio, how)) = compared(greeting, greeting_again, greeted) {
        report.add(GREETING_NAME, ratio, Unit::Ratio, Verdict::Reported, how);
    }
    Ok(())
}

/// The header with a token, as [`Handshakes`] takes it.
pub(crate) fn bearer() -> String {
    format!("Authorization: Bearer {TOKEN}\r\n")
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
