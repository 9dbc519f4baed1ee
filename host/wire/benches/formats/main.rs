//! What a byte of payload costs: checked, and from one format to another, with other readers of JSON beside.
//!
//! One thread, and every case takes its turn in each round, so that whoever else uses the machine disturbs all alike. Of each
//! case the fastest round counts: what disturbs makes a round slower and never faster.

#![expect(clippy::print_stdout, reason = "what is measured is printed as a table")]

mod payloads;

use payloads::{Texts, texts};
use serde::de::IgnoredAny;
use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use tengen_wire::{
    format::{checked, transcode},
    payload::{Encoding, Payload},
};

const ROUNDS: usize = 60;
/// How long a case is measured in each round.
const TURN: Duration = Duration::from_micros(400);

struct Case {
    name: &'static str,
    /// What the cost is divided by.
    bytes: usize,
    run: Box<dyn Fn()>,
    /// How often it runs in a turn.
    times: u32,
    best: f64,
}

impl Case {
    fn new(name: &'static str, bytes: usize, run: impl Fn() + 'static) -> Self {
        Self { name, bytes, run: Box::new(run), times: 1, best: f64::INFINITY }
    }

    /// Nanoseconds per byte in one turn.
    fn turn(&self) -> f64 {
        let begun = Instant::now();
        for _ in 0..self.times {
            (self.run)();
        }
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(self.times) / self.bytes as f64
    }

    fn fit(&mut self) {
        while self.times < 1 << 20 {
            let begun = Instant::now();
            self.turn();
            if begun.elapsed() >= TURN {
                return;
            }
            self.times *= 2;
        }
    }
}

/// Arguments are parts of names: only the cases that have all of them are measured, and what they are compared with.
fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).filter(|part| !part.starts_with('-')).collect();
    println!("| payload | case | ns/byte | × serde_json's check |");
    println!("|---|---|---|---|");
    for texts in texts() {
        let mut cases = cases(&texts);
        let mut place = 0;
        cases.retain(|case| {
            place += 1;
            let name = format!("{}: {}", texts.name, case.name);
            place == 1 || wanted.iter().all(|part| name.contains(part))
        });
        cases.iter_mut().for_each(Case::fit);
        for _ in 0..ROUNDS {
            for case in &mut cases {
                case.best = case.best.min(case.turn());
            }
        }
        let yardstick = cases.first().map_or(f64::NAN, |case| case.best);
        for Case { name, best, .. } in &cases {
            println!("| {} | {name} | {best:.2} | {:.2} |", texts.name, best / yardstick);
        }
    }
}

/// The first one is what the others are compared with.
fn cases(texts: &Texts) -> Vec<Case> {
    let Texts { json, edn, msgpack, .. } = texts.clone();
    let sizes = (json.body.len(), edn.body.len(), msgpack.body.len());
    let mut cases = libraries(&json);
    let check = |name, payload: &Payload| {
        let payload = payload.clone();
        Case::new(name, payload.body.len(), move || {
            black_box(checked(black_box(payload.clone())).expect("well formed"));
        })
    };
    cases.push(check("JSON checked", &json));
    cases.push(check("EDN checked", &edn));
    cases.push(check("MessagePack checked", &msgpack));
    let there_and_back = |name, bytes, payload: &Payload, other| {
        let payload = payload.clone();
        Case::new(name, bytes, move || drop(black_box(round_trip(black_box(&payload), other))))
    };
    cases.push(there_and_back("EDN to a JSON plugin and back", sizes.1, &edn, Encoding::Json));
    cases.push(there_and_back("JSON to an EDN plugin and back", sizes.0, &json, Encoding::Edn));
    let convert = |name, payload: &Payload, to| {
        let payload = checked(payload.clone()).expect("well formed");
        Case::new(name, payload.body.len(), move || {
            black_box(transcode(black_box(&payload), to).expect("the other format holds it"));
        })
    };
    cases.push(convert("EDN → JSON", &edn, Encoding::Json));
    cases.push(convert("JSON → EDN", &json, Encoding::Edn));
    cases.push(convert("JSON → MessagePack", &json, Encoding::Msgpack));
    cases.push(convert("MessagePack → JSON", &msgpack, Encoding::Json));
    cases
}

/// What becomes of a payload between a peer and a plugin with another format: read when it comes in, converted, and what the
/// plugin sends read and converted for the peer.
fn round_trip(payload: &Payload, other: Encoding) -> Payload {
    let arrived = checked(payload.clone()).expect("well formed");
    let sent = transcode(&arrived, other).expect("the other format holds it");
    let answer = checked(Payload::new(other, sent.body)).expect("well formed");
    transcode(&answer, payload.encoding).expect("it came from there")
}

/// Readers of JSON that are not ours, with the check of UTF-8 that each of them needs.
fn libraries(json: &Payload) -> Vec<Case> {
    let case = |name, read: fn(&[u8])| {
        let body = json.body.clone();
        Case::new(name, body.len(), move || read(black_box(&body)))
    };
    vec![
        case("serde_json, IgnoredAny", |body| {
            let text = std::str::from_utf8(body).expect("text");
            black_box(serde_json::from_str::<IgnoredAny>(text).expect("JSON"));
        }),
        case("serde_json, RawValue", |body| {
            let text = std::str::from_utf8(body).expect("text");
            black_box(serde_json::from_str::<&serde_json::value::RawValue>(text).expect("JSON"));
        }),
        case("sonic-rs, IgnoredAny", |body| {
            black_box(sonic_rs::from_slice::<IgnoredAny>(body).expect("JSON"));
        }),
        case("sonic-rs, LazyValue", |body| {
            black_box(sonic_rs::from_slice::<sonic_rs::LazyValue<'_>>(body).expect("JSON"));
        }),
        case("serde_json, Value and back", |body| {
            let value: serde_json::Value = serde_json::from_slice(body).expect("JSON");
            black_box(value.to_string());
        }),
    ]
}
