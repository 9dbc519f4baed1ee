//! From a component's bytes to what can be instantiated.
//!
//! `compiled` reads a file and has it checked before anything costs time: what kind of file it is (`format`), and whether
//! what it imports is offered (`names`). Whoever has seen the same bytes already has the result (`known`), or its machine
//! code on disk (`cache`). Otherwise the compiler makes it (`compiler`), in a child process whose side is `child`. What comes
//! back is a `Code`, the only thing that is made executable (`code`); `compiled` links it, and finds the roles of the plugin.
//!
//! Nothing in here knows the engine: what is needed of it is passed in (`compiler::Order`, `guest::data::Hosting`).

pub(crate) mod cache;
pub(crate) mod child;
pub(crate) mod code;
pub(crate) mod compiled;
pub(crate) mod compiler;
pub(crate) mod format;
pub(crate) mod known;

mod names;
