//! Frames in every dialect: taken or refused, answered so that the peer can read it, and the same when said again.

use super::choice;
use tengen_wire::{
    dialect::{
        Arrived, Dialect, Inbound, Malformed, Publication, Wire, decode, error, pong, publication,
        push, reply,
    },
    fault::FaultId,
    format::{self, edn, error::Problem, msgpack, transit, value::Value},
    id::{Channel, EVENT_ID_MAX},
    payload::{Encoding, Frame},
};

pub fn envelope(data: &[u8]) {
    let Some((first, body)) = choice(data) else { return };
    let wire = super::one_of(Wire::ALL, first);
    let frame = Frame { text: first & 0x80 == 0, body: body.to_vec().into() };
    match decode(wire, &frame) {
        Ok(Inbound::Event(arrived)) => taken(wire, &frame, &arrived),
        Ok(Inbound::Ping(callback)) => {
            let answer = pong(wire, callback.as_ref());
            assert!(answer.is_some() || callback.is_none());
            let parts = if wire.dialect == Dialect::SenteLite { 1 } else { 2 };
            answer.iter().for_each(|answer| assert_eq!(elements(wire, answer), parts));
        }
        Ok(Inbound::Pong) => {}
        Err(refused) => self::refused(wire, &refused),
    }
}

fn taken(wire: Wire, frame: &Frame, arrived: &Arrived) {
    if wire.dialect == Dialect::Raw {
        return assert_eq!(arrived.payload.body, frame.body);
    }
    let text = wire.format != Encoding::Msgpack;
    assert_eq!(frame.text, text, "a frame of the wrong kind was taken");
    assert!((1..=EVENT_ID_MAX).contains(&arrived.id.len()));
    assert!(!arrived.id.starts_with("chsk/"), "the gateway's own namespace");
    let body = match wire.format {
        Encoding::Transit => said_in_transit(wire, arrived),
        _ if text => said(wire, arrived),
        _ => said_in_bytes(arrived),
    };
    let again = Frame { text, body: body.into() };
    let Ok(Inbound::Event(mut back)) = decode(wire, &again) else { panic!("{again:?}") };
    if wire.format == Encoding::Transit {
        // Its codes may be others; the target `transit` looks at what they mean.
        back.payload = arrived.payload.clone();
    }
    assert_eq!(&back, arrived);
    if let Some(callback) = &arrived.callback {
        let answer = reply(wire, &arrived.id, callback, &arrived.payload, None)
            .expect("it came in this format");
        assert_eq!(elements(wire, &answer), 2);
    }
    match push(wire, &arrived.id, &arrived.payload, None) {
        Ok(pushed) => assert_eq!(elements(wire, &pushed), 2),
        // What came in as a keyword is not always one that every client reads.
        Err(why) => assert_eq!((why.id, wire.format), (FaultId::Unsupported, Encoding::Edn)),
    }
    let channel = Channel::new(&*arrived.id);
    let what = Publication {
        channel: &channel,
        id: &arrived.id,
        content: &arrived.payload,
        offset: 7,
        prev: 6,
        from: None,
    };
    let published = publication(wire, &what, None).expect("an id that is no keyword is a string");
    assert_eq!(elements(wire, &published), 2);
}

/// The frame of a client that sends the same event.
fn said(wire: Wire, arrived: &Arrived) -> Vec<u8> {
    let json = wire.format == Encoding::Json;
    let (colon, comma, nil) = if json { ("", ",", "null") } else { (":", " ", "nil") };
    let id = if json { format::quoted(&arrived.id) } else { arrived.id.to_string() };
    let callback = arrived.callback.as_ref().map_or(nil.as_bytes(), |callback| &callback.0);
    let mut frame = format!("[[{colon}{id}{comma}").into_bytes();
    frame.extend_from_slice(&arrived.payload.body);
    frame.extend_from_slice(format!("]{comma}").as_bytes());
    frame.extend_from_slice(callback);
    let fields = [("traceparent", &arrived.traceparent), ("tracestate", &arrived.tracestate)];
    let fields = fields.into_iter().filter_map(|(name, text)| {
        let text = format::quoted(text.as_deref()?);
        Some(if json { format!("\"{name}\":{text}") } else { format!(":{name} {text}") })
    });
    let fields = fields.collect::<Vec<_>>().join(comma);
    if !fields.is_empty() {
        frame.extend_from_slice(format!("{comma}{{{fields}}}").as_bytes());
    }
    frame.push(b']');
    frame
}

