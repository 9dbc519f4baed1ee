//! What another connection may notice of an attack at most, and whether it noticed more.

use super::{
    attacks::{Attack, Done, QUIET},
    watch::Seen,
};
use std::{fmt::Write as _, time::Duration};

const P99: Duration = Duration::from_millis(100);
const MAX: Duration = Duration::from_millis(500);
const HEALTH: Duration = Duration::from_millis(200);
/// Against what the configuration lets the gateway take.
const MEMORY: f64 = 1.5;

/// What became of an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Holds,
    Missed,
    /// It could not be run, or the machine was too busy to tell.
    NotJudged,
}

/// The gateway's memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// What the gateway held before, and what the configuration lets it take.
    pub(super) bound: u64,
    /// Whether the gateway was there at the end.
    pub(super) alive: bool,
}

/// A line of the table.
#[derive(Debug)]
pub(super) struct Row {
    name: &'static str,
    /// What was measured, cell by cell.
    cells: [String; 5],
    verdict: Verdict,
    /// What was missed, then what the attack did.
    notes: Vec<String>,
}

impl Row {
    pub(super) fn of(attack: &Attack, mut seen: Seen, done: Done, memory: Memory) -> Self {
        seen.noticed.latencies.sort_unstable();
        let mut missed = missed(&seen, memory);
        missed.extend(done.wrong);
        let verdict = match (missed.is_empty(), done.cut_short.is_some()) {
            // An attack that ended early has shown nothing, unless it did harm.
            (true, true) => Verdict::NotJudged,
            (true, false) => Verdict::Holds,
            (false, _) => Verdict::Missed,
        };
        let latency = |share| milliseconds(quantile(&seen.noticed.latencies, share));
        let cells = [
            latency(0.5),
            latency(0.99),
            latency(1.0),
            milliseconds(Some(seen.health.longest)),
            format!("{} of {} MB", megabytes(seen.resident), megabytes(memory.bound)),
        ];
        let notes = missed.into_iter().chain(done.cut_short).chain([done.what]).collect();
        Self { name: attack.name, cells, verdict, notes }
    }

    /// One that could not be run.
    pub(super) fn not_run(attack: &Attack, why: String) -> Self {
        let cells = [(); 5].map(|()| "–".to_owned());
        Self { name: attack.name, cells, verdict: Verdict::NotJudged, notes: vec![why] }
    }

    pub(super) fn with(mut self, note: Option<String>) -> Self {
        self.notes.extend(note);
        self
    }
}

/// Everything that is worse than it may be.
fn missed(seen: &Seen, memory: Memory) -> Vec<String> {
    let latencies = &seen.noticed.latencies;
    let mut missed = Vec::new();
    let mut check = |holds: bool, what: String| {
        if !holds {
            missed.push(what);
        }
    };
    check(memory.alive, "the gateway ended".into());
    if let Some(why) = &seen.noticed.ended {
        check(false, format!("the neighbour's connection ended: {why}"));
    }
    let unanswered = seen.noticed.unanswered;
    check(unanswered == 0, format!("the neighbour missed {unanswered} answers"));
    let p99 = quantile(latencies, 0.99);
    check(p99.is_some_and(|p99| p99 <= P99), format!("p99 over {}", milliseconds(Some(P99))));
    let max = quantile(latencies, 1.0);
    check(max.is_some_and(|max| max <= MAX), format!("longest over {}", milliseconds(Some(MAX))));
    check(seen.health.asked > 0, "`/healthz` was not asked".into());
    check(seen.health.failed == 0, format!("`/healthz` failed {} times", seen.health.failed));
    let health = format!("`/healthz` over {}", milliseconds(Some(HEALTH)));
    check(seen.health.longest <= HEALTH, health);
    let share = seen.resident as f64 / memory.bound as f64;
    check(share <= MEMORY, format!("memory {share:.1} of the bounds, at most {MEMORY}"));
    missed
}

/// Where the quiet row fails, no other row says anything about the gateway.
pub(super) fn overall(rows: &[Row]) -> Verdict {
    let any = |verdict| rows.iter().any(|row| row.verdict == verdict);
    let is_quiet = rows.iter().any(|row| row.name == QUIET && row.verdict == Verdict::Holds);
    match (is_quiet, any(Verdict::Missed), any(Verdict::NotJudged)) {
        (false, ..) => Verdict::NotJudged,
        (true, true, _) => Verdict::Missed,
        (true, false, true) => Verdict::NotJudged,
        (true, false, false) => Verdict::Holds,
    }
}

