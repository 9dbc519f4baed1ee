//! Plugins: WebAssembly components that decide what connections mean. wasmtime lives in here and nowhere else.
//!
//! Bytes become a [`Plugin`] in steps. `compile` makes machine code of them, links what they import (`guest`) and finds
//! their roles; `prepare` has an instance describe itself and start (`call`). From then on a handler's events wait in a
//! queue and are run in batches (`handler`), and the stateless roles share a few instances (`pool`). [`Plugin`] holds both
//! and brings in the next version; [`Watch`] says when there is one.
//!
//! Imports go in one direction: each module uses what stands before it in this list, and nothing that stands behind it.
//! What two of them need moves in front of both. A test holds that (`tests/all/layers.rs`).
//!
//! ```text
//! text · trap · error · counters · breaker    what everybody needs
//! guest · space · compile · call              from bytes to one call
//! shared · handler · pool                     from events to calls
//! engine · prepare · plugin · watch           what the gateway sees
//! ```
//!
//! **Invariant:** what an instance does wrong costs the event it had in hand. The instance is dropped; the connection,
//! the other events and the other plugins go on.

mod breaker;
mod call;
mod compile;
mod counters;
mod engine;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod guest;
mod handler;
mod kept;
mod plugin;
mod pool;
mod prepare;
mod quarantine;
mod shared;
mod space;
mod text;
mod trap;
mod watch;

pub use breaker::Phase;
pub use compile::{
    child::compile_as_child,
    compiled::Role,
    compiler::{COMPILE, Compiler},
};
pub use counters::Measure;
pub use engine::{Engine, EngineLimits, EngineParts};
pub use error::{CallError, Cause, PluginError};
pub use kept::{KeptState, Revived};
pub use plugin::{Plugin, PluginParts, Reloaded};
pub use prepare::{Inspection, inspect};
pub use shared::{At, EachStatus, Health, LastError, State, Status};
pub use watch::{FileChange, Watch};

#[cfg(test)]
mod tests;
