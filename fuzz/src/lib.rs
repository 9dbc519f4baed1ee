//! What must hold for the gateway whatever comes in, as functions of bytes; the programs in `targets` hand them to
//! libFuzzer.
//!
//! The gateway's two lowest layers are compiled here from their own files: they need neither an engine nor a runtime,
//! so that a fuzzer of them is built in one minute instead of seven, and what is private to a module needs no door in the
//! gateway. What cannot do without WebAssembly goes through `tengen::plugin::fuzzing` (feature `engine`).

#![allow(
    dead_code,
    reason = "no target uses all of the modules, and their own tests are elsewhere"
)]

#[path = "../../host/src/close.rs"]
pub mod close;
#[path = "../../host/src/codec/mod.rs"]
pub mod codec;
#[path = "../../host/src/config/mod.rs"]
pub mod config;
#[path = "../../host/src/effect/mod.rs"]
pub mod effect;
#[path = "../../host/src/envelope/mod.rs"]
pub mod envelope;
#[path = "../../host/src/fault.rs"]
pub mod fault;
#[path = "../../host/src/id.rs"]
pub mod id;
#[path = "../../host/src/origin.rs"]
pub mod origin;
#[path = "../../host/src/payload.rs"]
pub mod payload;
#[path = "../../host/src/settings/mod.rs"]
pub mod settings;
#[path = "../../host/src/trace.rs"]
pub mod trace;
#[path = "../../host/src/websocket/mod.rs"]
pub mod websocket;

#[cfg(feature = "engine")]
pub mod engine;
pub mod targets;
pub mod upgrade;
