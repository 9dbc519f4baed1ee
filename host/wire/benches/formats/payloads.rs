//! Payloads as clients send them, the same in every format. Nothing in them is left to chance.

use tengen_wire::payload::{Encoding, Payload, checked, transcode};

/// One payload in the formats.
#[derive(Clone)]
pub(crate) struct Texts {
    pub(crate) name: &'static str,
    pub(crate) json: Payload,
    pub(crate) edn: Payload,
    pub(crate) msgpack: Payload,
}

pub(crate) fn texts() -> Vec<Texts> {
    let list = |size, element: fn(usize) -> String| {
        let mut text = String::from("[");
        for number in 0.. {
            text += &element(number);
            if text.len() >= size {
                break;
            }
            text.push(',');
        }
        text + "]"
    };
    vec![
        of("small object, 64 B", r#"{"id":4711,"name":"Ada Lovelace","online":true,"score":12.5}"#),
        of("small objects, 1 KB", &list(1 << 10, object)),
        of("small objects, 16 KB", &list(16 << 10, object)),
        of("small objects, 256 KB", &list(256 << 10, object)),
        of("text, 16 KB", &list(16 << 10, message)),
        of("numbers, 16 KB", &list(16 << 10, sample)),
    ]
}

fn of(name: &'static str, json: &str) -> Texts {
    let json = Payload::new(Encoding::Json, json.to_owned());
    let read = checked(json.clone()).expect("it is written well");
    let to = |encoding| {
        let converted = transcode(&read, encoding).expect("every format holds it");
        Payload::new(encoding, converted.body)
    };
    Texts { name, edn: to(Encoding::Edn), msgpack: to(Encoding::Msgpack), json }
}

/// Digits without a pattern.
fn mixed(number: usize) -> u32 {
    let mixed = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 32) as u32
}

fn one_of(texts: &[&'static str], mixed: u32) -> &'static str {
    texts.iter().cycle().nth(mixed as usize % texts.len()).copied().unwrap_or_default()
}

fn object(number: usize) -> String {
    let mixed = mixed(number);
    let names = ["Ada", "Grace Hopper", "Barbara", "Edsger W. Dijkstra", "Zoë"];
    let name = one_of(&names, mixed);
    let online = mixed.is_multiple_of(3);
    let score = f64::from(mixed % 10_000) / 100.0;
    let parent = if mixed.is_multiple_of(7) { "null".into() } else { (mixed % 5000).to_string() };
    format!(
        r#"{{"id":{number},"name":"{name}","online":{online},"score":{score:?},"parent":{parent},"tags":["t{}","new"]}}"#,
        mixed % 100
    )
}

/// Sentences with the marks and signs that chats have.
fn message(number: usize) -> String {
    let texts = [
        "The quick brown fox jumps over the lazy dog, and nobody in the whole village has ever found out why it does so.",
        "She said: \\\"See you at seven\\\".\\nThen she left, without her umbrella, although it had been raining all day.",
        "Grüße aus Köln, wo es heute wieder regnet; wir sitzen im Café und warten auf die Straßenbahn. 🙂",
        "ok",
        "https://example.com/articles/2024/05/a-long-title-with-many-words-in-it?from=newsletter&edition=morning",
    ];
    let mixed = mixed(number);
    let text = one_of(&texts, mixed);
    format!(r#"{{"from":"user-{}","text":"{text}"}}"#, mixed % 1000)
}

/// Points of a curve, as charts and games send them.
fn sample(number: usize) -> String {
    let mixed = mixed(number);
    let (x, y) = (f64::from(mixed % 100_000) / 1000.0, f64::from(mixed >> 12) / 4096.0 - 100.0);
    format!("[{},{x:?},{y:?},{}]", 1_700_000_000 + number * 250, mixed % 256)
}
