//! How a sink is, in a word and with one sentence of advice; it does not change with every signal.

use super::{
    Traits,
    breaker::{Breaker, LONGEST_PAUSE, Phase},
};
use std::time::{Duration, Instant};

/// A queue that is as full as this, in percent, makes a sink one that is behind,
const BEHIND: usize = 80;
/// and one that is as empty as this no longer.
const CAUGHT_UP: usize = 40;
/// Failures in a row that make it one that fails,
const FAILING: u32 = 3;
/// and deliveries in a row that make it none.
const RECOVERED: u32 = 3;
/// What was lost is spoken of for so long.
const LOST: Duration = Duration::from_secs(60);

/// How it is.
#[derive(Debug, Default)]
pub(crate) struct Health {
    is_behind: bool,
    is_failing: bool,
    /// It wants no more.
    pub(super) is_gone: bool,
    failures: u32,
    successes: u32,
    last_error: Option<String>,
    /// When a signal found no room, last.
    lost: Option<Instant>,
}

/// What is seen of a queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sight {
    /// In percent.
    pub(crate) fill: usize,
    pub(crate) now: Instant,
}

impl Health {
    pub(super) fn look(&mut self, sight: Sight) {
        let Sight { fill, now } = sight;
        self.is_behind = fill >= if self.is_behind { CAUGHT_UP } else { BEHIND };
        self.lost = self.lost.filter(|at| now.saturating_duration_since(*at) < LOST);
    }

    pub(super) fn lost(&mut self) {
        self.lost = Some(Instant::now());
        self.is_behind = true;
    }

    pub(super) fn failed(&mut self, error: &str) {
        self.failures = self.failures.saturating_add(1);
        self.successes = 0;
        self.is_failing |= self.failures >= FAILING;
        self.last_error = Some(error.to_owned());
    }

    /// Something is wrong with what it was sent, and nothing with itself.
    pub(super) fn noted(&mut self, error: &str) {
        self.last_error = Some(error.to_owned());
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.successes = self.successes.saturating_add(1);
        self.is_failing &= self.successes < RECOVERED;
    }

    pub(super) fn word(&self) -> &'static str {
        match (self.is_gone, self.is_failing, self.is_behind) {
            (true, ..) => "gone",
            (false, true, _) => "failing",
            (false, false, true) => "behind",
            (false, false, false) => "healthy",
        }
    }

    pub(super) fn last_error(&self) -> Option<String> {
        self.last_error.clone()
    }

    /// What to do about it; none where all is well.
    pub(super) fn advice(
        &self,
        traits: &Traits,
        is_paused: bool,
        breaker: &Breaker,
    ) -> Option<String> {
        let name = &traits.name;
        let error = self.last_error.as_deref().unwrap_or("it does not say why");
        if self.is_gone {
            return Some(format!(
                "`{name}` gave itself up ({error}): mend it, and restart or reload"
            ));
        }
        if is_paused {
            return Some(format!("`{name}` is paused: `tengen sinks resume {name}` lets it go on"));
        }
        if breaker.phase() != Phase::Closed {
            let failures = breaker.failures();
            return Some(format!(
                "`{name}` failed {failures} times in a row ({error}): mend it; one batch is tried every {} s at most, and it goes on by itself",
                LONGEST_PAUSE.as_secs()
            ));
        }
        if self.is_failing {
            return Some(format!(
                "`{name}` fails ({error}): it is tried again by itself, and what waits is kept"
            ));
        }
        if self.is_behind || self.lost.is_some() {
            return Some(format!(
                "`{name}` is sent more than it takes: narrow its `filter`, or raise `buffer` ({}) if that passes",
                traits.buffer
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(health: &mut Health, fill: usize) -> &'static str {
        health.look(Sight { fill, now: Instant::now() });
        health.word()
    }

    #[test]
    fn a_queue_that_is_about_as_full_as_before_changes_nothing() {
        let mut health = Health::default();
        assert_eq!(
            [79, 80, 79, 40, 39, 79].map(|fill| seen(&mut health, fill)),
            ["healthy", "behind", "behind", "behind", "healthy", "healthy"]
        );
    }

    #[test]
    fn one_failure_and_one_success_change_nothing() {
        let mut health = Health::default();
        health.failed("no");
        assert_eq!(health.word(), "healthy");
        health.failed("no");
        health.failed("no space");
        assert_eq!(health.word(), "failing");
        health.succeeded();
        assert_eq!(health.word(), "failing");
        health.succeeded();
        health.succeeded();
        assert_eq!((health.word(), health.last_error().as_deref()), ("healthy", Some("no space")));
    }

    #[test]
    fn there_is_one_sentence_of_advice_and_none_where_all_is_well() {
        let traits = Traits::new("file", "file");
        let (mut health, mut breaker) = (Health::default(), Breaker::default());
        assert_eq!(health.advice(&traits, false, &breaker), None);
        health.lost();
        assert!(health.advice(&traits, false, &breaker).unwrap().contains("narrow its `filter`"));
        assert!(
            health.advice(&traits, true, &breaker).unwrap().contains("`tengen sinks resume file`")
        );
        for _ in 0..3 {
            health.failed("no space");
        }
        assert!(health.advice(&traits, false, &breaker).unwrap().contains("fails (no space)"));
        let now = Instant::now();
        for _ in 0..5 {
            breaker.broke(now);
        }
        let open = health.advice(&traits, false, &breaker).unwrap();
        assert!(open.contains("failed 5 times in a row (no space): mend it"), "{open}");
        breaker.passed();
        health.look(Sight { fill: 0, now: Instant::now() + LOST });
        (0..3).for_each(|_| health.succeeded());
        assert_eq!(health.advice(&traits, false, &breaker), None, "what is past is past");
    }
}
