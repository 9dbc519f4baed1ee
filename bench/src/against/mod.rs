//! One revision against another: both take turns, and each row gets a verdict, or the reason why it has none.

mod conditions;
mod contest;
mod judge;
mod memory;
mod plugins;
mod quiet;
mod sockets;
mod steal;
mod table;

pub(crate) use quiet::calibrate;

use crate::{args::Name, bench::Bench, load::Dialect};
use anyhow::{Context as _, Result};
use conditions::Conditions;
use contest::{Row, Who};
use judge::Verdict;
use quiet::Quiet;
use std::{path::Path, process::ExitCode};

/// The exit code of a run in which nothing was worse, and not everything could be judged.
const NOT_JUDGED: u8 = 3;

/// Both revisions.
#[derive(Debug)]
pub(crate) struct Sides {
    /// What the other revision was called.
    pub(crate) name: String,
    pub(crate) old: Bench,
    /// The same with a cache of its own, for where it is measured twice.
    pub(crate) again: Bench,
    pub(crate) new: Bench,
}

impl Sides {
    fn rounds(&self) -> u32 {
        self.new.plan.rounds
    }

    fn of(&self, who: Who) -> &Bench {
        match who {
            Who::Bare | Who::New => &self.new,
            Who::Old => &self.old,
            Who::Again => &self.again,
        }
    }
}

/// What a run has found, as text for people and as an exit code.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) report: String,
    /// What is worse, and what could not be judged.
    pub(crate) summary: String,
    pub(crate) code: ExitCode,
}

/// Measures all rows of these benches.
pub(crate) async fn run(
    names: &[Name],
    sides: &Sides,
    quiet: Option<&Path>,
    command: &str,
) -> Result<Found> {
    let mut conditions = Conditions::new(&sides.new, Quiet::open(quiet))?;
    let mut rows = Vec::new();
    for name in names {
        let found = bench(*name, sides, &mut conditions).await;
        rows.extend(found.with_context(|| format!("{name:?}").to_lowercase())?);
    }
    Ok(Found {
        report: table::markdown(command, &sides.name, &rows),
        summary: table::summary(&rows),
        code: ExitCode::from(code(&rows)),
    })
}

async fn bench(name: Name, sides: &Sides, conditions: &mut Conditions) -> Result<Vec<Row>> {
    match name {
        Name::Echo => sockets::echo(sides, conditions, Dialect::Tengen).await,
        Name::Raw => sockets::echo(sides, conditions, Dialect::Raw).await,
        Name::Fanout => sockets::fanout(sides, conditions).await,
        Name::Handshake => sockets::handshake(sides, conditions).await,
        Name::Idle => memory::idle(sides, conditions).await,
        Name::Call => plugins::call(sides, conditions).await,
        Name::Reload => plugins::reload(sides, conditions).await,
        Name::Start => plugins::start(sides, conditions).await,
        // Their rows compare already, or are limits of their own.
        Name::Cores
        | Name::Payload
        | Name::Beside
        | Name::Scrape
        | Name::State
        | Name::Telemetry
        | Name::All => Ok(Vec::new()),
    }
}

/// What is worse counts before what could not be judged.
fn code(rows: &[Row]) -> u8 {
    let any = |verdict| rows.iter().any(|row| row.verdict == verdict);
    match (any(Verdict::Worse), any(Verdict::NotJudged)) {
        (true, _) => 1,
        (false, true) => NOT_JUDGED,
        (false, false) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{against::contest::Measure, report::Unit};

    #[track_caller]
    fn check(verdicts: &[Verdict], expected: u8) {
        let row = |verdict: &Verdict| Row {
            measure: Measure::cpu("row", Unit::Microseconds),
            figures: None,
            verdict: *verdict,
            notes: Vec::new(),
        };
        let rows: Vec<Row> = verdicts.iter().map(row).collect();
        assert_eq!(code(&rows), expected, "{verdicts:?}");
    }

    #[test]
    fn worse_is_told_before_not_judged_and_both_before_good() {
        check(&[], 0);
        check(&[Verdict::NoWorse, Verdict::NoWorse], 0);
        check(&[Verdict::NoWorse, Verdict::NotJudged], 3);
        check(&[Verdict::NotJudged, Verdict::Worse, Verdict::NoWorse], 1);
    }
}
