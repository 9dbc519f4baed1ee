//! What the parts of Tengen have agreed on, and the rules that need neither IO nor a clock: time comes in as an argument.
//!
//! The contracts first, then the state machines.

pub mod authenticator;
pub mod broker;
pub mod budget;
pub mod capability;
pub mod directory;
pub mod effect;
pub mod event;
pub mod handler;
pub mod intake;
pub mod outgoing;
pub mod sink;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trace;

pub mod allowance;
pub mod asks;
pub mod count;
pub mod heartbeat;
pub mod meter;
pub mod news;
pub mod occupancy;
pub mod often;
pub mod outbox;
pub mod pace;
pub mod rate;
pub mod roster;
pub mod routes;
pub mod rules;
pub mod security;
pub mod timers;
