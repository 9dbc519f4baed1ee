//! What plugins keep with connections: attributes by name, and tags.

use super::Wish;
use crate::{
    call::effects::{Reader, words::named},
    guest::bindings::handling::types as wit,
};
use tengen_core::capability::{
    Effect, Kind,
    data::{Change, SetData},
};
use tengen_wire::{
    fault::Fault,
    id::{Handle, Tag},
};

impl Wish for wit::DataChange {
    const KIND: Kind = Kind::SetData;

    /// Each name is looked for, however short it is.
    fn size(&self) -> usize {
        let pairs = self.set.iter().map(|it| it.key.len() + it.value.len());
        let names = self.unset.iter().chain(&self.tag).chain(&self.untag).map(String::len);
        pairs.chain(names).map(|bytes| bytes + size_of::<String>()).sum()
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Fault> {
        let Self { connection, set, unset, tag, untag } = self;
        let set = set.into_iter().map(|it| Ok((named(it.key)?, it.value)));
        let tags = |tags: Vec<String>| tags.into_iter().map(|tag| named(tag).map(Tag::new));
        let change = Change {
            set: set.collect::<Result<_, _>>()?,
            unset: unset.into_iter().map(named).collect::<Result<_, _>>()?,
            tag: tags(tag).collect::<Result<_, _>>()?,
            untag: tags(untag).collect::<Result<_, _>>()?,
        };
        Ok(Effect::SetData(SetData { connection: Handle(connection), change }))
    }
}
