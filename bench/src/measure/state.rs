//! What it costs to keep a plugin's state for after a trap: a megabyte of it, saved once a second.

use super::{
    beside::Asker,
    call,
    echo::{CONNECTIONS, SIZE},
};
use crate::{
    bench::{Bench, say, take_turns},
    gateway,
    load::{
        Burst, Dialect,
        closed::{self, Closed},
    },
    process::Server,
    report::{Report, Unit},
    statistics::{compare, median},
    verdict::Limits,
};
use anyhow::{Context as _, Result, ensure};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const GUEST: &str = "handler_heavy";
const COST: Limits = Limits::new(1.02, 1.01);
/// Milliseconds beyond one `save`.
const WAIT: Limits = Limits::new(5.0, 2.0);
/// Nanoseconds for an event.
const JOURNAL: Limits = Limits::new(20.0, 10.0);
/// Ten times as often as unless configured.
const EVERY: &str = "1s";

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    say(format_args!("state: {CONNECTIONS} connections"));
    let servers = [
        bench.gateway(config(bench, "0s")?)?,
        bench.gateway(config(bench, "0s")?)?,
        bench.gateway(config(bench, EVERY)?)?,
    ];
    for depth in [1, 64] {
        cost(bench, report, &servers, depth).await?;
    }
    waits(bench, report, &servers).await?;
    journal(bench, report)
}

fn config(bench: &Bench, every: &str) -> Result<String> {
    let config = gateway::with_plugins(&[("heavy", &bench.guest(GUEST)?)]);
    let config = config.replace("listen = \"off\"", "listen = \"127.0.0.1:0\"");
    Ok(format!("{config}\n[plugin.heavy.state]\nevery = \"{every}\"\n"))
}

/// CPU time of an echo, against without; longer than from one checkpoint to the next.
async fn cost(
    bench: &Bench,
    report: &mut Report,
    servers: &[Server; 3],
    depth: usize,
) -> Result<()> {
    let burst = Arc::new(Burst::of(Dialect::Tengen, SIZE, depth));
    let load = Closed { connections: CONNECTIONS, burst };
    let mut window = bench.plan.window();
    window.measured *= 2;
    let samples = take_turns(bench.plan.rounds, servers.len(), async |who| {
        let server = servers.get(who).context("no such server")?;
        Ok(closed::run(server, &load, window).await?.cpu)
    });
    let samples = samples.await?;
    let [without, again, with] = samples.as_slice() else { return Ok(()) };
    let compared = compare(without, again, with).context("there are no samples")?;
    let measure =
        format!("echo, {depth} in flight, 1 MB of state saved every {EVERY}: CPU, against never");
    let how = format!(
        "{:.3} µs, never {:.3} µs; never against itself {:.2}",
        compared.value, compared.baseline, compared.spread
    );
    report.judge(&measure, compared.ratio, Unit::Ratio, COST, how);
    Ok(())
}

/// How much longer the longest answer takes than without, beyond what one `save` does.
async fn waits(bench: &Bench, report: &mut Report, servers: &[Server; 3]) -> Result<()> {
    let during = bench.plan.measured * 2;
    let samples = take_turns(bench.plan.rounds, servers.len(), async |who| {
        let server = servers.get(who).context("no such server")?;
        let sorted = Asker::new(server.address()).ask(during).await?;
        let longest = sorted.last().context("nothing was answered")?;
        Ok(f64::from(*longest) / 1e6)
    });
    let samples = samples.await?;
    let [without, _, with] = samples.as_slice() else { return Ok(()) };
    let [_, _, saving] = servers;
    let save = last_save(saving).await?;
    let more: Vec<f64> =
        with.iter().zip(without).map(|(with, without)| with - without - save).collect();
    let of = |samples: &[f64]| median(samples).unwrap_or(f64::NAN);
    let how = format!(
        "the longest of a turn {:.1} ms, never saved {:.1} ms, the last `save` {save:.1} ms",
        of(with),
        of(without)
    );
    let measure = "the same: the longest wait for an answer, beyond without and one `save`";
    report.judge(measure, of(&more), Unit::Milliseconds, WAIT, how);
    Ok(())
}

/// What the last checkpoint took, in milliseconds.
async fn last_save(server: &Server) -> Result<f64> {
    let admin = server.admin()?;
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!("GET /plugins HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(answer.starts_with("HTTP/1.1 200 "), "the plugins are not told: {answer:.200}");
    let (_, rest) = answer.split_once("\"took_us\":").context("no state was saved")?;
    let digits: String =
        rest.trim_start().chars().take_while(|sign| sign.is_ascii_digit()).collect();
    let took = Duration::from_micros(digits.parse().context("`took_us` is no number")?);
    Ok(took.as_secs_f64() * 1e3)
}

/// What it costs to keep an event for after a trap, without sockets.
fn journal(bench: &Bench, report: &mut Report) -> Result<()> {
    let rounds = if bench.plan.smoke { 1 } else { 5 };
    for (batch, what, _) in call::BATCHES {
        let mut more = Vec::new();
        for _ in 0..rounds {
            let without = call::take_keeping(bench, "handler_counts", batch, 0)?;
            let with = call::take_keeping(bench, "handler_counts", batch, 10)?;
            more.push((with.median - without.median) * 1e3);
        }
        let measure = format!("an event kept for after a trap, {what}: more than without");
        let how = format!("the median of {rounds} pairs");
        let value = median(&more).context("there are no samples")?;
        report.judge(&measure, value, Unit::Nanoseconds, JOURNAL, how);
    }
    Ok(())
}
