//! Outcomes of every shape, already read from a guest's memory.

use super::{is_bounded, settings};
use arbitrary::{Result, Unstructured};
use tengen_engine::fuzzing::{take, wit};

/// How many events the batch has that outcomes are checked for; their places are 0, 1 and 2.
const EVENTS: u32 = 3;

pub fn effects(data: &[u8]) {
    let Ok(wanted) = outcome(&mut Unstructured::new(data)) else { return };
    let named: Vec<u32> = wanted.effects.iter().map(|caused| caused.by).collect();
    let taken = take(wanted, &settings());
    is_bounded(&taken, EVENTS, &settings());
    let strangers = named.iter().filter(|by| **by >= EVENTS).count();
    assert!(taken.refused.iter().filter(|by| by.is_none()).count() >= strangers);
    let all = taken.outcome.effects.len() + taken.refused.len();
    assert!(all <= named.len() + taken.outcome.failures.len() + 1024, "effects came from nowhere");
}

fn outcome(u: &mut Unstructured<'_>) -> Result<wit::Outcome> {
    Ok(wit::Outcome { effects: list(u, caused)?, failures: list(u, failure)? })
}

fn list<T>(
    u: &mut Unstructured<'_>,
    item: fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let mut items = Vec::new();
    while !u.is_empty() && u.ratio(7, 8)? {
        items.push(item(u)?);
    }
    Ok(items)
}

fn caused(u: &mut Unstructured<'_>) -> Result<wit::Caused> {
    Ok(wit::Caused { by: u.int_in_range(0..=4)?, what: effect(u)? })
}

fn failure(u: &mut Unstructured<'_>) -> Result<wit::Failure> {
    Ok(wit::Failure { by: u.int_in_range(0..=4)?, why: fault(u)?, close: u.arbitrary()? })
}

fn fault(u: &mut Unstructured<'_>) -> Result<wit::FaultResult> {
    let id = if u.arbitrary()? { "timeout".into() } else { u.arbitrary()? };
    Ok(wit::FaultResult { id, message: u.arbitrary()?, retry_after_ms: u.arbitrary()? })
}

/// Mostly one that would do.
fn id(u: &mut Unstructured<'_>) -> Result<String> {
    Ok(match u.int_in_range(0..=3)? {
        0 => u.arbitrary()?,
        1 => format!("tengen/{}", u.arbitrary::<String>()?),
        _ => "chat/said".into(),
    })
}

fn content(u: &mut Unstructured<'_>) -> Result<wit::Content> {
    if u.arbitrary()? {
        return Ok(wit::Content::OfEvent(u.int_in_range(0..=4)?));
    }
    let encoding =
        *u.choose(&[wit::Encoding::Json, wit::Encoding::Text, wit::Encoding::Msgpack])?;
    Ok(wit::Content::Payload(wit::PayloadResult { encoding, body: bytes(u)? }))
}

/// Sometimes more than an event may cause, which no input is long enough for.
fn bytes(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    match u.int_in_range(0..=7)? {
        0 => Ok(vec![b' '; u.int_in_range(1000..=5000)?]),
        _ => u.arbitrary(),
    }
}

fn target(u: &mut Unstructured<'_>) -> Result<wit::Target> {
    Ok(match u.int_in_range(0..=5)? {
        0 => wit::Target::Connection(u.arbitrary()?),
        1 => wit::Target::Connections(u.arbitrary()?),
        2 => wit::Target::User(u.arbitrary()?),
        3 => wit::Target::Users(u.arbitrary()?),
        4 => wit::Target::Channel(u.arbitrary()?),
        _ => wit::Target::Endpoint,
    })
}

fn membership(u: &mut Unstructured<'_>) -> Result<wit::Membership> {
    Ok(wit::Membership { connection: u.arbitrary()?, channel: u.arbitrary()? })
}

fn effect(u: &mut Unstructured<'_>) -> Result<wit::Effect> {
    Ok(match u.int_in_range(0..=11)? {
        0 => wit::Effect::Reply(wit::Reply {
            reply_to: u.arbitrary()?,
            value: if u.arbitrary()? { Ok(content(u)?) } else { Err(fault(u)?) },
        }),
        1 => wit::Effect::Push(wit::Push {
            to: target(u)?,
            except: u.arbitrary()?,
            id: id(u)?,
            content: content(u)?,
            key: u.arbitrary()?,
        }),
        2 => wit::Effect::Publish(wit::Publish {
            channel: u.arbitrary()?,
            id: id(u)?,
            content: content(u)?,
            except: u.arbitrary()?,
            keep: u.arbitrary()?,
            key: u.arbitrary()?,
        }),
        3 => wit::Effect::Ask(wit::Ask {
            connection: u.arbitrary()?,
            key: u.arbitrary()?,
            id: id(u)?,
            content: content(u)?,
            timeout_ms: u.arbitrary()?,
        }),
        4 => wit::Effect::Subscribe(membership(u)?),
        5 => wit::Effect::Unsubscribe(membership(u)?),
        6 => wit::Effect::Close(wit::Close {
            connection: u.arbitrary()?,
            code: u.arbitrary()?,
            reason: u.arbitrary()?,
        }),
        7 => wit::Effect::SetTimer(wit::Timer {
            connection: u.arbitrary()?,
            key: u.arbitrary()?,
            after_ms: u.arbitrary()?,
        }),
        8 => wit::Effect::CancelTimer(u.arbitrary()?),
        9 => wit::Effect::Put(wit::Put {
            bucket: u.arbitrary()?,
            key: u.arbitrary()?,
            value: u.arbitrary()?,
            only_if_version: u.arbitrary()?,
        }),
        10 => wit::Effect::Fetch(wit::Request {
            key: u.arbitrary()?,
            method: u.arbitrary()?,
            url: u.arbitrary()?,
            headers: Vec::new(),
            body: bytes(u)?,
            timeout_ms: u.arbitrary()?,
        }),
        _ => wit::Effect::Other((u.arbitrary()?, bytes(u)?)),
    })
}
