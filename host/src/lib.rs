//! Tengen: a programmable real-time gateway.
//!
//! Connections come in over WebSocket; what they mean is decided by WebAssembly components. The modules stand in
//! reading order, which is also the order of the layers: imports go down only (`tests/all/layers.rs` holds this).

// What goes over a connection, in a crate of its own: see there.
pub use tengen_wire::{close, codec, envelope, fault, id, payload, websocket};

// Words: what the gateway talks about.
pub mod authenticator;
pub mod budget;
pub mod effect;
pub mod event;
pub mod handler;
pub mod origin;
pub mod settings;
pub mod sink;
pub mod trace;

// Pure: rules without IO, clock or runtime.
pub mod channels;
pub mod heartbeat;
pub mod often;
pub mod outbox;
pub mod pace;
pub mod rate;
pub mod routes;

// Engines: wasmtime lives in `plugin`, OpenTelemetry in `telemetry`, and nowhere else.
pub mod file;
pub mod plugin;
pub mod telemetry;

// Tasks: one peer, many peers.
pub mod connection;
pub mod hub;
pub mod listener;
pub mod requests;
pub mod router;
pub mod upgrade;

// Wiring.
pub mod admin;
pub mod cli;
pub mod config;
pub mod gateway;
