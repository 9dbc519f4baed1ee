//! What the tests share: a gateway, clients and components, receivers, a browser to drive, the repository's files.

pub mod browser;
pub mod client;
pub mod events;
pub mod frames;
pub mod gateway;
pub mod guests;
pub mod heap;
pub mod node;
pub mod openmetrics;
pub mod otlp;
pub mod pages;
pub mod peer;
pub mod process;
pub mod proxy;
pub mod python;
pub mod repository;
pub mod skip;
pub mod tokens;
