//! Values by key, put into buckets.

use super::Wish;
use crate::{
    call::effects::{Reader, words::named},
    guest::bindings::handling::types as wit,
};
use tengen_core::{
    capability::{Effect, Kind, key_value::Put},
    store::{Expected, VERSION_MAX},
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
        wit::Expected::Version(version) => match whole(version) {
            Some(version) => Ok(Expected::Version(version)),
            None => Err(Fault::new(
                FaultId::Malformed,
                "a version to compare with is a whole number from 1, as it was read",
            )),
        },
    }
}

/// A version, which no guest's number can hold otherwise.
fn whole(number: f64) -> Option<u64> {
    let is_one = number.fract() == 0.0 && (1.0..=VERSION_MAX as f64).contains(&number);
    is_one.then_some(number as u64)
}
