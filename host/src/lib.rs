//! Tengen: a programmable real-time gateway.
//!
//! Connections come in over WebSocket; what they mean is decided by WebAssembly components. The modules stand in
//! reading order, which is also the order of the layers: imports go down only (`tests/all/layers.rs` holds this).

// Words: what the gateway talks about.
pub mod id;
pub mod payload;
pub mod fault;
pub mod close;
pub mod trace;
pub mod event;
pub mod effect;
pub mod handler;
pub mod authenticator;
pub mod sink;
pub mod settings;

// Pure: rules without IO, clock or runtime.
pub mod codec;
pub mod envelope;
pub mod outbox;
pub mod heartbeat;
pub mod channels;
pub mod routes;

// Engines: wasmtime lives in `plugin`, OpenTelemetry in `telemetry`, and nowhere else.
pub mod plugin;
pub mod telemetry;

// Tasks: one peer, many peers.
pub mod hub;
pub mod router;
pub mod connection;
pub mod upgrade;
pub mod listener;

// Wiring.
pub mod config;
pub mod gateway;
pub mod admin;
pub mod cli;
