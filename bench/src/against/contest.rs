//! Rows that are measured together: both revisions and a baseline take turns, round by round.

use super::{
    Sides,
    conditions::{Conditions, Seen},
    judge::{Figures, ROUNDS, Verdict},
};
use crate::{
    bench::{say, take_turns},
    report::Unit,
    statistics::typical_spread,
};
use anyhow::{Context as _, Result};
use std::cell::{Cell, RefCell};

/// How far the baseline may be from itself in the middle of all rounds, for CPU time and for the time that waiting takes.
pub(super) const CPU: f64 = 1.05;
pub(super) const WAIT: f64 = 1.15;

/// Who has a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// A bare server, twice in each round: it must be like itself.
    Bare,
    /// The revision that is compared with.
    Old,
    /// The same once more, where there is no bare server.
    Again,
    New,
}

/// One thing that is measured.
#[derive(Debug, Clone)]
pub(super) struct Measure {
    pub(super) name: String,
    pub(super) unit: Unit,
    /// How far the baseline may be from itself.
    pub(super) spread_max: f64,
}

/// A row of the table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) measure: Measure,
    pub(super) figures: Option<Figures>,
    pub(super) verdict: Verdict,
    /// Why it was not judged, and what was seen.
    pub(super) notes: Vec<String>,
}

const WITH_BARE: &[Who] = &[Who::Bare, Who::Bare, Who::Old, Who::New];
const WITHOUT_BARE: &[Who] = &[Who::Old, Who::Again, Who::New];

/// Measures that a turn yields together.
#[derive(Debug)]
pub(super) struct Contest {
    measures: Vec<Measure>,
    turns: &'static [Who],
    rounds: u32,
}

impl Contest {
    /// With a bare server as the baseline.
    pub(super) fn with_bare(sides: &Sides, measures: Vec<Measure>) -> Self {
        Self { measures, turns: WITH_BARE, rounds: sides.rounds() }
    }

    /// With the old revision, measured twice, as the baseline.
    pub(super) fn without_bare(sides: &Sides, measures: Vec<Measure>) -> Self {
        Self { measures, turns: WITHOUT_BARE, rounds: sides.rounds() }
    }

    /// Holds all rounds. A turn yields a value for each measure.
    pub(super) async fn hold(
        self,
        conditions: &mut Conditions,
        turn: impl AsyncFn(Who) -> Result<Vec<f64>>,
    ) -> Result<Vec<Row>> {
        for measure in &self.measures {
            say(format_args!("{}, {} rounds", measure.name, self.rounds));
        }
        let watch = RefCell::new(Conditions::watch()?);
        let culprit = Cell::new(None);
        let asked = &*conditions;
        let samples = take_turns(self.rounds, self.turns.len(), async |place| {
            if place == 0 {
                let probe = asked.probe().await?;
                watch.borrow_mut().add(probe);
            }
            let who = *self.turns.get(place).context("no such turn")?;
            culprit.set(Some(who));
            let values = turn(who).await.with_context(|| who.name().to_owned())?;
            culprit.set(None);
            Ok(values)
        });
        let samples = samples.await;
        let seen = conditions.seen(&watch.into_inner())?;
        Ok(match samples {
            Ok(samples) => self.rows(&samples, &seen),
            Err(error) => self.failed(culprit.get(), &format!("{error:#}")),
        })
    }

    fn rows(&self, samples: &[Vec<Vec<f64>>], seen: &Seen) -> Vec<Row> {
        let row = |(place, measure): (usize, &Measure)| {
            let of = |who: usize| -> Vec<f64> {
                let rounds = samples.get(who).into_iter().flatten();
                rounds.filter_map(|values| values.get(place)).copied().collect()
            };
            let (baseline, again) = (of(0), of(1));
            // Where the old revision is the baseline, its first measurement also is what is compared with.
            let (old, new) = match self.turns == WITH_BARE {
                true => (of(2), of(3)),
                false => (baseline.clone(), of(2)),
            };
            let spread = typical_spread(baseline.into_iter().zip(again));
            self.row(measure, spread, Figures::of(&old, &new), seen)
        };
        self.measures.iter().enumerate().map(row).collect()
    }

    fn row(&self, measure: &Measure, spread: f64, figures: Option<Figures>, seen: &Seen) -> Row {
        let mut doubts = seen.doubts.clone();
        if self.rounds < ROUNDS {
            doubts.push(format!("{} rounds, {ROUNDS} are needed", self.rounds));
        }
        // What is no number is not within.
        let is_like_itself = spread <= measure.spread_max;
        if !is_like_itself {
            let most = measure.spread_max;
            doubts
                .push(format!("{} against itself {spread:.2}, at most {most:.2}", self.baseline()));
        }
        let verdict = match figures {
            Some(figures) => figures.verdict(&doubts),
            None => {
                doubts.push("there is no ratio".into());
                Verdict::NotJudged
            }
        };
        let mut notes = doubts;
        notes.push(format!(
            "seen: {} against itself {spread:.2}, steal {:.1} %, bare echo {:.2} µs or {:.2} rounds",
            self.baseline(),
            seen.steal * 100.0,
            seen.echo.cpu,
            seen.echo.cpu / seen.echo.round
        ));
        Row { measure: measure.clone(), figures, verdict, notes }
    }

