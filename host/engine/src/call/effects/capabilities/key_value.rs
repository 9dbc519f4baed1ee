//! Values by key, put into buckets.

use super::Wish;
use crate::{
    call::effects::{Reader, words::named},
    guest::bindings::handling::types as wit,
};
use tengen_core::{
    capability::{Effect, Kind, key_value::Put},
    store::Expected,
};
use tengen_wire::fault::{Fault, FaultId};

impl Wish for wit::Put {
    const KIND: Kind = Kind::Put;

    fn size(&self) -> usize {
        let value = self.value.as_ref().map_or(0, Vec::len);
        self.bucket.len() + self.key.len() + value
    }

    fn read(self, _: &mut Reader<'_>, _: u32) -> Result<Effect, Fault> {
        Ok(Effect::Put(Put {
            bucket: named(self.bucket)?,
            key: named(self.key)?,
            value: self.value.map(Into::into),
            expected: self.compare.map(expected).transpose()?,
        }))
    }
}

fn expected(compare: wit::Expected) -> Result<Expected, Fault> {
    match compare {
        wit::Expected::Absent => Ok(Expected::Absent),
        wit::Expected::Version(text) => match version(&text) {
            Some(version) => Ok(Expected::Version(version)),
            None => {
                let why = "a version to compare with is one that was read";
                Err(Fault::new(FaultId::Malformed, why))
            }
        },
    }
}

/// A version, as it is told.
fn version(text: &str) -> Option<u64> {
    let version: u64 = text.parse().ok()?;
    (version > 0 && version.to_string() == text).then_some(version)
}
