//! Words of guests: names, ids and faults, read and bounded.

use crate::{guest::bindings::handling::types as wit, text::plain};
use std::time::Duration;
use tengen_wire::{
    fault::{Fault, FaultId},
    id::{EventId, NAME_MAX, NAME_RULE, is_name},
};

/// The longest message of a fault that a plugin sends, in bytes.
const MESSAGE_MAX: usize = 1024;

pub(super) fn event_id(text: &str) -> Result<EventId, Fault> {
    let id = EventId::parse(text).ok_or_else(|| {
        Fault::new(
            FaultId::Malformed,
            format!("`{}` is no event id (`ns/name`)", plain(text, NAME_MAX)),
        )
    })?;
    if id.is_reserved() {
        return Err(Fault::new(
            FaultId::NotAllowed,
            format!("`{id}` lies in a namespace of the gateway"),
        ));
    }
    Ok(id)
}

/// A name of a channel, a user or a key: not empty, bounded, with nothing unseen.
pub(super) fn named(text: String) -> Result<String, Fault> {
    if !is_name(&text) {
        let message = format!("`{}` is no name: {NAME_RULE}", plain(&text, 64));
        return Err(Fault::new(FaultId::Malformed, message));
    }
    Ok(text)
}

pub(super) fn not_to_be_closed_with(code: u16) -> String {
    format!("a plugin may close with 1000 and 3000 to 4999, not with {code}")
}

pub(super) fn said(why: wit::FaultResult) -> Fault {
    fault(&why.id, &why.message, why.retry_after_ms)
}

/// A guest's fault: a word of the registry is one, any other id is the plugin's own.
pub(in crate::call) fn fault(id: &str, message: &str, retry_after_ms: Option<u32>) -> Fault {
    let message = plain(message, MESSAGE_MAX);
    let read = match FaultId::from_word(id) {
        Some(id) => Fault::new(id, message),
        None => Fault::application(plain(id, NAME_MAX), message),
    };
    Fault { retry_after: retry_after_ms.map(|ms| Duration::from_millis(ms.into())), ..read }
}

/// A plugin's own fault keeps its own id; the gateway's have the registry's word.
pub(super) fn told(fault: &Fault) -> wit::FaultParam<'_> {
    wit::FaultParam {
        id: fault.code.as_deref().unwrap_or(fault.id.word()),
        message: &fault.message,
        retry_after_ms: fault
            .retry_after
            .map(|wait| u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)),
    }
}

/// Why what a plugin wants beyond this version is not done; none where it wants nothing.
pub(super) fn unknown(more: &[wit::AttributeResult]) -> Option<Fault> {
    let first = more.first()?;
    let word = plain(&first.key, NAME_MAX);
    let message = format!("this version of the gateway does not know `{word}`");
    Some(Fault::new(FaultId::Unsupported, message))
}
