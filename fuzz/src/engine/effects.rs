//! Decisions of every shape, already read from a guest's memory.

use super::{is_bounded, settings};
use arbitrary::{Result, Unstructured};
use tengen_engine::fuzzing::{take, wit};

/// How many events the batch has that decisions are checked for.
const EVENTS: u32 = 3;

pub fn effects(data: &[u8]) {
    let mut u = Unstructured::new(data);
    let Ok(wanted) = (0..EVENTS).map(|_| decision(&mut u)).collect::<Result<Vec<_>>>() else {
        return;
    };
    let wishes: usize = wanted.iter().map(wishes).sum();
    let taken = take(wanted, &settings());
    is_bounded(&taken, EVENTS, &settings());
    let all = taken.outcome.effects.len() + taken.outcome.later.len() + taken.refused.len();
    assert!(all <= wishes + EVENTS as usize, "effects came from nowhere");
}

/// Effects, answers, and what can be refused beside them.
fn wishes(decision: &wit::Decision) -> usize {
    match decision {
        wit::Decision::Done(done) => done.effects.len() + 2,
        wit::Decision::Failed(_) => 2,
    }
}

fn decision(u: &mut Unstructured<'_>) -> Result<wit::Decision> {
    Ok(match u.ratio(3, 4)? {
        true => wit::Decision::Done(wit::Done {
            answer: answer(u)?,
            effects: list(u, effect)?,
            more: more(u)?,
        }),
        false => wit::Decision::Failed(wit::Failed {
            why: fault(u)?,
            close: u.arbitrary()?,
            more: more(u)?,
        }),
    })
}

fn answer(u: &mut Unstructured<'_>) -> Result<wit::Answer> {
    Ok(match u.int_in_range(0..=3)? {
        0 => wit::Answer::Nothing,
        1 => wit::Answer::Later,
        2 => wit::Answer::Given(content(u)?),
        _ => wit::Answer::Fault(fault(u)?),
    })
}

/// Mostly nothing.
fn more(u: &mut Unstructured<'_>) -> Result<Vec<wit::AttributeResult>> {
    if u.ratio(7, 8)? {
        return Ok(Vec::new());
    }
    Ok(vec![wit::AttributeResult { key: u.arbitrary()?, value: u.arbitrary()? }])
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

fn effect(u: &mut Unstructured<'_>) -> Result<wit::Effect> {
    Ok(wit::Effect { what: action(u)?, key: u.arbitrary()?, more: more(u)? })
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
    let body = match u.arbitrary()? {
        true => wit::BodyResult::Text(u.arbitrary()?),
        false => wit::BodyResult::Bytes(bytes(u)?),
    };
    Ok(wit::Content::Payload(wit::PayloadResult { encoding, body }))
}

/// Sometimes more than an event may cause, which no input is long enough for.
fn bytes(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    match u.int_in_range(0..=7)? {
        0 => Ok(vec![b' '; u.int_in_range(1000..=5000)?]),
        _ => u.arbitrary(),
    }
}

fn target(u: &mut Unstructured<'_>) -> Result<wit::Target> {
    Ok(match u.int_in_range(0..=6)? {
        0 => wit::Target::Connection(u.arbitrary()?),
        1 => wit::Target::Connections(u.arbitrary()?),
        2 => wit::Target::User(u.arbitrary()?),
        3 => wit::Target::Users(u.arbitrary()?),
        4 => wit::Target::Channel(u.arbitrary()?),
        5 => wit::Target::Tagged(u.arbitrary()?),
        _ => wit::Target::Endpoint(u.arbitrary()?),
    })
}

fn membership(u: &mut Unstructured<'_>) -> Result<wit::Membership> {
    Ok(wit::Membership { connection: u.arbitrary()?, channel: u.arbitrary()? })
}

fn action(u: &mut Unstructured<'_>) -> Result<wit::Action> {
    Ok(match u.int_in_range(0..=12)? {
        0 => wit::Action::Reply(wit::Reply {
            reply_to: u.arbitrary()?,
            value: if u.arbitrary()? { Ok(content(u)?) } else { Err(fault(u)?) },
        }),
        1 => wit::Action::Push(wit::Push {
            to: target(u)?,
            exclude: u.arbitrary()?,
            id: id(u)?,
            content: content(u)?,
        }),
        2 => wit::Action::Publish(wit::Publish {
            channel: u.arbitrary()?,
            id: id(u)?,
            content: content(u)?,
            exclude: u.arbitrary()?,
            keep: u.arbitrary()?,
        }),
        3 => wit::Action::Subscribe(membership(u)?),
        4 => wit::Action::Unsubscribe(membership(u)?),
        5 => wit::Action::Close(wit::Close {
            connection: u.arbitrary()?,
            code: u.arbitrary()?,
            reason: u.arbitrary()?,
        }),
        6 => wit::Action::SetTimer(wit::Timer {
            connection: u.arbitrary()?,
            key: u.arbitrary()?,
            after_ms: u.arbitrary()?,
        }),
        7 => wit::Action::CancelTimer(wit::TimerName {
            connection: u.arbitrary()?,
            key: u.arbitrary()?,
        }),
        8 => wit::Action::Fetch(wit::Fetching { name: u.arbitrary()?, request: request(u)? }),
        9 => wit::Action::Put(wit::Put {
            bucket: u.arbitrary()?,
            key: u.arbitrary()?,
            value: if u.arbitrary()? { Some(bytes(u)?) } else { None },
            compare: expected(u)?,
        }),
        10 => wit::Action::Ask(wit::Asking {
            connection: u.arbitrary()?,
            name: u.arbitrary()?,
            id: id(u)?,
            content: content(u)?,
            timeout_ms: u.arbitrary()?,
        }),
        11 => wit::Action::SetData(wit::DataChange {
            connection: u.arbitrary()?,
            set: list(u, |u| {
                Ok(wit::AttributeResult { key: u.arbitrary()?, value: u.arbitrary()? })
            })?,
            unset: u.arbitrary()?,
            tag: u.arbitrary()?,
            untag: u.arbitrary()?,
        }),
        _ => wit::Action::Other((u.arbitrary()?, bytes(u)?)),
    })
}

fn expected(u: &mut Unstructured<'_>) -> Result<Option<wit::Expected>> {
    Ok(match u.int_in_range(0..=2)? {
        0 => None,
        1 => Some(wit::Expected::Absent),
        _ => Some(wit::Expected::Version(u.arbitrary()?)),
    })
}

fn request(u: &mut Unstructured<'_>) -> Result<wit::Request> {
    let body = match u.int_in_range(0..=2)? {
        0 => None,
        1 => Some(wit::BodyResult::Text(u.arbitrary()?)),
        _ => Some(wit::BodyResult::Bytes(bytes(u)?)),
    };
    Ok(wit::Request {
        method: u.arbitrary()?,
        url: u.arbitrary()?,
        headers: u.arbitrary()?,
        body,
        timeout_ms: u.arbitrary()?,
        more: Vec::new(),
    })
}
