//! What was measured, as Markdown for BENCHMARKS.md.

use crate::verdict::{Limits, Verdict};
use std::fmt::Write as _;

/// What a value counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Against the baseline.
    Ratio,
    Nanoseconds,
    Microseconds,
    Milliseconds,
    /// Of memory; 1,000 of them are a KB.
    Bytes,
    /// How many in a second.
    PerSecond,
    /// Of a whole, which is 1.
    Share,
}

#[derive(Debug)]
struct Row {
    measure: String,
    value: Result<f64, String>,
    unit: Unit,
    limits: Option<Limits>,
    verdict: Verdict,
    how: String,
}

/// All measures of a run.
#[derive(Debug)]
pub(crate) struct Report {
    /// Whether the run was long enough to decide anything.
    decides: bool,
    rows: Vec<Row>,
    /// Further tables and remarks, one after the other.
    notes: Vec<String>,
}

impl Report {
    pub(crate) fn new(decides: bool) -> Self {
        Self { decides, rows: Vec::new(), notes: Vec::new() }
    }

    /// A measure with limits.
    pub(crate) fn judge(
        &mut self,
        measure: &str,
        value: f64,
        unit: Unit,
        limits: Limits,
        how: String,
    ) {
        let verdict = if self.decides { limits.judge(value) } else { Verdict::Reported };
        self.rows.push(Row {
            measure: measure.into(),
            value: Ok(value),
            unit,
            limits: Some(limits),
            verdict,
            how,
        });
    }

    /// A measure that was judged elsewhere, or has no limits.
    pub(crate) fn add(
        &mut self,
        measure: &str,
        value: f64,
        unit: Unit,
        verdict: Verdict,
        how: String,
    ) {
        self.rows.push(Row {
            measure: measure.into(),
            value: Ok(value),
            unit,
            limits: None,
            verdict,
            how,
        });
    }

    /// A measure that could not be taken. A gate does not take that for a pass.
    pub(crate) fn gap(&mut self, measure: &str, why: &str) {
        let (unit, how) = (Unit::Ratio, String::new());
        let (value, verdict) = (Err(why.to_owned()), Verdict::Missed);
        self.rows.push(Row { measure: measure.into(), value, unit, limits: None, verdict, how });
    }

    pub(crate) fn note(&mut self, text: String) {
        self.notes.push(text);
    }

    /// Measures that missed their limit or were not taken.
    pub(crate) fn misses(&self) -> Vec<&str> {
        let missed = self.rows.iter().filter(|row| row.verdict == Verdict::Missed);
        missed.map(|row| row.measure.as_str()).collect()
    }

    /// Whether anything could not be measured at all.
    pub(crate) fn has_gaps(&self) -> bool {
        self.rows.iter().any(|row| row.value.is_err() && row.verdict == Verdict::Missed)
    }

    pub(crate) fn markdown(&self, command: &str) -> String {
        let mut out = format!("`{command}`\n");
        if !self.rows.is_empty() {
            out.push_str(
                "\n| measure | value | must | aim | verdict | how |\n|---|---|---|---|---|---|\n",
            );
        }
        for row in &self.rows {
            let limit = |of: fn(Limits) -> f64| {
                row.limits.map_or("–".into(), |limits| {
                    let sign = if limits.least { '≥' } else { '≤' };
                    format!("{sign} {}", row.unit.show(of(limits)))
                })
            };
            let (must, aim) = (limit(|limits| limits.must), limit(|limits| limits.aim));
            let (value, verdict) = match &row.value {
                Ok(value) => (row.unit.show(*value), row.verdict.word()),
                Err(why) => (why.clone(), "not measured"),
            };
            let (measure, how) = (&row.measure, &row.how);
            let written =
                writeln!(out, "| {measure} | {value} | {must} | {aim} | {verdict} | {how} |");
            debug_assert!(written.is_ok(), "text grows without fail");
        }
        for note in &self.notes {
            out.push('\n');
            out.push_str(note);
            out.push('\n');
        }
        out
    }
}

impl Unit {
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Ratio => format!("{value:.2} ×"),
            Self::Nanoseconds => format!("{value:.1} ns"),
            Self::Microseconds => format!("{value:.2} µs"),
            Self::Milliseconds => format!("{value:.1} ms"),
            Self::Bytes => format!("{:.2} KB", value / 1000.0),
            Self::PerSecond => format!("{:.2} M/s", value / 1e6),
            Self::Share => format!("{:.2} %", value * 100.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_and_a_gap_fail_the_gate_and_a_report_does_not() {
        let mut report = Report::new(true);
        report.judge("slow", 1.3, Unit::Ratio, Limits::new(1.25, 1.15), String::new());
        report.judge("quick", 1.2, Unit::Ratio, Limits::new(1.25, 1.15), String::new());
        report.add("tail", 9.0, Unit::Ratio, Verdict::Reported, String::new());
        report.gap("handshake", "no such plugin");
        assert_eq!(report.misses(), ["slow", "handshake"]);
        assert!(report.has_gaps());
    }

    #[test]
    fn a_run_that_decides_nothing_misses_nothing() {
        let mut report = Report::new(false);
        report.judge("slow", 9.0, Unit::Ratio, Limits::new(1.25, 1.15), String::new());
        assert!(report.misses().is_empty());
    }

    #[test]
    fn a_row_shows_value_limits_and_verdict() {
        let mut report = Report::new(true);
        report.judge(
            "idle",
            2563.0,
            Unit::Bytes,
            Limits::new(6000.0, 3000.0),
            "10,000 connections".into(),
        );
        report.gap("call", "no guest");
        let markdown = report.markdown("cargo xtask bench idle");
        let rows: Vec<_> = markdown.lines().skip(4).collect();
        assert_eq!(
            rows,
            [
                "| idle | 2.56 KB | ≤ 6.00 KB | ≤ 3.00 KB | aim reached | 10,000 connections |",
                "| call | no guest | – | – | not measured |  |"
            ]
        );
    }
}
