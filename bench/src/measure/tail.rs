//! How long the slowest hundredth of requests takes, in an open loop at half of what the bare server can do.

use super::echo::{CONNECTIONS, Kind, SIZE};
use crate::{
    bench::Bench,
    load::{
        Burst, Dialect,
        closed::{self, Closed},
        open::{self, Answer, Pace, callback},
        open_all, raw_text, text_of,
    },
    process::Server,
    statistics::{median, quantile},
};
use anyhow::{Context as _, Result};
use std::{ops::ControlFlow, sync::Arc, time::Duration};

/// Measurements of the bare server's capacity; the one in the middle counts.
const CAPACITIES: u32 = 3;
/// One in so many requests is sent before the others are watched.
const WARM_UP: u32 = 10;

/// One turn of one server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// In microseconds, from when a request was due.
    pub(crate) p99: f64,
    pub(crate) count: usize,
}

/// Half of the bare server's capacity with one message of each connection under way.
pub(crate) async fn pace(bench: &Bench, kind: Kind) -> Result<Pace> {
    let server = bench.bare(kind.role)?;
    let burst = Arc::new(Burst::of(kind.dialect, SIZE, 1));
    let load = Closed { connections: CONNECTIONS, burst };
    let mut rates = Vec::new();
    for _ in 0..CAPACITIES {
        rates.push(closed::run(&server, &load, bench.plan.window()).await?.per_second);
    }
    let half = median(&rates).context("the bare server was not measured")? / 2.0;
    let requests = half * bench.plan.measured.as_secs_f64();
    Ok(Pace {
        interval: Duration::from_secs_f64(1.0 / half),
        requests: requests as u32,
        rest: None,
    })
}

/// Asks at this pace for a while.
pub(crate) async fn run(server: &Server, kind: Kind, pace: Pace) -> Result<Sample> {
    let mut peers = open_all(server.address(), CONNECTIONS, kind.dialect).await?;
    let data = text_of(SIZE);
    let request = |number| match kind.dialect {
        Dialect::Tengen | Dialect::Edn => {
            format!(r#"[["bench/echo",{data}],{}]"#, callback(number))
        }
        Dialect::Raw => raw_text(SIZE, &format!("{number:08}")),
    };
    let mut latencies = Vec::new();
    let answered = |answer: Answer<'_>| {
        if answer.number >= pace.requests / WARM_UP {
            let took = answer.came.saturating_duration_since(answer.due);
            latencies.push(u32::try_from(took.as_nanos()).unwrap_or(u32::MAX));
        }
        ControlFlow::Continue(())
    };
    open::run(&mut peers, pace, request, answered).await?;
    latencies.sort_unstable();
    let p99 = quantile(&latencies, 0.99).context("no request was answered")?;
    Ok(Sample { p99: f64::from(p99) / 1000.0, count: latencies.len() })
}
