//! What a guest is answered by its imports that may differ another time: its clocks, chance, and what was put away by key.
//!
//! Recorded while the guest serves, and played to a fresh instance that goes through the same events: then it decides the same.
//! Each answer has its question beside it, so that an instance that asks for something else is found out.

use super::bindings::{
    directory::{Counted, CountedMembers, Listing as Here, Present},
    key_value::{Found, Listing},
};
use foldhash::fast::FixedState;
use std::{
    hash::{BuildHasher as _, Hash},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

/// What an answer takes beside its bytes.
const EACH: usize = 48;

/// What stands for the number of answers where something is missing.
const LOST: u32 = u32::MAX;

/// One answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Of the clock on the wall.
    Wall(Duration),
    /// Of the clock that only goes forward, in nanoseconds.
    Steady(u64),
    Elapsed(f64),
    Chance(Vec<u8>),
    Found(Found),
    Listing(Listing),
    Here(Here),
    Counted(Counted),
    Members(CountedMembers),
}

/// Something that can be answered.
pub(crate) trait Answered: Clone + Into<Answer> {
    /// None: this is the answer to another question.
    fn of(answer: &Answer) -> Option<Self>;
}

macro_rules! answered {
    ($($kind:ident($data:ty)),+) => {
        $(
            impl From<$data> for Answer {
                fn from(data: $data) -> Self {
                    Self::$kind(data)
                }
            }

            impl Answered for $data {
                fn of(answer: &Answer) -> Option<Self> {
                    match answer {
                        Answer::$kind(data) => Some(data.clone()),
                        _ => None,
                    }
                }
            }
        )+
    };
}

answered!(
    Wall(Duration),
    Steady(u64),
    Elapsed(f64),
    Chance(Vec<u8>),
    Found(Found),
    Listing(Listing),
    Here(Here),
    Counted(Counted),
    Members(CountedMembers)
);

impl Answer {
    fn size(&self) -> usize {
        EACH + match self {
            Self::Chance(bytes) => bytes.len(),
            Self::Found(Found::Entry(entry)) => entry.key.len() + entry.value.len(),
            Self::Listing(Listing::Page(page)) => {
                page.entries.iter().map(|entry| EACH + entry.key.len() + entry.value.len()).sum()
            }
            Self::Here(Here::Page(page)) => page.connections.iter().map(size_of).sum(),
            _ => 0,
        }
    }
}

/// What is told of a connection, in bytes.
pub(super) fn size_of(present: &Present) -> usize {
    let tags = present.tags.iter().map(|tag| tag.len() + EACH).sum::<usize>();
    let user = present.user.as_ref().map_or(0, String::len);
    EACH + tags + user + present.endpoint.len()
}

/// Answers in the order in which they were given, and what is done with them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tape(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Answers on the tape, or [`LOST`]; kept beside it, to be read without the lock.
    count: AtomicU32,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// When the guest's clock began that only goes forward.
    began: Instant,
    mode: Mode,
    answers: Vec<Recorded>,
    /// What they take, and the most that they may.
    bytes: usize,
    bound: usize,
}

impl Default for Inner {
    fn default() -> Self {
        let (mode, answers) = (Mode::Off, Vec::new());
        Self { began: Instant::now(), mode, answers, bytes: 0, bound: 0 }
    }
}

/// An answer, and what was asked, in one number.
#[derive(Debug, Clone)]
pub(crate) struct Recorded {
    question: u64,
    answer: Answer,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Mode {
    #[default]
    Off,
    Record,
    /// The next answer that is given again.
    Play(usize),
    /// Something else was asked than is on the tape, or more than it holds.
    Lost,
}

impl Tape {
    /// What a question is answered: what is on the tape, or what there is to say now.
    pub(crate) fn answer<T: Answered>(&self, question: impl Hash, now: impl FnOnce() -> T) -> T {
        let mut inner = self.lock();
        match inner.mode {
            Mode::Off | Mode::Lost => {
                drop(inner);
                now()
            }
            Mode::Record => {
                drop(inner);
                let said = now();
                let question = asked(question);
                self.record(Recorded { question, answer: said.clone().into() });
                said
            }
            Mode::Play(next) => {
                let same = |recorded: &&Recorded| recorded.question == asked(question);
                let said = inner.answers.get(next).filter(same);
                let said = said.and_then(|recorded| T::of(&recorded.answer));
                inner.mode = said.as_ref().map_or(Mode::Lost, |_| Mode::Play(next + 1));
                if said.is_none() {
                    self.0.count.store(LOST, Ordering::Relaxed);
                }
                drop(inner);
                said.unwrap_or_else(now)
            }
        }
    }

