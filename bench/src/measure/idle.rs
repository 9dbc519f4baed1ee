//! What a connection costs that says nothing: in memory, also after it has said one large thing, and in CPU time.

use crate::{
    bare::Role,
    bench::{Bench, say},
    gateway,
    load::crowd::Crowd,
    process::Server,
    report::{Report, Unit},
    statistics::median,
    verdict::Limits,
};
use anyhow::Result;
use std::time::Duration;
use tokio::time::sleep;

/// Bytes of the one large message.
const LARGE: usize = 16 << 10;
/// The gateway pings after 25 s of silence.
const HEARTBEAT_WITHIN: Duration = Duration::from_secs(40);
/// After which buffers must have been given back.
const SETTLE: Duration = Duration::from_secs(10);

const LIMITS: Limits = Limits::new(6000.0, 3000.0);
/// Microseconds of CPU time in a second, for each connection: the gateway's heartbeats, and whatever else it does by itself.
const STILL: Limits = Limits::new(2.0, 0.5);

/// When memory is measured.
pub(crate) const WHEN: [&str; 2] = ["after a heartbeat round", "10 s after each echoed 16 KB"];

/// Bytes per connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) idle: f64,
    pub(crate) after_large: f64,
}

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let count = bench.plan.idle;
    let mut own = Vec::new();
    for round in 1..=bench.plan.long_rounds {
        say(format_args!("idle: {count} connections, round {round}"));
        let server = bench.gateway(gateway::plain())?;
        own.push(take(&server, count, !bench.plan.smoke).await?);
    }
    let bare = take(&bench.bare(Role::Echo)?, count, false).await?;
    let figures: [fn(&Memory) -> f64; 2] = [|memory| memory.idle, |memory| memory.after_large];
    for (when, of) in WHEN.into_iter().zip(figures) {
        let bare = of(&bare);
        let values: Vec<f64> = own.iter().map(of).collect();
        let value = median(&values).unwrap_or(f64::NAN);
        let how = format!("bare (tungstenite, 4 KiB read buffer) {}", Unit::Bytes.show(bare));
        report.judge(&measure(count, when), value, Unit::Bytes, LIMITS, how);
    }
    still(bench, report).await
}

/// CPU time while nothing happens but heartbeats; the baseline has none, and nothing to do.
async fn still(bench: &Bench, report: &mut Report) -> Result<()> {
    let (count, time) = (bench.plan.idle, bench.plan.still);
    say(format_args!("idle: {count} connections for {time:?}"));
    let (gateway, bare) = (bench.gateway(gateway::plain())?, bench.bare(Role::Echo)?);
    // The load has both crowds' sockets: of the baseline's, which do nothing, a tenth is enough.
    let of_bare = count.div_ceil(10);
    let mut crowds = [
        Crowd::gather(gateway.address(), count).await?,
        Crowd::gather(bare.address(), of_bare).await?,
    ];
    let before = [gateway.cpu()?, bare.cpu()?];
    let [ours, others] = &mut crowds;
    tokio::try_join!(ours.stay(time), others.stay(time))?;
    let each = |server: &Server, before, count: usize| {
        let spent = server.cpu()?.since(before).as_secs_f64();
        anyhow::Ok(spent * 1e6 / time.as_secs_f64() / count as f64)
    };
    let [ours, others] = &before;
    let (value, bare) = (each(&gateway, ours, count)?, each(&bare, others, of_bare)?);
    let measure = format!("CPU per second and idle connection of {count}");
    let how = format!("over {time:?}, heartbeats answered; bare, without heartbeats, {bare:.3} µs");
    report.judge(&measure, value, Unit::Microseconds, STILL, how);
    Ok(())
}

pub(crate) fn measure(count: usize, when: &str) -> String {
    format!("memory per idle connection of {count}, {when}")
}

/// `pings`: whether the server has heartbeats that are worth waiting for.
pub(crate) async fn take(server: &Server, count: usize, pings: bool) -> Result<Memory> {
    // Once in and out: what the first connection sets up for all is no connection's own.
    drop(Crowd::gather(server.address(), 1).await?);
    let empty = server.resident()? as f64;
    let mut crowd = Crowd::gather(server.address(), count).await?;
    if pings {
        crowd.heartbeat_round(HEARTBEAT_WITHIN).await?;
    }
    sleep(Duration::from_secs(1)).await;
    let idle = server.resident()? as f64;
    crowd.echo(LARGE).await?;
    sleep(SETTLE).await;
    let after_large = server.resident()? as f64;
    let each = |now: f64| (now - empty) / count as f64;
    Ok(Memory { idle: each(idle), after_large: each(after_large) })
}
