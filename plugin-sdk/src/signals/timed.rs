//! Work whose run time is said when it has ended.

use super::{Level, Said, Value, enabled, said, say, target};
use std::cell::RefCell;

thread_local! {
    /// The id of the timed work in hand.
    static PARENT: RefCell<Option<String>> = const { RefCell::new(None) };
}

pub(super) fn parent() -> Option<String> {
    PARENT.with_borrow(Option::clone)
}

/// Does some work, and says how long it took: in steps of 0.1 ms, as the clocks of guests go.
///
/// ```
/// use tengen_plugin::signals::{Level, timed};
/// let sum: u32 = timed(Level::Debug, "sums/added", "the sum is made", || (1..100).sum());
/// # assert_eq!(sum, 4950);
/// ```
#[track_caller]
pub fn timed<T>(level: Level, id: &str, message: &str, work: impl FnOnce() -> T) -> T {
    let _timed = Timed::begin(level, id, message);
    work()
}

/// Work that has begun. What is said before it ends is a part of it; when this is dropped, it has ended and is said.
#[must_use = "it ends when this is dropped"]
#[derive(Debug)]
pub struct Timed {
    what: Said,
    began_ms: f64,
    /// Of what it is a part itself.
    within: Option<String>,
}

impl Timed {
    /// Begins. The sentence is for people, and for when it has ended.
    #[track_caller]
    pub fn begin(level: Level, id: &str, message: &str) -> Self {
        let within = PARENT.with_borrow_mut(|parent| parent.replace(id.to_owned()));
        let what = Said { message: message.to_owned(), ..said(level, id) };
        Self { what, began_ms: target::elapsed_ms(), within }
    }

    /// Adds a fact.
    pub fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.what.data.push((name.to_owned(), value.into()));
    }

    /// It went wrong, by this error.
    pub fn fail(&mut self, error: &(dyn std::error::Error + 'static)) {
        self.what.error = super::causes(error);
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        let within = self.within.take();
        PARENT.with_borrow_mut(|parent| *parent = within);
        if enabled(self.what.level, self.what.id.as_deref().unwrap_or_default()) {
            let took_ms = Some((target::elapsed_ms() - self.began_ms).max(0.0));
            say(Said { took_ms, ..self.what.clone() });
        }
    }
}
