//! Checked settings: what the gateway runs on. `config` reads them from a file; nothing past it checks them again.
//!
//! `schema` says how keys are declared. On it stands a module for each part, with its keys; `settings` puts all of them
//! together, and `config` on top reads files. None of them needs one that needs it; a test holds that
//! (`tests/all/layers/circles.rs`).

pub mod address;
mod channels;
pub mod config;
mod endpoint;
pub mod file;
mod filter;
mod hosts;
mod instances;
mod limits;
pub mod origin;
mod plugins;
mod preset;
mod schema;
mod server;
mod settings;
mod sink;
mod store;
mod telemetry;

pub use crate::origin::{Origin, Origins};
pub use channels::{ChannelName, ChannelRule, Named, Who};
pub use endpoint::{ClientSignals, Csrf, CsrfToken, Endpoint, Traceparent};
pub use filter::{Filter, LimitBy, Names, check_level, id_levels_of};
pub use hosts::{Host, HostName};
pub use instances::Instances;
pub use limits::{Limits, Memory, Outbox, Rate, WhenFull};
pub use plugins::{
    Affinity, Directory, Grants, HANDLERS_MAX, Mode, OnFailure, Pattern, Plugin, RequestLimits,
    Route, StateKeeping, USUAL_MEMORY,
};
pub use preset::Preset;
pub use server::{Admin, Cache, Drain, Heartbeat, Secret, Server, Static};
pub use settings::Settings;
pub use sink::{Files, Format, FullSink, Per, Rotation, Rule, Sink, SinkKind, Spill};
pub use store::Store;
pub use telemetry::{Otlp, Protocol, SpanSpill, Telemetry};
