//! What a guest has around it: the interface that it is built against, and what it may import.
//!
//! Each instance has a store of its own, and in it a `Data`: its limits, its grants, its time, and what it says. `bindings`
//! is the interface. The guest's calls of it arrive in `imports`, which hands what is said to `signals`, or in `key_value` and `directory`; what it prints
//! arrives in `console`; `outgoing` has an authenticator wait for somebody else's server. The imports of WASI are wasmtime-wasi's, but for what they would tell or cost: time is coarse
//! (`clocks`), what it is answered can be given again (`tape`, `chance`), and nobody waits for a pipe (`pipes`, `beneath`). `stopwatch` counts how long a call computes, by the `ticks` of the
//! engine's clock.
//!
//! Nothing in here calls a guest, and nothing knows how a component is compiled.

#[expect(unreachable_pub, reason = "generated code is as its generator writes it")]
pub(crate) mod bindings;
pub(crate) mod console;
pub(crate) mod data;
pub(crate) mod patience;
pub(crate) mod pipes;
pub(crate) mod signals;
pub(crate) mod stopwatch;
pub(crate) mod tape;
pub(crate) mod ticks;

mod beneath;
mod chance;
mod clocks;
mod directory;
mod imports;
mod key_value;
mod outgoing;
