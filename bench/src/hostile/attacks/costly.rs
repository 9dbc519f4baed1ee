//! Texts that are short to say and long to check, by a client and by a plugin.

use super::{Done, breathe};
use crate::{
    hostile::arena::{Arena, answer, ask},
    load::{Peer, frame_of},
};
use anyhow::Result;

const MEGABYTE: usize = 1_000_000;
const EDN: &str = "Sec-WebSocket-Protocol: tengen.v1.edn\r\n";

pub(super) async fn frames(arena: &Arena<'_>) -> Result<Done> {
    let size = arena.count(MEGABYTE);
    let texts: Vec<String> = TEXTS.iter().map(|text| text(size)).collect();
    let (mut sent, mut closed) = (0, 0);
    while !arena.is_over() {
        let mut peer = Peer::connect(arena.address(), "/ws", EDN).await?;
        for text in &texts {
            let frame = frame_of(&format!("[[:hostile/well {text}] \"cb\"]"));
            // Refused and closed are as good as answered.
            if peer.send(&frame).await.is_err() || edn_answer(&mut peer).await.is_err() {
                closed += 1;
                break;
            }
            sent += 1;
            if arena.is_over() {
                break;
            }
        }
        breathe().await;
    }
    Ok(Done::new(format!("{sent} frames of {size} bytes, {closed} times closed")))
}

async fn edn_answer(peer: &mut Peer) -> Result<Vec<u8>> {
    answer(peer, "cb").await
}

pub(super) async fn outcomes(arena: &Arena<'_>) -> Result<Done> {
    let size = arena.count(MEGABYTE).to_string();
    let mut peer = Peer::open(arena.address()).await?;
    let mut asked = 0;
    while !arena.is_over() {
        ask(&mut peer, "hostile/costly", &size, "cb").await?;
        asked += 1;
    }
    Ok(Done::new(format!("{asked} answers of {size} bytes")))
}

/// Each makes a text of about so many bytes.
const TEXTS: [fn(usize) -> String; 7] =
    [nested_keys, nested_sets, flat_set, flat_map, long_number, escapes, deep];

fn nested_keys(size: usize) -> String {
    let one = format!("{}1{} ", "{".repeat(60), " 1}".repeat(60));
    format!("[{}]", one.repeat(size / one.len()))
}

fn nested_sets(size: usize) -> String {
    let one = format!("{}1{} ", "#{".repeat(60), "}".repeat(60));
    format!("[{}]", one.repeat(size / one.len()))
}

fn flat_set(size: usize) -> String {
    let members: Vec<String> =
        (0..size / 7).map(|n| format!("{n:06}").replacen('0', "1", 1)).collect();
    let members: std::collections::BTreeSet<String> = members.into_iter().collect();
    format!("#{{{}}}", members.into_iter().collect::<Vec<_>>().join(" "))
}

fn flat_map(size: usize) -> String {
    let entries: Vec<String> = (0..size / 12).map(|n| format!("[{}] 1", 1_000_000 + n)).collect();
    format!("{{{}}}", entries.join(","))
}

fn long_number(size: usize) -> String {
    "9".repeat(size)
}

fn escapes(size: usize) -> String {
    format!("\"{}\"", "\\u0041".repeat(size / 6))
}

fn deep(size: usize) -> String {
    format!("{}{}", "[".repeat(size / 2), "]".repeat(size / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_costly_text_is_as_long_as_asked_for() {
        for text in TEXTS {
            let length = text(100_000).len();
            assert!((80_000..=101_000).contains(&length), "{length}");
        }
    }

    #[test]
    fn nested_texts_close_what_they_open() {
        for (text, open, close) in [(nested_keys(1000), '{', '}'), (nested_sets(1000), '{', '}')] {
            assert_eq!(text.matches(open).count(), text.matches(close).count());
        }
    }
}