    /// What fails in the new revision alone is worse than it was; anything else says nothing about it.
    fn failed(&self, culprit: Option<Who>, why: &str) -> Vec<Row> {
        let verdict = match culprit {
            Some(Who::New) => Verdict::Worse,
            _ => Verdict::NotJudged,
        };
        let row = |measure: &Measure| Row {
            measure: measure.clone(),
            figures: None,
            verdict,
            notes: vec![why.lines().next().unwrap_or_default().to_owned()],
        };
        self.measures.iter().map(row).collect()
    }

    fn baseline(&self) -> &'static str {
        match self.turns == WITH_BARE {
            true => "bare",
            false => "the old revision",
        }
    }
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "the bare server",
            Self::Old | Self::Again => "the old revision",
            Self::New => "this revision",
        }
    }
}

impl Measure {
    /// CPU time, or memory.
    pub(super) fn cpu(name: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), unit, spread_max: CPU }
    }

    /// Time that somebody waits.
    pub(super) fn wait(name: impl Into<String>, unit: Unit) -> Self {
        Self { name: name.into(), unit, spread_max: WAIT }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::quiet::Echo, *};

    fn contest(rounds: u32) -> Contest {
        let measures = vec![Measure::cpu("echo", Unit::Microseconds)];
        Contest { measures, turns: WITH_BARE, rounds }
    }

    fn seen(doubts: &[&str]) -> Seen {
        let doubts = doubts.iter().map(|doubt| (*doubt).to_owned()).collect();
        Seen { steal: 0.0, echo: Echo { cpu: 6.0, round: 1.0 }, doubts }
    }

    /// Nine rounds in which everybody always takes so long: bare, bare again, old, new.
    fn samples(values: [f64; 4]) -> Vec<Vec<Vec<f64>>> {
        values.iter().map(|value| vec![vec![*value]; 9]).collect()
    }

    #[track_caller]
    fn check(values: [f64; 4], doubts: &[&str], expected: Verdict) {
        let rows = contest(ROUNDS).rows(&samples(values), &seen(doubts));
        assert_eq!(rows[0].verdict, expected, "{:?}", rows[0].notes);
    }

    #[test]
    fn a_bare_server_unlike_itself_forbids_a_judgement() {
        check([1.0, 1.05, 2.0, 2.0], &[], Verdict::NoWorse);
        check([1.0, 1.05, 2.0, 2.1], &[], Verdict::Worse);
        check([1.0, 1.06, 2.0, 2.1], &[], Verdict::NotJudged);
        check([1.06, 1.0, 2.0, 2.0], &[], Verdict::NotJudged);
    }

    #[test]
    fn a_machine_that_is_not_quiet_forbids_a_judgement() {
        check([1.0, 1.0, 2.0, 2.1], &["stolen"], Verdict::NotJudged);
    }

    #[test]
    fn few_rounds_judge_nothing() {
        let rows = contest(8).rows(&samples([1.0; 4]), &seen(&[]));
        assert_eq!(rows[0].verdict, Verdict::NotJudged);
        assert_eq!(rows[0].notes[0], "8 rounds, 9 are needed");
    }

    #[test]
    fn the_old_revision_is_its_own_baseline_where_nothing_is_bare() {
        let contest = Contest { turns: WITHOUT_BARE, ..contest(ROUNDS) };
        let rows = contest.rows(&samples([2.0, 2.1, 2.0, 9.0]), &seen(&[]));
        assert_eq!(rows[0].verdict, Verdict::NoWorse, "the third has the third place");
        let rows = contest.rows(&samples([2.0, 2.2, 2.0, 9.0]), &seen(&[]));
        assert_eq!(rows[0].verdict, Verdict::NotJudged);
    }

    #[test]
    fn what_only_the_new_revision_cannot_do_is_worse() {
        let verdict = |culprit| contest(ROUNDS).failed(culprit, "gone\nfor good")[0].verdict;
        assert_eq!(verdict(Some(Who::New)), Verdict::Worse);
        assert_eq!(verdict(Some(Who::Old)), Verdict::NotJudged);
        assert_eq!(verdict(Some(Who::Bare)), Verdict::NotJudged);
        assert_eq!(verdict(None), Verdict::NotJudged);
    }
}