pub(super) fn markdown(rows: &[Row]) -> String {
    let mut out = String::from(
        "| attack | neighbour p50 | p99 | longest | `/healthz` longest | memory | verdict | what |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let notes = row.notes.join("; ").replace(['|', '\n', '\r'], " ");
        let (cells, verdict) = (row.cells.join(" | "), row.verdict.word());
        let written = writeln!(out, "| {} | {cells} | {verdict} | {notes} |", row.name);
        debug_assert!(written.is_ok(), "text grows without fail");
    }
    if overall(rows) == Verdict::NotJudged {
        out.push_str("\nNot everything was judged: see `what`. Where `quiet` does not hold, the machine is too busy.\n");
    }
    out
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Missed => "**missed**",
            Self::NotJudged => "not judged",
        }
    }
}

/// The latencies are sorted.
fn quantile(sorted: &[Duration], share: f64) -> Option<Duration> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((share * last as f64).ceil() as usize).copied()
}

fn milliseconds(duration: Option<Duration>) -> String {
    duration.map_or("–".into(), |duration| format!("{:.1} ms", duration.as_secs_f64() * 1000.0))
}

fn megabytes(bytes: u64) -> u64 {
    bytes >> 20
}

#[cfg(test)]
mod tests {
    use super::{super::attacks::ATTACKS, *};
    use crate::hostile::{health::Answers, neighbour::Noticed};

    const MEMORY: Memory = Memory { bound: 100 << 20, alive: true };

    /// A hundred answers after a millisecond each, but for the last ones.
    fn seen(last: &[u64]) -> Seen {
        let mut latencies = vec![Duration::from_millis(1); 1000 - last.len()];
        latencies.extend(last.iter().map(|last| Duration::from_millis(*last)));
        Seen {
            noticed: Noticed { latencies, ..Noticed::default() },
            health: Answers { asked: 9, longest: HEALTH, failed: 0 },
            resident: 150 << 20,
        }
    }

    #[track_caller]
    fn check(seen: Seen, memory: Memory, expected: &[&str]) {
        assert_eq!(missed(&seen, memory), expected);
    }

    #[test]
    fn the_limits_themselves_are_within() {
        check(seen(&[500]), MEMORY, &[]);
        check(seen(&[100; 20]), MEMORY, &[]);
    }

    #[test]
    fn each_limit_is_named_that_is_missed() {
        check(seen(&[101; 20]), MEMORY, &["p99 over 100.0 ms"]);
        check(seen(&[501]), MEMORY, &["longest over 500.0 ms"]);
        let memory = Memory { bound: 99 << 20, ..MEMORY };
        check(seen(&[]), memory, &["memory 1.5 of the bounds, at most 1.5"]);
        check(seen(&[]), Memory { alive: false, ..MEMORY }, &["the gateway ended"]);
        let mut slow = seen(&[]);
        slow.health = Answers { asked: 9, longest: HEALTH * 2, failed: 2 };
        check(slow, MEMORY, &["`/healthz` failed 2 times", "`/healthz` over 200.0 ms"]);
    }

    #[test]
    fn silence_is_no_good_answer() {
        let silent = Seen { health: Answers { asked: 1, ..Answers::default() }, ..Seen::default() };
        check(silent, MEMORY, &["p99 over 100.0 ms", "longest over 500.0 ms"]);
        let mut lost = seen(&[]);
        lost.noticed.unanswered = 2;
        lost.noticed.ended = Some("closed".into());
        let expected =
            ["the neighbour's connection ended: closed", "the neighbour missed 2 answers"];
        check(lost, MEMORY, &expected);
    }

    fn row(name: &'static str, verdict: Verdict) -> Row {
        Row { name, cells: [(); 5].map(|()| String::new()), verdict, notes: Vec::new() }
    }

    #[test]
    fn a_busy_machine_judges_nothing() {
        use Verdict::{Holds, Missed, NotJudged};
        let all = |quiet, other| overall(&[row(QUIET, quiet), row("other", other)]);
        assert_eq!(all(Holds, Holds), Holds);
        assert_eq!(all(Holds, Missed), Missed);
        assert_eq!(all(Holds, NotJudged), NotJudged);
        assert_eq!(all(Missed, Missed), NotJudged);
        assert_eq!(overall(&[row("other", Holds)]), NotJudged);
    }

    #[test]
    fn an_attack_that_ended_early_is_not_taken_for_a_defence() {
        let attack = &ATTACKS[0];
        let cut_short = || Done::cut_short("it was refused".into());
        assert_eq!(Row::of(attack, seen(&[]), cut_short(), MEMORY).verdict, Verdict::NotJudged);
        assert_eq!(Row::of(attack, seen(&[501]), cut_short(), MEMORY).verdict, Verdict::Missed);
        let done = || Done::new("9 frames");
        assert_eq!(Row::of(attack, seen(&[]), done(), MEMORY).verdict, Verdict::Holds);
        let wrong = done().wrong_if(true, "the room is gone");
        assert_eq!(Row::of(attack, seen(&[]), wrong, MEMORY).verdict, Verdict::Missed);
    }
}
