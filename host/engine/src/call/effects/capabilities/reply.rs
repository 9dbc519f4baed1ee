//! Answers to messages.

use super::{Wish, content_size};
use crate::{
    call::effects::{Reader, words::said},
    guest::bindings::handling::types as wit,
};
use tengen_core::capability::{Effect, Kind, reply::Reply};
use tengen_wire::fault::{Fault, FaultId};

impl Wish for wit::Reply {
    const KIND: Kind = Kind::Reply;

    fn size(&self) -> usize {
        self.value.as_ref().map_or_else(|why| why.message.len(), content_size)
    }

    /// The caller is told in any case: of a reply that cannot be sent, that the plugin failed.
    fn read(self, reader: &mut Reader<'_>, by: u32) -> Result<Effect, Fault> {
        let value = match self.value {
            Ok(content) => reader.content(content).map_err(|why| {
                reader.refuse(by, Kind::Reply, None, why);
                Fault::new(FaultId::PluginFailed, "the plugin answered with what it does not have")
            }),
            Err(why) => Err(said(why)),
        };
        Ok(Effect::Reply(Reply { reply_to: self.reply_to, value }))
    }
}
