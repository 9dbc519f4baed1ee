//! What a frame's callback is called on the transport that it came by.

use crate::transport::Carrier;
use tengen_wire::dialect::{Inbound, Malformed};

/// Asks the transport for the callback of what was read, whatever that is.
pub(super) fn name<C: Carrier>(carrier: &mut C, read: &mut Result<Inbound, Box<Malformed>>) {
    if let Err(malformed) = read {
        malformed.callback = carrier.callback_of_unread(malformed.callback.take());
        return;
    }
    let mut none = None;
    let callback = match read {
        Ok(Inbound::Event(arrived)) => &mut arrived.callback,
        Ok(Inbound::Ping(callback)) => callback,
        Ok(Inbound::Pong) | Err(_) => &mut none,
    };
    *callback = carrier.callback(callback.take());
}