/// The same in Transit, where the payload's codes count from the frame's beginning.
fn said_in_transit(wire: Wire, arrived: &Arrived) -> Vec<u8> {
    let pushed =
        push(wire, &arrived.id, &arrived.payload, None).expect("a keyword can be anything");
    let event = match wire.dialect {
        Dialect::SenteLite => Some(&pushed.body[..]),
        _ => pushed.body.strip_prefix(b"[[").and_then(|event| event.strip_suffix(b"],null]")),
    };
    let callback = arrived.callback.as_ref().map_or(&b"null"[..], |callback| &callback.0);
    let mut frame = [b"[", event.expect("a batch of one"), b",", callback].concat();
    let fields = [("traceparent", &arrived.traceparent), ("tracestate", &arrived.tracestate)];
    let fields = fields.into_iter().filter_map(|(name, text)| {
        let text = text.as_deref()?;
        let sign = if text.starts_with(['~', '^', '`']) { "~" } else { "" };
        Some(format!("\"~:{name}\":{}", format::quoted(&format!("{sign}{text}"))))
    });
    let fields = fields.collect::<Vec<_>>().join(",");
    if !fields.is_empty() {
        frame.extend_from_slice(format!(",{{{fields}}}").as_bytes());
    }
    frame.push(b']');
    frame
}

/// The same in MessagePack.
fn said_in_bytes(arrived: &Arrived) -> Vec<u8> {
    let string = |text: &str| {
        let length = u16::try_from(text.len()).expect("short").to_be_bytes();
        [&[0xda], &length[..], text.as_bytes()].concat()
    };
    let fields = [("traceparent", &arrived.traceparent), ("tracestate", &arrived.tracestate)];
    let fields: Vec<_> = fields
        .into_iter()
        .filter_map(|(name, text)| Some([string(name), string(text.as_deref()?)].concat()))
        .collect();
    let callback = arrived.callback.as_ref().map_or(&b"\xc0"[..], |callback| &callback.0);
    let meta = u8::try_from(fields.len()).expect("two");
    [
        &[0x93, 0x92],
        &string(&arrived.id)[..],
        &arrived.payload.body,
        callback,
        &[0x80 | meta],
        &fields.concat(),
    ]
    .concat()
}

fn refused(wire: Wire, refused: &Malformed) {
    let why = &refused.why;
    assert!(!why.message.is_empty() && why.message.len() < 1024, "{}", why.message);
    let frames = error(wire, why, refused.event.as_deref(), refused.callback.as_ref());
    assert!(!frames.is_empty(), "raw endpoints take every frame, and all others have errors");
    frames.iter().for_each(|frame| assert_eq!(elements(wire, frame), 2));
}

/// How many elements a frame has, by a reader that did not write it.
fn elements(wire: Wire, frame: &Frame) -> usize {
    assert_eq!(frame.text, wire.format != Encoding::Msgpack);
    if wire.format == Encoding::Msgpack {
        msgpack::check(&frame.body).expect("MessagePack");
        let first = frame.body.first().expect("there is one");
        return usize::from(first.checked_sub(0x90).expect("a short array"));
    }
    let text = std::str::from_utf8(&frame.body).expect("frames are text");
    match wire.format {
        Encoding::Json => match serde_json::from_str(text) {
            Ok(serde_json::Value::Array(items)) => items.len(),
            // The only texts of ours that others cannot hold: a number beyond the doubles, on its way through, and half a
            // character in a callback, which goes back as it came.
            Err(error) if error.to_string().starts_with("number out of range") => 2,
            Err(error) if error.to_string().contains("surrogate") => 2,
            Err(error) if error.to_string().starts_with("unexpected end of hex escape") => 2,
            other => panic!("{other:?}: {text}"),
        },
        Encoding::Transit => match transit::read(text) {
            Ok(Value::Vector(items)) => items.len(),
            // Only Transit can say it.
            Err(error) if matches!(error.problem, Problem::Foreign(_)) => 2,
            other => panic!("{other:?}: {text}"),
        },
        _ => match edn::read(text) {
            Ok(Value::Vector(items)) => items.len(),
            other => panic!("{other:?}: {text}"),
        },
    }
}
