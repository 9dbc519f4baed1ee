//! Values by key, put into buckets: the grant is `kv`.

use super::{Carried, CarryOut, Fate};
use crate::hub::step::Step;
use tengen_core::{capability::key_value::Put, handler::Work, store::Refusal};
use tengen_wire::fault::{Fault, FaultId};

impl CarryOut for Put {
    /// What it changes is there for everybody from here on; when it is on the disk, is the store's business.
    fn carry_out(self, step: &mut Step<'_>, _: u32, _: &mut Work) -> Carried {
        if !step.rights.get().grants.may_keep(&self.bucket) {
            let message = format!("the plugin was not granted the bucket `{}`", self.bucket);
            return Err(Fault::new(FaultId::NotAllowed, message));
        }
        let Some(store) = &step.hub.store else {
            return Err(Fault::new(FaultId::Unsupported, "this gateway keeps nothing by key"));
        };
        store.write(self).map(|_| Fate::Done).map_err(Refusal::fault)
    }
}
