//! What a byte of payload costs: checked, and from one format to another, with other readers of JSON beside.
//!
//! One thread, and every case takes its turn in each round, so that whoever else uses the machine disturbs all alike. Of each
//! case the fastest round counts: what disturbs makes a round slower and never faster.

#![expect(clippy::print_stdout, reason = "what is measured is printed as a table")]

mod payloads;

use payloads::{Texts, texts};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use sonic_rs::LazyValue;
use std::{
    hint::black_box,
    time::{Duration, Instant},
};
use tengen_wire::{
    dialect::{Callback, Dialect, Wire, decode, reply},
    payload::{Encoding, Frame, Payload, checked, transcode},
};

const ROUNDS: usize = 60;
/// How long a case is measured in each round.
const TURN: Duration = Duration::from_micros(400);

struct Case {
    name: &'static str,
    payload: Payload,
    run: Box<dyn Fn(Payload)>,
    /// How often it runs in a turn.
    times: usize,
    best: f64,
}

impl Case {
    fn new(name: &'static str, payload: &Payload, run: impl Fn(Payload) + 'static) -> Self {
        let run = Box::new(run);
        Self { name, payload: payload.clone(), run, times: 1, best: f64::INFINITY }
    }

    /// How long one turn takes. Each run has a payload of its own, as in the gateway, where it comes from a socket.
    fn turn(&self) -> Duration {
        let payloads = vec![self.payload.clone(); self.times];
        let begun = Instant::now();
        for payload in payloads {
            (self.run)(black_box(payload));
        }
        begun.elapsed()
    }

    fn fit(&mut self) {
        while self.turn() < TURN {
            self.times *= 2;
        }
    }

    /// Nanoseconds per byte.
    fn measure(&mut self) {
        let bytes = (self.times * self.payload.body.len()) as f64;
        self.best = self.best.min(self.turn().as_secs_f64() * 1e9 / bytes);
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
            cases.iter_mut().for_each(Case::measure);
        }
        let yardstick = cases.first().map_or(f64::NAN, |case| case.best);
        for Case { name, best, .. } in &cases {
            println!("| {} | {name} | {best:.2} | {:.2} |", texts.name, best / yardstick);
        }
    }
}

/// The first one is what the others are compared with.
fn cases(Texts { json, edn, msgpack, .. }: &Texts) -> Vec<Case> {
    let [read_json, read_edn, read_msgpack] =
        [json, edn, msgpack].map(|payload| checked(payload.clone()).expect("well formed"));
    let mut cases = libraries(json);
    cases.extend([
        Case::new("JSON checked", json, check),
        Case::new("EDN checked", edn, check),
        Case::new("MessagePack checked", msgpack, check),
        Case::new("EDN → JSON", &read_edn, to(Encoding::Json)),
        Case::new("JSON → EDN", &read_json, to(Encoding::Edn)),
        Case::new("EDN → JSON → EDN", &read_edn, |payload| {
            convert(&convert(&payload, Encoding::Json), Encoding::Edn);
        }),
        Case::new("EDN to a JSON plugin and back", edn, |payload| {
            round_trip(payload, Encoding::Json)
        }),
        Case::new("JSON → EDN → JSON", &read_json, |payload| {
            convert(&convert(&payload, Encoding::Edn), Encoding::Json);
        }),
        Case::new("JSON to an EDN plugin and back", json, |payload| {
            round_trip(payload, Encoding::Edn)
        }),
        Case::new("JSON → MessagePack", &read_json, to(Encoding::Msgpack)),
        Case::new("MessagePack → JSON", &read_msgpack, to(Encoding::Json)),
        Case::new("JSON, a frame read", &in_frame(json), read_frame(Encoding::Json)),
        Case::new("EDN, a frame read", &in_frame(edn), read_frame(Encoding::Edn)),
        Case::new("JSON, a reply written", &read_json, write_reply(Encoding::Json)),
        Case::new("EDN, a reply written", &read_edn, write_reply(Encoding::Edn)),
    ]);
    cases
}

/// The payload as the data of an event whose sender waits for a reply.
fn in_frame(payload: &Payload) -> Payload {
    let (id, between) = match payload.encoding {
        Encoding::Edn => (":near/ask", " "),
        _ => ("\"near/ask\"", ","),
    };
    let data = std::str::from_utf8(&payload.body).expect("text");
    Payload::new(payload.encoding, format!("[[{id}{between}{data}]{between}\"1\"]"))
}

fn read_frame(format: Encoding) -> impl Fn(Payload) {
    move |payload| {
        let wire = Wire { dialect: Dialect::Tengen, format };
        let frame = Frame { text: true, body: payload.body };
        black_box(decode(wire, &frame).expect("well formed"));
    }
}

fn write_reply(format: Encoding) -> impl Fn(Payload) {
    move |payload| {
        let wire = Wire { dialect: Dialect::Tengen, format };
        let callback = Callback(b"\"1\"".as_slice().into());
        black_box(reply(wire, "a/b", &callback, &payload, None).expect("it fits"));
    }
}

fn check(payload: Payload) {
    black_box(checked(payload).expect("well formed"));
}

fn convert(payload: &Payload, to: Encoding) -> Payload {
    black_box(transcode(payload, to).expect("the other format holds it"))
}

fn to(to: Encoding) -> impl Fn(Payload) {
    move |payload| drop(convert(&payload, to))
}

/// What becomes of a payload between a peer and a plugin with another format: read when it comes in, converted, and what the
/// plugin sends read and converted for the peer.
fn round_trip(payload: Payload, other: Encoding) {
    let own = payload.encoding;
    let arrived = checked(payload).expect("well formed");
    let sent = convert(&arrived, other);
    let answer = checked(Payload::new(sent.encoding, sent.body)).expect("well formed");
    convert(&answer, own);
}

/// Readers of JSON that are not ours, with the check of UTF-8 that each of them needs.
fn libraries(json: &Payload) -> Vec<Case> {
    vec![
        Case::new("serde_json, IgnoredAny", json, |payload| {
            let text = std::str::from_utf8(&payload.body).expect("text");
            black_box(serde_json::from_str::<IgnoredAny>(text).expect("JSON"));
        }),
        Case::new("serde_json, RawValue", json, |payload| {
            let text = std::str::from_utf8(&payload.body).expect("text");
            black_box(serde_json::from_str::<&RawValue>(text).expect("JSON"));
        }),
        Case::new("sonic-rs, IgnoredAny", json, |payload| {
            black_box(sonic_rs::from_slice::<IgnoredAny>(&payload.body).expect("JSON"));
        }),
        Case::new("sonic-rs, LazyValue", json, |payload| {
            black_box(sonic_rs::from_slice::<LazyValue<'_>>(&payload.body).expect("JSON"));
        }),
        Case::new("serde_json, Value and back", json, |payload| {
            let value: serde_json::Value = serde_json::from_slice(&payload.body).expect("JSON");
            black_box(value.to_string());
        }),
    ]
}
