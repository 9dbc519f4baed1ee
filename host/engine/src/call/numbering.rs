//! By which number a guest knows each event of a batch: those that cannot be said to it are left out of its list.

/// Which event of the whole batch each record of the guest's list is.
#[derive(Debug, Default)]
pub(crate) enum Numbering {
    /// All are said, in their order.
    #[default]
    Same,
    Some(Vec<u32>),
}

impl Numbering {
    /// The place in the whole batch of `record`; `events` is how many there are.
    pub(crate) fn of(&self, record: u32, events: usize) -> Option<u32> {
        let place = usize::try_from(record).ok()?;
        match self {
            Self::Same => (place < events).then_some(record),
            Self::Some(places) => places.get(place).copied(),
        }
    }
}
