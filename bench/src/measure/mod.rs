//! The benches, one file each.

mod beside;
pub(crate) mod call;
mod cores;
pub(crate) mod echo;
pub(crate) mod fanout;
pub(crate) mod handshake;
pub(crate) mod idle;
mod payload;
pub(crate) mod reload;
mod scrape;
mod slopes;
pub(crate) mod start;
mod state;
pub(crate) mod tail;
mod telemetry;

use crate::{args::Name, bench::Bench, load::Dialect, report::Report};
use anyhow::Result;

/// Runs one bench and puts what it found into the report.
pub(crate) async fn run(name: Name, bench: &Bench, report: &mut Report) -> Result<()> {
    if bench.plan.slopes {
        return slopes::run(name, bench, report).await;
    }
    match name {
        Name::Echo => echo::run(bench, report, Dialect::Tengen).await,
        Name::Raw => echo::run(bench, report, Dialect::Raw).await,
        Name::Payload => payload::run(bench, report).await,
        Name::Fanout => fanout::run(bench, report).await,
        Name::Idle => idle::run(bench, report).await,
        Name::Beside => beside::run(bench, report).await,
        Name::Scrape => scrape::run(bench, report).await,
        Name::Handshake => handshake::run(bench, report).await,
        Name::Call => call::run(bench, report),
        Name::Reload => reload::run(bench, report).await,
        Name::Start => start::run(bench, report).await,
        Name::Cores => cores::run(bench, report).await,
        Name::State => state::run(bench, report).await,
        Name::Telemetry => telemetry::run(bench, report).await,
        Name::All => Ok(()),
    }
}
