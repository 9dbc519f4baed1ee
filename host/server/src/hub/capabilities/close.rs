//! Closing connections.

use super::{Carried, CarryOut, Fate};
use crate::hub::step::Step;
use tengen_core::{capability::close::Close, handler::Work};
use tengen_wire::{
    close::{self, Reason},
    fault::{Fault, FaultId},
    id::Handle,
};

impl CarryOut for Close {
    fn carry_out(self, step: &mut Step<'_>, _: u32, _: &mut Work) -> Carried {
        let Self { connection, code, reason } = self;
        close(step, connection, code, reason)
    }
}

fn close(step: &Step<'_>, connection: Handle, code: u16, reason: String) -> Carried {
    let link = step.own(connection)?;
    if !close::plugin_may_close_with(code) || reason.len() > close::REASON_MAX {
        let message =
            "a plugin closes with 1000 or 3000 to 4999, and a reason of at most 123 bytes";
        return Err(Fault::new(FaultId::NotAllowed, message));
    }
    link.close(Reason::Plugin { code, reason });
    Ok(Fate::Done)
}
