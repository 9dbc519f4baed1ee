//! What a connection notices while others subscribe and unsubscribe during a fan-out to many.

use crate::{
    bench::{Bench, say, take_turns},
    load::{
        Dialect, Peer,
        fanout::{self, Steady},
        frame_of,
        open::{self, Answer, Pace, callback},
        open_all, text_of,
    },
    report::{Report, Unit},
    statistics::{median, quantile},
    verdict::Limits,
};
use anyhow::{Context as _, Result};
use std::{convert::Infallible, net::SocketAddr, ops::ControlFlow, time::Duration};
use tokio::time::{MissedTickBehavior, interval};

const LIMITS: Limits = Limits::new(1.2, 1.2);
/// Between two publications: the server has time left.
const APART: Duration = Duration::from_millis(200);
/// Between two of a connection's changes.
const CHANGE: Duration = Duration::from_millis(1);
/// Between two echoes.
const ASKED: Duration = Duration::from_millis(2);
/// Slept between two looks of whoever asks, since it shares its core with the subscribers.
const REST: Duration = Duration::from_micros(50);

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let subscribers = bench.plan.idle;
    say(format_args!("beside: {subscribers} subscribers"));
    let server = bench.gateway(config(bench)?)?;
    let steady = Steady::begin(&server, subscribers, 128, APART).await?;
    let during = bench.plan.measured * 4;
    let samples = take_turns(bench.plan.rounds, 2, async |turn| {
        let asker = Asker::new(server.address());
        let asked = asker.ask(during);
        let sorted = match turn {
            0 => asked.await?,
            _ => tokio::select! {
                asked = asked => asked?,
                ended = change(server.address()) => match ended? {},
            },
        };
        let p99 = quantile(&sorted, 0.99).context("nothing was answered")?;
        Ok(f64::from(p99) / 1e3)
    });
    let samples = samples.await?;
    steady.end()?;
    let [without, with] = samples.as_slice() else { return Ok(()) };
    let ratios: Vec<f64> = with.iter().zip(without).map(|(with, without)| with / without).collect();
    let value = median(&ratios).unwrap_or(f64::NAN);
    let of = |samples: &[f64]| median(samples).unwrap_or(f64::NAN);
    let measure = format!(
        "p99 of an echo during a fan-out to {subscribers}, others subscribing and unsubscribing, against not"
    );
    let how = format!("{:.0} µs, without {:.0} µs", of(with), of(without));
    report.judge(&measure, value, Unit::Ratio, LIMITS, how);
    Ok(())
}

/// One plugin for the channel, and another for the echo, so that what is measured waits for no call of the first.
fn config(bench: &Bench) -> Result<String> {
    let (relay, echo) = (bench.guest(super::fanout::GUEST)?, bench.guest("handler_echo")?);
    Ok(format!(
        "{}\n[plugin.relay]\nfile = '{}'\ngrant = {{ publish = [\"*\"] }}\n\n[plugin.echo]\nfile = '{}'\n\n\
         [[route]]\nevent = \"relay/*\"\nplugin = \"relay\"\n\n[[route]]\nevent = \"bench/*\"\nplugin = \"echo\"\n",
        crate::gateway::plain(),
        relay.display(),
        echo.display()
    ))
}

/// Joins the channel and leaves it, again and again.
async fn change(address: SocketAddr) -> Result<Infallible> {
    let mut peer = Peer::open(address).await?;
    let mut due = interval(CHANGE);
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        for event in ["relay/join", "relay/leave"] {
            due.tick().await;
            peer.send(&frame_of(&format!("[[\"{event}\",1],\"cb\"]"))).await?;
            fanout::answered(&mut peer).await?;
        }
    }
}

/// A few connections that ask at a steady pace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asker {
    address: SocketAddr,
}

impl Asker {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// How long answers took, from when their question was due, in nanoseconds, sorted.
    pub(super) async fn ask(self, during: Duration) -> Result<Vec<u32>> {
        let mut peers = open_all(self.address, 4, Dialect::Tengen).await?;
        let requests = u32::try_from(during.as_nanos() / ASKED.as_nanos())?;
        let pace = Pace { interval: ASKED, requests, rest: Some(REST) };
        let data = text_of(64);
        let request = |number| format!(r#"[["bench/echo",{data}],{}]"#, callback(number));
        let mut latencies = Vec::new();
        let answered = |answer: Answer<'_>| {
            let took = answer.came.saturating_duration_since(answer.due);
            latencies.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
            ControlFlow::Continue(())
        };
        open::run(&mut peers, pace, request, answered).await?;
        latencies.sort_unstable();
        Ok(latencies)
    }
}
