//! Call sites, queues and files, without a gateway: `tengen-bench-signals`, each case a process of its own.

use crate::{
    bench::{Bench, say, take_turns},
    cores,
    report::{Report, Unit},
    statistics::median,
    verdict::{Limits, Verdict},
};
use anyhow::{Context as _, Result, ensure};
use std::collections::BTreeMap;
use tempfile::TempDir;

const FILTERED: Limits = Limits::new(15.0, 5.0);
const RECORDED: Limits = Limits::new(60.0, 40.0);
const P50: Limits = Limits::new(200.0, 120.0);
const P99: Limits = Limits::new(2000.0, 500.0);
const ACCEPTED: Limits = Limits::at_least(3e6, 5e6);
const LINES: Limits = Limits::at_least(1.0, 1.5);
const HALF: Limits = Limits::at_least(1.0, 1.0);

/// Figures of one run of a case, by name.
type Figures = BTreeMap<String, f64>;

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let rig = Rig { bench, folder: tempfile::tempdir()? };
    calls(&rig, report)?;
    flow(&rig, report)?;
    file(&rig, report).await?;
    modes(&rig, report).await
}

fn calls(rig: &Rig<'_>, report: &mut Report) -> Result<()> {
    let filtered = rig.rounds("filtered", 50_000_000)?;
    report.judge(
        "a signal that is filtered out, 4 values",
        of(&filtered, "ns"),
        Unit::Nanoseconds,
        FILTERED,
        "by its level, at its call site; the best of 15 samples".into(),
    );
    let sampled = rig.rounds("sampled-out", 5_000_000)?;
    let how = "made, and asked for by itself".into();
    let (ns, reported) = (of(&sampled, "ns"), Verdict::Reported);
    report.add("the same, left out by its share", ns, Unit::Nanoseconds, reported, how);
    let recorded = rig.rounds("recorded", 5_000_000)?;
    let name = "a signal that is filtered out and recorded";
    let how = "about a connection; a ring of 4 MiB, which is full".into();
    report.judge(name, of(&recorded, "ns"), Unit::Nanoseconds, RECORDED, how);
    let accepted = rig.rounds("accepted", 2_000_000)?;
    let how = format!(
        "bursts of 100 calls and pauses of 60 µs, one asynchronous sink that counts; p99.9 {:.0} ns; two looks at the clock, {:.0} ns, are taken off",
        of(&accepted, "p999"),
        of(&accepted, "clock"),
    );
    let (p50, p99) = (of(&accepted, "p50"), of(&accepted, "p99"));
    let call = "a signal that is accepted, 4 values, per call";
    report.judge(&format!("{call}: p50"), p50, Unit::Nanoseconds, P50, how);
    report.judge(&format!("{call}: p99"), p99, Unit::Nanoseconds, P99, String::new());
    Ok(())
}

fn flow(rig: &Rig<'_>, report: &mut Report) -> Result<()> {
    let flow = rig.rounds("flow", 5_000_000)?;
    report.judge(
        "accepted and delivered, one thread, a sink that counts",
        of(&flow, "per_second"),
        Unit::PerSecond,
        ACCEPTED,
        "who says more than it takes waits; none is lost".into(),
    );
    let half = rig.rounds("half", 2_000_000)?;
    report.judge(
        "delivered at half of the measured capacity",
        of(&half, "share"),
        Unit::Share,
        HALF,
        format!("{}, a queue of 1,024", Unit::PerSecond.show(of(&half, "per_second"))),
    );
    Ok(())
}

/// Ours between two turns of theirs, round by round.
async fn file(rig: &Rig<'_>, report: &mut Report) -> Result<()> {
    let turns = take_turns(rig.bench.plan.rounds, 2, async |who| {
        rig.once(["appender", "file"].get(who).context("no such case")?, 1_000_000)
    });
    let turns = turns.await?;
    let figures = |who: usize| -> Vec<f64> {
        let turns = turns.get(who).into_iter().flatten();
        turns.map(|turn| turn.get("per_second").copied().unwrap_or(f64::NAN)).collect()
    };
    let (theirs, ours) = (figures(0), figures(1));
    let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
    let show = |values: &[f64]| Unit::PerSecond.show(median(values).unwrap_or(f64::NAN));
    report.judge(
        "JSON lines to a file, none lost, against tracing-appender",
        median(&ratios).unwrap_or(f64::NAN),
        Unit::Ratio,
        LINES,
        format!("lines: {}, tracing-appender {}; queues of 65,536", show(&ours), show(&theirs)),
    );
    Ok(())
}

/// The three that the first drafts of this project compared.
async fn modes(rig: &Rig<'_>, report: &mut Report) -> Result<()> {
    let cases = ["off", "async", "sync"];
    let turns = take_turns(rig.bench.plan.rounds, cases.len(), async |who| {
        rig.once(cases.get(who).context("no such case")?, 200_000)
    });
    let turns = turns.await?;
    let mut table = String::from("| signals | ns per call |\n|---|---|\n");
    let words = ["off", "to a file, asynchronous", "to a file, synchronous"];
    for (word, turns) in words.into_iter().zip(&turns) {
        let ns: Vec<f64> = turns.iter().filter_map(|turn| turn.get("ns").copied()).collect();
        table += &format!("| {word} | {:.1} |\n", median(&ns).unwrap_or(f64::NAN));
    }
    report.note(table);
    Ok(())
}

fn of(figures: &Figures, name: &str) -> f64 {
    figures.get(name).copied().unwrap_or(f64::NAN)
}

struct Rig<'a> {
    bench: &'a Bench,
    folder: TempDir,
}

impl Rig<'_> {
    /// Each figure's median over all rounds.
    fn rounds(&self, case: &str, count: u64) -> Result<Figures> {
        let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for _ in 0..self.bench.plan.rounds {
            for (name, value) in self.once(case, count)? {
                all.entry(name).or_default().push(value);
            }
        }
        Ok(all.into_iter().filter_map(|(name, values)| Some((name, median(&values)?))).collect())
    }

    /// On both cores: who says something has one, and the sink the other.
    fn once(&self, case: &str, count: u64) -> Result<Figures> {
        say(format_args!("telemetry: {case}"));
        let count = if self.bench.plan.smoke { count / 200 } else { count };
        let mut command = cores::unpinned(&self.bench.signals);
        command.arg(case).arg(count.to_string()).arg(self.folder.path());
        // What would change what is measured.
        command.env_remove("TENGEN_LOG").env_remove("RUST_LOG");
        let output = command
            .output()
            .with_context(|| format!("cannot start `{}`", self.bench.signals.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "the case `{case}` failed: {said}");
        read(&String::from_utf8(output.stdout)?)
    }
}

/// `name value`, one a line.
fn read(text: &str) -> Result<Figures> {
    let figure = |line: &str| {
        let (name, value) = line.split_once(' ').with_context(|| format!("no figure: {line}"))?;
        Ok((name.to_owned(), value.parse()?))
    };
    text.lines().map(figure).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_by_name() {
        let figures = read("p50 121.5\np99 900\n").unwrap();
        assert_eq!((of(&figures, "p50"), of(&figures, "p99")), (121.5, 900.0));
        assert!(of(&figures, "other").is_nan());
        assert!(read("p50").is_err());
    }
}
