//! Formats: bytes to values and back, and from one format to another without loss where the formats allow it.

use crate::{
    fault::Fault,
    payload::{Encoding, Payload},
};

/// The payload in another encoding; the same bytes when it is in that encoding already.
///
/// Err: `malformed` or `unsupported`, by wire.md's table "Values across formats".
pub fn transcode(payload: &Payload, to: Encoding) -> Result<Payload, Fault> {
    todo!("{payload:?} {to:?}")
}

pub mod json {
    use super::*;
    pub fn payload(value: &serde_json::Value) -> Payload { Payload::new(Encoding::Json, value.to_string()) }
}
