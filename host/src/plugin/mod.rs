//! Plugins.

#[expect(unreachable_pub, reason = "generated code is public all through")]
mod bindings;
mod compiled;
mod console;
mod counters;
mod engine;
mod error;
mod format;
mod generation;
mod instance;
mod signals;
mod state;
mod text;

pub use compiled::Role;
pub use counters::Measure;
pub use engine::{Engine, EngineLimits};
pub use error::{CallError, Cause, PluginError};
