//! Plugins: WebAssembly components that decide what connections mean. wasmtime lives in here and nowhere else.
//!
//! Bytes become a [`Plugin`] in steps: what kind of file it is (`format`), machine code (`code`) from a child process
//! (`compiler`, `child`) or from disk (`cache`), its imports linked and its roles found (`compiled`), an instance that described itself and started (`prepare`). A handler's events wait in
//! a `queue`, are run in batches by a `runner`, which a task in `driver` drives; the stateless roles share a `pool`.
//!
//! **Invariant:** what an instance does wrong costs the event it had in hand. The instance is dropped; the connection,
//! the other events and the other plugins go on.

mod admission;
mod beneath;
#[expect(unreachable_pub, reason = "generated code is as its generator writes it")]
mod bindings;
mod breaker;
mod cache;
mod caution;
mod child;
mod clocks;
mod code;
mod compiled;
mod compiler;
mod console;
mod contents;
mod counters;
mod driver;
mod effects;
mod engine;
mod error;
mod events;
mod format;
mod fuel;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gathering;
mod generation;
mod guard;
mod inline;
mod instance;
mod known;
mod line;
mod meter;
mod named;
mod notices;
mod onward;
mod pipes;
mod places;
mod pool;
mod prepare;
mod queue;
mod restarts;
mod runner;
mod shared;
mod signals;
mod space;
mod state;
mod text;
mod trap;
mod wants;
mod watch;

pub use breaker::Phase;
pub use child::compile_as_child;
pub use compiled::Role;
pub use compiler::{COMPILE, Compiler};
pub use counters::Measure;
pub use engine::{Engine, EngineLimits, EngineParts};
pub use error::{CallError, Cause, PluginError};
pub use named::{Parts, Plugin, Reloaded};
pub use prepare::{Inspection, inspect};
pub use shared::{At, LastError, State, Status};
pub use watch::{Change, Watch};

#[cfg(test)]
mod tests;
