//! How a session ends, and what is told of it.

use super::{open, relay, say};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::Duration;
use support::{client::Client, gateway};
use tengen_settings::{Outbox, Settings};

#[tokio::test]
async fn the_last_event_of_a_drained_stream_says_so() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let mut stream = open(&gateway).await?;
    let (drained, last) = tokio::join!(gateway.drain(), async {
        loop {
            let last = stream.next().await?.context("the stream ended without a word")?;
            if last.kind == "close" {
                return anyhow::Ok((last, stream.next().await?));
            }
        }
    });
    let (last, behind) = last?;
    assert_eq!(drained.cut_off, 0);
    assert_eq!(behind, None, "nothing follows it");
    let why: Value = serde_json::from_str(&last.data)?;
    assert_eq!(why["code"], 1012, "{why}");
    Ok(())
}

/// How many connections have ended for this reason.
fn ended(gateway: &gateway::Running, why: &str) -> u64 {
    let stats = gateway.gateway.stats();
    let counted = stats.pointer(&format!("/connections/ended/{why}"));
    counted.and_then(Value::as_u64).unwrap_or_default()
}

#[tokio::test]
async fn who_does_not_read_its_stream_is_a_slow_consumer_and_harms_nobody() -> Result<()> {
    let outbox = Outbox { write_deadline: Duration::from_millis(500), ..Outbox::default() };
    let gateway = relay(Settings { outbox, ..Settings::default() }).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    client.ask("relay/join", Value::Null).await?;
    let mut stream = open(&gateway).await?;
    say(&gateway, &stream, r#"[["relay/join"],"j"]"#).await?;
    assert_eq!(stream.next_text().await?, r#"[null,"j"]"#);
    let much = "x".repeat(100_000);
    for number in 0..1000 {
        if ended(&gateway, "slow-consumer") > 0 {
            break;
        }
        client.send("relay/say", json!([number, much])).await?;
        client.next_json().await?;
    }
    assert_eq!(ended(&gateway, "slow-consumer"), 1, "{}", gateway.gateway.stats());
    assert_eq!(gateway.gateway.stats()["connections"]["slow-consumers"], 1, "counted once");
    client.close().await?;
    gateway.drain().await;
    Ok(())
}
