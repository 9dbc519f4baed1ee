//! Kinds of later versions of the interface: refused, counted, and told to the plugin where it has a key.

use super::{Carried, CarryOut};
use crate::hub::step::Step;
use tengen_core::{capability::unsupported::Other, handler::Work};
use tengen_wire::fault::{Fault, FaultId};

impl CarryOut for Other {
    fn carry_out(self, _: &mut Step<'_>, _: u32, _: &mut Work) -> Carried {
        let message = format!("this version of the gateway does not offer {}", self.name);
        Err(Fault::new(FaultId::Unsupported, message))
    }
}
