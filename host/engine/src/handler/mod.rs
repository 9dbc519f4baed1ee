//! A handler plugin: its instances, of each its queue of events, and whoever drives it.
//!
//! Events are offered to the plugin's `seats`, which deal them out, so that each goes to the one instance that is to have it; a
//! `change` brings in another version of all of them, or another number. For each, events wait at the `driver`'s seat in the `queue`, a `line` for each connection. Then either the task of
//! the handler takes them, behind the connections that are ready as well (`gathering`), or whoever brought them does, on
//! their own task (`inline`). The `runner` has a batch run and its outcome carried out. When a call breaks, `runner/recovery`
//! finds the guilty event, passes on what may go on to others (`onward`), makes batches smaller that break only together
//! (`caution`), and replaces the instance when that is due (`restarts`). What of an instance outlives it is in `keeping`.

pub(crate) mod runner;
pub(crate) mod seats;
mod spans;

mod alarm;
mod caution;
mod change;
mod driver;
mod gathering;
mod inline;
mod keeping;
mod line;
mod onward;
mod queue;
mod restarts;
