//! The targets that need no engine. Each takes any bytes; it panics where something does not hold.

mod config;
mod edn;
mod envelope;
mod json;
mod msgpack;
mod transcode;
mod transit;
mod websocket;

pub use config::config;
pub use edn::edn;
pub use envelope::envelope;
pub use json::json;
pub use msgpack::msgpack;
pub use transcode::transcode;
pub use transit::transit;
pub use websocket::websocket;

/// The first byte, to choose by, and the rest.
fn choice(data: &[u8]) -> Option<(usize, &[u8])> {
    data.split_first().map(|(first, rest)| (usize::from(*first), rest))
}

/// One of several, whatever the number.
pub(crate) fn one_of<T: Copy, const N: usize>(all: [T; N], choice: usize) -> T {
    *all.get(choice % N).expect("there is one")
}
