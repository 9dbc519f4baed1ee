//! What it costs to say something, and that no sink is felt: `cargo xtask bench telemetry`.

mod hanging;
mod idle;
mod signals;
mod sink;

use crate::{bench::Bench, report::Report};
use anyhow::Result;

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    signals::run(bench, report).await?;
    sink::run(bench, report)?;
    hanging::run(bench, report).await?;
    idle::run(bench, report).await
}
