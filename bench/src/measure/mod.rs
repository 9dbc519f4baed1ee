//! The benches, one file each.

mod call;
mod echo;
mod fanout;
mod handshake;
mod idle;
mod reload;
mod slopes;
mod start;

use crate::{args::Name, bench::Bench, report::Report};
use anyhow::Result;

/// Runs one bench and puts what it found into the report.
pub(crate) async fn run(name: Name, bench: &Bench, report: &mut Report) -> Result<()> {
    if bench.plan.slopes {
        return slopes::run(name, bench, report).await;
    }
    match name {
        Name::Echo => echo::run(bench, report).await,
        Name::Fanout => fanout::run(bench, report).await,
        Name::Idle => idle::run(bench, report).await,
        Name::Handshake => handshake::run(bench, report).await,
        Name::Call => call::run(bench, report),
        Name::Reload => reload::run(bench, report).await,
        Name::Start => start::run(bench, report).await,
        Name::All => Ok(()),
    }
}
