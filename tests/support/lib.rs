//! What whole-gateway tests share: a gateway on a free port, clients, and an OTLP receiver.

pub mod client;
pub mod gateway;
