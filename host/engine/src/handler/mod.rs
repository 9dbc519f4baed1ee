//! A handler plugin: its queue of events, its one instance, and whoever drives it.
//!
//! Events are offered to the `driver`'s seat and wait in the `queue`, a `line` for each connection. Then either the task of
//! the handler takes them, behind the connections that are ready as well (`gathering`), or whoever brought them does, on
//! their own task (`inline`). The `runner` has a batch run and its outcome carried out. When a call breaks, `runner/recovery`
//! finds the guilty event, passes on what may go on to others (`onward`), makes batches smaller that break only together
//! (`caution`), and replaces the instance when that is due (`restarts`). What of an instance outlives it is in `keeping`.

pub(crate) mod driver;
pub(crate) mod queue;
pub(crate) mod runner;
mod spans;

mod alarm;
mod caution;
mod gathering;
mod inline;
mod keeping;
mod line;
mod onward;
mod restarts;
