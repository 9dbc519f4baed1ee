//! What must hold for the gateway whatever comes in, as functions of bytes; the programs in `targets` hand them to
//! libFuzzer.
//!
//! The frames are `tengen-wire`'s. What reads the configuration and the upgrade's request is compiled here from its own files:
//! it needs neither an engine nor a runtime, so that a fuzzer of it is built in one minute instead of seven, and what is private
//! to a module needs no door in the gateway. What cannot do without WebAssembly goes through `tengen_engine::fuzzing` (feature `engine`).

#![allow(
    dead_code,
    reason = "no target uses all of the modules, and their own tests are elsewhere"
)]

#[cfg(feature = "engine")]
pub mod engine;
pub mod targets;
pub mod upgrade;
