//! Payloads from one format to another: well formed, bounded, and JSON comes back through EDN.

use super::{choice, one_of};
use tengen_wire::{
    fault::FaultId,
    format::{edn, json, msgpack, transit},
    payload::{Encoding, Payload, embeddable, transcode as convert},
};

/// How much longer a text may become: no peer may have the gateway hold many times what it sent.
const GROWTH: usize = 64;

pub fn transcode(data: &[u8]) {
    let Some((first, body)) = choice(data) else { return };
    let (from, to) = (one_of(Encoding::ALL, first), one_of(Encoding::ALL, first / 6));
    let payload = Payload::new(from, body.to_vec());
    match convert(&payload, to) {
        Ok(converted) => {
            assert_eq!(converted.encoding, to);
            let (before, after) = (body.len(), converted.body.len());
            assert!(after <= GROWTH * (before + 1), "{before} bytes became {after}");
            if from != to {
                well_formed(&converted);
            }
            if from == Encoding::Json
                && matches!(to, Encoding::Edn | Encoding::Transit | Encoding::Msgpack)
            {
                there_and_back(&payload, &converted);
            }
        }
        Err(why) => {
            let expected = matches!(why.id, FaultId::Malformed | FaultId::Unsupported);
            assert!(expected, "{why:?}");
            assert!(!why.message.is_empty());
        }
    }
    embed(&payload, Encoding::Json, |text| json::check(text).is_ok());
    embed(&payload, Encoding::Edn, |text| edn::check(text).is_ok());
    embed(&payload, Encoding::Transit, |text| transit::check(text).is_ok());
    if let Ok(inside) = embeddable(&payload, Encoding::Msgpack) {
        msgpack::check(&inside).expect("one value");
    }
}

fn text(payload: &Payload) -> &str {
    std::str::from_utf8(&payload.body).expect("a text format is UTF-8")
}

fn well_formed(payload: &Payload) {
    match payload.encoding {
        Encoding::Json => {
            json::check(text(payload)).expect("JSON");
            serde_json::from_str::<serde_json::Value>(text(payload)).expect("JSON to others, too");
        }
        Encoding::Edn => drop(edn::check(text(payload)).expect("EDN")),
        Encoding::Transit => drop(transit::check(text(payload)).expect("Transit")),
        Encoding::Msgpack => drop(msgpack::check(&payload.body).expect("MessagePack")),
        _ => {}
    }
}

/// By way of another format, JSON means what it means without the detour.
fn there_and_back(json: &Payload, other: &Payload) {
    let back = convert(other, Encoding::Json).expect("what came from JSON can be JSON again");
    let mut alone = String::new();
    let value = json::read(text(json)).expect("it was converted");
    json::write(&mut alone, &value).expect("what was JSON can be JSON");
    assert_eq!(text(&back), alone);
}

/// Whatever the payload, a frame around it stays one value.
fn embed(payload: &Payload, format: Encoding, good: fn(&str) -> bool) {
    let Ok(inside) = embeddable(payload, format) else { return };
    let inside = std::str::from_utf8(&inside).expect("a text format is UTF-8");
    assert!(good(inside), "{inside}");
    assert!(good(&format!("[{inside}]")), "{inside}");
}
