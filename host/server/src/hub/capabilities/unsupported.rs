//! What the interface of plugins has and this version of the gateway does not carry out: refused, counted, and told to the
//! plugin where it has a key.

use super::{Carried, CarryOut, Key};
use crate::hub::step::Step;
use tengen_core::{
    capability::unsupported::{Ask, Fetch, Other, Put},
    effect::Kind,
    handler::Work,
};
use tengen_wire::fault::{Fault, FaultId};

impl CarryOut for Ask {
    fn carry_out(self, _: &mut Step<'_>, _: u32, _: &mut Work) -> (Key, Carried) {
        (Key::Text(Some(self.key)), not_offered(Kind::Ask.word()))
    }
}

impl CarryOut for Put {
    fn carry_out(self, _: &mut Step<'_>, _: u32, _: &mut Work) -> (Key, Carried) {
        (Key::Text(Some(self.key)), not_offered(Kind::Put.word()))
    }
}

impl CarryOut for Fetch {
    fn carry_out(self, _: &mut Step<'_>, _: u32, _: &mut Work) -> (Key, Carried) {
        (Key::Text(Some(self.key)), not_offered(Kind::Fetch.word()))
    }
}

impl CarryOut for Other {
    fn carry_out(self, _: &mut Step<'_>, _: u32, _: &mut Work) -> (Key, Carried) {
        (Key::Text(None), not_offered(&self.name))
    }
}

fn not_offered(what: &str) -> Carried {
    let message = format!("this version of the gateway does not offer {what}");
    Err(Fault::new(FaultId::Unsupported, message))
}
