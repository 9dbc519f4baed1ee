//! Counts what a reader does, so that tests hold its cost to the length of the text and not to a clock.

use std::cell::Cell;

thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// One value, key or element is looked at.
pub(super) fn step() {
    STEPS.set(STEPS.get() + 1);
}

/// How many steps were taken.
pub(super) fn steps(run: impl FnOnce()) -> usize {
    STEPS.set(0);
    run();
    STEPS.get()
}
