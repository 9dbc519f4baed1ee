//! Outgoing requests: the one gate between plugins and other people's servers.
//!
//! A request goes through these modules in their order, and every decision about where it may go is made in two of them:
//!
//! - `target` reads the URL as browsers do, so that a host has one spelling from here on.
//! - `gate` holds it against the grant, and later each address that its name stands for.
//! - `headers` refuses what would say how the bytes travel instead of what they are.
//! - `places` counts who has how many requests under way.
//! - `connect` is the only place that opens a socket: to an address that the gate has just let through, never to a name.
//!   Addresses written into the URL go the same way. So a name that means another address a moment later gains nothing.
//! - `exchange` sends the request and reads the answer on that connection, within bounds, and closes it.
//!
//! Nothing is followed (a redirect is an answer like others), kept (no cookies, no connections) or taken from the environment
//! (no proxies).

mod client;
mod connect;
mod exchange;
mod gate;
mod headers;
mod places;
mod resolver;
mod target;
mod tls;
mod unpack;

#[cfg(test)]
mod tests;

pub use client::Client;
pub use resolver::{Resolve, System};
pub use tls::Roots;
