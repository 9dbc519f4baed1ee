//! The rows as a table, and their summary in a line.

use super::{
    contest::Row,
    judge::{Figures, Verdict},
};
use std::fmt::Write as _;

pub(super) fn markdown(command: &str, old: &str, rows: &[Row]) -> String {
    let mut out = format!(
        "`{command}`\n\n| row | {old} | ours | ratio | quartiles | verdict | why |\n|---|---|---|---|---|---|---|\n"
    );
    for row in rows {
        let (measure, unit) = (&row.measure.name, row.measure.unit);
        let values = match row.figures {
            Some(Figures { old, new, ratio, quartiles: (low, high) }) => format!(
                "{} | {} | {ratio:.3} | {low:.3} – {high:.3}",
                unit.show(old),
                unit.show(new)
            ),
            None => "– | – | – | –".to_owned(),
        };
        // A bar would end the cell.
        let why = row.notes.join("; ").replace('|', "/");
        let written = writeln!(out, "| {measure} | {values} | {} | {why} |", row.verdict.word());
        debug_assert!(written.is_ok(), "text grows without fail");
    }
    out
}

pub(super) fn summary(rows: &[Row]) -> String {
    let names = |verdict| {
        let those = rows.iter().filter(|row| row.verdict == verdict);
        those.map(|row| row.measure.name.as_str()).collect::<Vec<_>>()
    };
    let mut parts = Vec::new();
    for (what, verdict) in [("worse", Verdict::Worse), ("not judged", Verdict::NotJudged)] {
        let names = names(verdict);
        if !names.is_empty() {
            parts.push(format!("{what}: {}", names.join("; ")));
        }
    }
    match parts.is_empty() {
        true => format!("no worse in any of {} rows", rows.len()),
        false => parts.join(". "),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::contest::Measure, *};
    use crate::report::Unit;

    fn row(name: &str, new: f64, verdict: Verdict, notes: &[&str]) -> Row {
        Row {
            measure: Measure::cpu(name, Unit::Microseconds),
            figures: Figures::of(&[2.0], &[new]),
            verdict,
            notes: notes.iter().map(|note| (*note).to_owned()).collect(),
        }
    }

    #[test]
    fn a_row_shows_both_and_why_it_was_not_judged() {
        let rows = [
            row("echo", 3.0, Verdict::NotJudged, &["2 % stolen", "seen"]),
            row("raw", f64::NAN, Verdict::Worse, &["a | b"]),
        ];
        let table = markdown("cargo xtask bench echo", "abc", &rows);
        let lines: Vec<_> = table.lines().skip(2).collect();
        assert_eq!(lines[0], "| row | abc | ours | ratio | quartiles | verdict | why |");
        assert_eq!(
            lines[2],
            "| echo | 2.00 µs | 3.00 µs | 1.500 | 1.500 – 1.500 | not judged | 2 % stolen; seen |"
        );
        assert_eq!(lines[3], "| raw | – | – | – | – | **worse** | a / b |");
    }

    #[test]
    fn the_summary_names_rows() {
        let good = || row("good", 2.0, Verdict::NoWorse, &[]);
        assert_eq!(summary(&[good()]), "no worse in any of 1 rows");
        let rows = [
            good(),
            row("a", 3.0, Verdict::Worse, &[]),
            row("b", 3.0, Verdict::Worse, &[]),
            row("c", 3.0, Verdict::NotJudged, &[]),
        ];
        assert_eq!(summary(&rows), "worse: a; b. not judged: c");
    }
}
