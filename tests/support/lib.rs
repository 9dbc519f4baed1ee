//! What the tests share: a gateway on a free port, clients, a browser to drive, and the repository's files.

pub mod browser;
pub mod client;
pub mod gateway;
pub mod repository;
pub mod skip;
