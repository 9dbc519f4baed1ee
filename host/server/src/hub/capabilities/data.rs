//! What plugins keep with connections, and by which they find them again: no grant, for they are the plugin's own.

use super::{Carried, CarryOut, Fate};
use crate::hub::{budget, step::Step};
use tengen_core::{capability::data::SetData, handler::Work};

impl CarryOut for SetData {
    fn carry_out(self, step: &mut Step<'_>, _: u32, _: &mut Work) -> Carried {
        let Self { connection, change } = self;
        let link = step.own(connection)?;
        step.spend(budget::looking_up(change.len()));
        step.hub.change_data(&link, step.plugin, change).map(|()| Fate::Done)
    }
}