    fn record(&self, answer: Recorded) {
        let mut inner = self.lock();
        inner.bytes = inner.bytes.saturating_add(answer.answer.size());
        if inner.bytes > inner.bound {
            inner.mode = Mode::Lost;
            inner.answers = Vec::new();
            self.0.count.store(LOST, Ordering::Relaxed);
        } else {
            inner.answers.push(answer);
            self.0.count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records from here on, behind what is on it, until it takes more than `bound` bytes; then nothing is on it.
    pub(crate) fn record_on(&self, bound: usize) {
        let mut inner = self.lock();
        if inner.mode != Mode::Lost {
            (inner.mode, inner.bound) = (Mode::Record, bound);
        }
    }

    /// Records anew, with nothing on it.
    pub(crate) fn record_anew(&self, bound: usize) {
        let mut inner = self.lock();
        let began = inner.began;
        *inner = Inner { mode: Mode::Record, bound, began, ..Inner::default() };
        drop(inner);
        self.0.count.store(0, Ordering::Relaxed);
    }

    /// Does not record what is asked until [`Tape::record_on`]: it is no part of a call that is gone through again.
    pub(crate) fn pause(&self) {
        let mut inner = self.lock();
        if inner.mode == Mode::Record {
            inner.mode = Mode::Off;
        }
    }

    /// Gives these answers from here on. They stay on it.
    pub(crate) fn play(&self, answers: Vec<Recorded>) {
        let bytes = answers.iter().map(|recorded| recorded.answer.size()).sum();
        let count = u32::try_from(answers.len()).unwrap_or(u32::MAX);
        let mut inner = self.lock();
        let began = inner.began;
        *inner = Inner { mode: Mode::Play(0), answers, bytes, bound: 0, began };
        drop(inner);
        self.0.count.store(count, Ordering::Relaxed);
    }

    /// When the guest's clock began that only goes forward.
    pub(crate) fn began(&self) -> Instant {
        self.lock().began
    }

    /// The guest takes over from another one: its clock goes on where that one's was.
    pub(crate) fn goes_on_from(&self, began: Instant) {
        self.lock().began = began;
    }

    /// Whether so many answers have been given, and all were asked for.
    pub(crate) fn is_at(&self, place: u32) -> bool {
        let at = self.lock().mode;
        matches!(at, Mode::Play(next) if u32::try_from(next) == Ok(place))
    }

    /// How many answers are on it.
    pub(crate) fn len(&self) -> u32 {
        self.0.count.load(Ordering::Relaxed)
    }

    /// What they take, in bytes.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// Whether something is missing on it.
    pub(crate) fn is_lost(&self) -> bool {
        self.len() == LOST
    }

    /// Takes the first so many off it; the rest is forgotten.
    pub(crate) fn take(&self, count: u32) -> Vec<Recorded> {
        let mut answers = std::mem::take(&mut self.lock().answers);
        answers.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        answers
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was asked, in one number.
fn asked(question: impl Hash) -> u64 {
    FixedState::default().hash_one(question)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_answered_again_in_order() {
        let tape = Tape::default();
        assert_eq!(tape.answer("q", || 1_u64), 1);
        assert_eq!(tape.len(), 0, "nothing is recorded before somebody says so");
        tape.record_anew(1 << 10);
        assert_eq!((tape.answer("q", || 2_u64), tape.answer("q", || vec![3_u8])), (2, vec![3]));
        assert_eq!(tape.answer("q", || Duration::from_secs(4)).as_secs(), 4);
        let again = Tape::default();
        again.play(tape.take(2));
        assert_eq!((again.answer("q", || 0_u64), again.answer("q", Vec::<u8>::new)), (2, vec![3]));
        assert!(again.is_at(2) && !again.is_at(1) && !again.is_lost());
        again.record_on(1 << 10);
        assert_eq!(again.answer("q", || 9_u64), 9);
        assert_eq!(again.len(), 3, "it goes on behind what was there");
    }

    fn one() -> Recorded {
        Recorded { question: asked("q"), answer: Answer::Steady(1) }
    }

    #[test]
    fn a_guest_that_takes_over_has_a_clock_that_goes_on() {
        let (tape, before) = (Tape::default(), Instant::now() - Duration::from_secs(60));
        tape.goes_on_from(before);
        tape.record_anew(1 << 10);
        tape.play(Vec::new());
        assert_eq!(tape.began(), before);
    }

    #[test]
    fn another_question_than_the_one_recorded_or_one_more_is_seen() {
        let tape = Tape::default();
        tape.play(vec![one()]);
        assert_eq!(tape.answer("q", || vec![7_u8]), [7]);
        assert!(tape.is_lost() && !tape.is_at(1));
        tape.play(vec![one()]);
        assert_eq!(tape.answer("another", || 7_u64), 7, "the same kind of answer");
        assert!(tape.is_lost());
        tape.play(vec![one()]);
        assert_eq!((tape.answer("q", || 0_u64), tape.answer("q", || 5_u64)), (1, 5));
        assert!(tape.is_lost());
    }

    #[test]
    fn a_tape_that_would_get_too_long_is_thrown_away() {
        let tape = Tape::default();
        tape.record_anew(3 * EACH);
        (0..3_u64).for_each(|it| assert_eq!(tape.answer("q", || it), it));
        assert!(!tape.is_lost() && tape.bytes() == 3 * EACH);
        assert_eq!(tape.answer("q", || 3_u64), 3, "the guest gets its answer all the same");
        assert!(tape.is_lost() && tape.take(9).is_empty());
    }
}
