//! Every test that looks at more than one module.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test fails by panicking, and says what it measured"
)]

mod asks;
mod browser;
mod bursts;
mod channels;
mod client_channels;
mod client_signals;
mod clocks;
mod configuration;
mod conformance;
mod conversion;
mod csrf;
mod data;
mod demo;
mod directory;
mod docs;
mod effects;
mod errors;
mod event_stream;
mod fetch;
mod files;
mod grafana;
mod hostile_guests;
mod hostile_peers;
mod identity;
mod instances;
mod interop;
mod kv;
mod languages;
mod late;
mod layers;
mod metrics;
mod msgpack;
mod one_room;
mod operations;
mod otlp;
mod page;
mod page_telemetry;
mod plugin;
mod protocol;
mod proxies;
mod python;
mod recovery;
mod reload;
mod roles;
mod security;
mod sente;
mod sente_ajax;
mod sente_lite;
mod sinks;
mod telemetry;
mod timers;
mod trace;
mod transit;
mod tree;
mod watching;
mod wit;
mod wit_names;
