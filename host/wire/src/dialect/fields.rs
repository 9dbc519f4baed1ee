//! What clients say to the gateway itself, read from its map.

use crate::{
    fault::{Fault, FaultId},
    format::{
        Encoding, Format, Sight,
        walk::{Inside, Walk as _},
    },
    payload::{Payload, transcode},
};
use bytes::Bytes;

/// The values of a map under these names, as they mean the same alone; those that are nil, or not there, are none. None at
/// all: it is no map, or says one of them twice.
pub(super) fn fields<F: Format, const N: usize>(
    map: &Payload,
    names: [&str; N],
) -> Option<[Option<Bytes>; N]> {
    let mut found = [const { None }; N];
    let mut walk = F::walk(&map.body).ok()?;
    if !walk.enter(Inside::Map).ok()? {
        return None;
    }
    let mut first = true;
    while walk.more(Inside::Map, first).ok()? {
        first = false;
        let key = match walk.name().ok()? {
            Some(name) => Some(name),
            None => walk.string().ok()?,
        };
        if key.is_none() {
            walk.skip().ok()?;
        }
        walk.to_value().ok()?;
        let span = walk.skip().ok()?;
        let place = key.and_then(|key| names.iter().position(|name| *name == key));
        let Some(slot) = place.and_then(|place| found.get_mut(place)) else { continue };
        let value = walk.apart().map_or_else(|| map.body.slice(span), Bytes::from);
        if slot.replace(value).is_some() {
            return None;
        }
    }
    walk.end().ok()?;
    for value in &mut found {
        value.take_if(|value| F::sight(value) == Sight::Nil);
    }
    Some(found)
}

/// What is published, or nil.
pub(super) fn value<F: Format>(data: Option<Bytes>) -> Payload {
    data.map_or_else(|| Payload::nil(F::ENCODING), |data| Payload::checked(F::ENCODING, data))
}

pub(super) fn text<F: Format>(value: &Bytes) -> Option<String> {
    F::walk(value).ok()?.string().ok()?.map(Into::into)
}

/// A keyword's name, in formats that have some.
pub(super) fn keyword<F: Format>(value: &Bytes) -> Option<String> {
    F::walk(value).ok()?.name().ok()?.map(Into::into)
}

pub(super) fn truth<F: Format>(name: &str, value: Option<&Bytes>) -> Result<Option<bool>, Fault> {
    let Some(value) = value else { return Ok(None) };
    let json = transcode(&Payload::checked(F::ENCODING, value.clone()), Encoding::Json);
    match json.as_ref().map(|json| &*json.body) {
        Ok(b"true") => Ok(Some(true)),
        Ok(b"false") => Ok(Some(false)),
        _ => Err(Fault::new(FaultId::Malformed, format!("`{name}` must be true or false"))),
    }
}
