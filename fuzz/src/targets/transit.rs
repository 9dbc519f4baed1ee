//! Transit: what was read comes back from its own text and from EDN, and a frame changes nothing of it.

use tengen_wire::{
    dialect::{Dialect, Inbound, Wire, decode, push},
    fault::FaultId,
    format::{
        error::Problem,
        transit::{check, read, write},
        value::Value,
    },
    id::EventId,
    payload::{Encoding, Frame, Payload, transcode},
};

const WIRE: Wire = Wire { dialect: Dialect::Tengen, format: Encoding::Transit };

pub fn transit(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let span = match check(text) {
        Ok(span) => span,
        Err(error) => {
            assert_eq!(read(text), Err(error.clone()), "checking and reading differ");
            return assert!(error.at <= text.len(), "{error}");
        }
    };
    let alone = text.get(span).expect("the value stands between characters");
    // A frame holds what only Transit can say, and what codes make too long for the others.
    framed(alone);
    let value = match read(text) {
        Ok(value) => value,
        Err(error) => return assert!(matches!(error.problem, Problem::Foreign(_)), "{error}"),
    };
    let said = same(alone, &value);
    let mut written = String::new();
    match write(&mut written, &value) {
        Ok(()) => assert_eq!(same(&written, &value), said),
        Err(why) => panic!("what was read cannot be written: {why}"),
    }
    let payload = Payload::new(Encoding::Transit, written);
    match transcode(&payload, Encoding::Edn) {
        Ok(edn) => {
            let back = transcode(&edn, Encoding::Transit).expect("it came from there");
            let back = std::str::from_utf8(&back.body).expect("Transit is text");
            same(back, &value);
        }
        // A name that EDN does not have.
        Err(why) => assert_eq!(why.id, FaultId::Unsupported, "{why:?}"),
    }
}

/// As debug text, because NaN is not equal to itself.
fn same(text: &str, value: &Value<'_>) -> String {
    let back = read(text).expect("the value alone, or written, reads again");
    let said = format!("{back:?}");
    assert_eq!(said, format!("{value:?}"), "{text}");
    said
}

/// Pushed to a client that sends it back.
fn framed(alone: &str) {
    let id = EventId::from("some/event");
    let payload = Payload::new(Encoding::Transit, alone.to_owned());
    let pushed = push(WIRE, &id, &payload, None).expect("it is well formed");
    assert!(pushed.body.len() <= 3 * alone.len() + 64, "three times as long at most");
    let body = pushed.body.slice(1..);
    // The first event of the batch is an event that a client sends.
    let Some(event) = body.strip_suffix(b"],null]") else { panic!("{pushed:?}") };
    let frame = [event, b",null]"].concat();
    let again = decode(WIRE, &Frame { text: true, body: frame.into() });
    let Ok(Inbound::Event(arrived)) = again else { panic!("{again:?}: {pushed:?}") };
    let arrived = std::str::from_utf8(&arrived.payload.body).expect("Transit is text");
    assert_eq!(
        format!("{:?}", read(arrived).map_err(|error| error.problem)),
        format!("{:?}", read(alone).map_err(|error| error.problem)),
    );
}
