//! What a frame's callback is called on the transport that it came by.

use crate::transport::Carrier;
use tengen_wire::dialect::{Inbound, Malformed};

/// Asks the transport for the callback of what was read, whatever that is.
pub(super) fn name<C: Carrier>(carrier: &mut C, read: &mut Result<Inbound, Box<Malformed>>) {
    let mut none = None;
    let callback = match read {
        Ok(Inbound::Event(arrived)) => &mut arrived.callback,
        Ok(Inbound::Ping(callback)) => callback,
        Ok(Inbound::Pong) => &mut none,
        Err(malformed) => &mut malformed.callback,
    };
    *callback = carrier.callback(callback.take());
}
