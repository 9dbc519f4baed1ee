//! The gateway: connections, the hub they meet in, the routes of their events, and who lets them in.
//!
//! The modules stand in the order of their layers: imports go down only (`tests/all/layers.rs` holds it).

// Channels, whoever is in them.
mod channels;

// Tasks: one peer, many peers.
pub mod connection;
pub mod hub;
pub mod listener;
pub mod metrics;
pub mod requests;
pub mod router;
pub mod transport;
pub mod upgrade;

// Wiring.
pub mod admin;
pub mod gateway;
pub mod tryout;
