//! One call of a guest: from the gateway's data to the interface's records, into the guest, and back.
//!
//! `instance` is a running guest, and calls it within an allowance; `generation` is the version that it is of, with what that
//! version said of itself. For a handler, `events` says a batch in the guest's encoding, and `numbering` which event is
//! which; what comes back is checked (`effects`), and the payloads in it are read (`contents`). What a guest says meanwhile is about `whose` event. `admission` is the same for
//! an authenticator's verdict.
//!
//! Nothing in here knows who calls, or when. After a call that broke, the instance is of no use; replacing it is the
//! caller's.

pub(crate) mod admission;
pub(crate) mod contents;
pub(crate) mod effects;
pub(crate) mod events;
pub(crate) mod generation;
pub(crate) mod instance;
pub(crate) mod numbering;
pub(crate) mod parts;
pub(crate) mod saved;
pub(crate) mod whose;

mod fuel;
mod patterns;
