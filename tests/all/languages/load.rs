//! Many messages of 16 KiB each through every language, at default settings.

use super::{Player, guest, languages, start, status};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::time::Instant;
use support::guests;

/// How many messages there are, unless `TENGEN_ROOM_MESSAGES` says, as in 10000: more than went through where Go's collector
/// trapped, or Python did not free what it had returned.
const MESSAGES: usize = 500;

/// So many are on their way at a time.
const AHEAD: usize = 16;

fn messages() -> Result<usize> {
    match std::env::var("TENGEN_ROOM_MESSAGES") {
        Ok(text) => text.parse().context("`TENGEN_ROOM_MESSAGES` is no number"),
        Err(_) => Ok(MESSAGES),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_in_every_language_takes_many_large_messages_and_forgets_nothing() -> Result<()> {
    let messages = messages()?;
    for language in languages()? {
        talk(language, messages).await.with_context(|| format!("in {language}"))?;
    }
    Ok(())
}

/// One talks and another listens: every message is answered once, and published once, in order.
async fn talk(language: &str, messages: usize) -> Result<()> {
    let gateway = start(&guests::path(&guest(language))?).await?;
    let mut ann = Player::connect(&gateway).await?;
    let mut bob = Player::connect(&gateway).await?;
    ann.client.ask("room/join", json!({ "room": "lobby", "name": "Ann" })).await?;
    bob.client.ask("room/join", json!({ "room": "lobby", "name": "Bob" })).await?;
    let began = Instant::now();
    tokio::try_join!(speak(&mut ann, messages), listen(&mut bob, messages))?;
    let each = began.elapsed().as_secs_f64() * 1e6 / messages as f64;
    let here = ann.client.ask("room/who", Value::Null).await?;
    ensure!(here == json!({ "room": "lobby", "members": ["Ann", "Bob"] }), "{here}");
    let memory = status(&gateway, "memory_bytes")?;
    println!("{language}: {messages} messages, {each:.0} us each, {} KiB of memory", memory / 1024);
    for key in ["traps", "deadline_overruns", "restarts", "lost_states", "errors"] {
        ensure!(status(&gateway, key)? == 0, "{key}: {}", gateway.gateway.plugins());
    }
    gateway.drain().await;
    Ok(())
}

/// 16 KiB, part of it in characters of four bytes.
fn text(number: usize) -> String {
    const PIECE: &str = "🙂 and more. ";
    format!("{number} {}", PIECE.repeat(16 * 1024 / PIECE.len()))
}

async fn speak(ann: &mut Player, messages: usize) -> Result<()> {
    let (mut sent, mut answered) = (0, 0);
    while answered < messages {
        while sent < messages.min(answered + AHEAD) {
            sent += 1;
            let say = json!([["room/say", { "text": text(sent) }], sent.to_string()]);
            ann.client.send_text(&say.to_string()).await?;
        }
        let next = ann.next().await.with_context(|| format!("after {answered} answers"))?;
        if next[0] == "=" {
            answered += 1;
            ensure!(next == json!(["=", true, answered.to_string()]), "answer {answered}: {next}");
        }
    }
    Ok(())
}

async fn listen(bob: &mut Player, messages: usize) -> Result<()> {
    for number in 1..=messages {
        let next = bob.next().await.with_context(|| format!("after {number}"))?;
        let said = &next[1];
        // That both of them came was published first.
        ensure!(said["offset"] == number + 2, "number {number} is {}", said["offset"]);
        ensure!(said["data"] == json!({ "from": "Ann", "text": text(number) }), "number {number}");
    }
    Ok(())
}
