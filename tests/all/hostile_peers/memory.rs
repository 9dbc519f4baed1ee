//! Many who hold a lot: together they stay within `limits.memory`, and who holds most has to go.

use super::{SHORT, Scene};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::{num::NonZeroUsize, time::Duration};
use support::{
    frames::Frame,
    guests,
    peer::{Peer, upgrade},
};
use tengen_settings::{Memory, Mode, Pattern, Route, Settings};

const LIMIT: usize = 8 << 20;

fn small(settings: &mut Settings) {
    settings.limits.memory = Memory::Bytes(NonZeroUsize::new(LIMIT).unwrap());
}

impl Scene {
    /// What the gateway says of its memory; never more than it may hold.
    fn memory(&self, key: &str) -> Result<u64> {
        let stats = self.gateway.gateway.stats();
        let number = |key: &str| stats["memory"][key].as_u64().unwrap_or(u64::MAX);
        ensure!(number("held") <= number("limit"), "{}", stats["memory"]);
        Ok(number(key))
    }

    /// Waits until somebody was closed; meanwhile the neighbour is answered as ever.
    async fn somebody_is_closed(&mut self) -> Result<()> {
        while self.memory("closed")? == 0 {
            self.neighbour.ask("a/b", Value::Null).await?;
        }
        Ok(())
    }

    /// Waits until all is given back but what the neighbour holds.
    async fn nothing_is_held(&mut self) -> Result<()> {
        while self.memory("held")? > 64 << 10 {
            self.neighbour.ask("a/b", Value::Null).await?;
        }
        Ok(())
    }
}

/// How many of these were closed with 4000. The others are still there: they answer a ping, if they are not stuck.
async fn closed_with_4000(peers: &mut [Peer]) -> Result<usize> {
    let mut closed = 0;
    for peer in peers {
        if peer.send(&Frame::close(1000, b"").encode()).await.is_err() {
            continue;
        }
        if let Ok((4000, reason)) = peer.closed().await {
            ensure!(reason == "overloaded", "{reason}");
            closed += 1;
        }
    }
    Ok(closed)
}

#[tokio::test]
async fn many_unfinished_messages_stay_within_the_budget() -> Result<()> {
    let mut scene = Scene::with(small).await?;
    // 24 times 900 KB of a message of 1,000,000 bytes.
    let message = Frame::binary(vec![7; 1_000_000]).encode();
    let mut peers = Vec::new();
    for _ in 0..24 {
        let Ok(mut peer) = Peer::open(scene.address(), "/raw").await else { continue };
        if peer.send(&message[..900_000]).await.is_ok() {
            peers.push(peer);
        }
        scene.memory("held")?;
    }
    scene.somebody_is_closed().await?;
    let closed = scene.memory("closed")?;
    ensure!(closed < 24, "{closed} were closed: all");
    drop(peers);
    scene.nothing_is_held().await?;
    scene.unharmed(&[("/memory/closed", 1), ("/connections/ended/memory", 1)]).await
}

#[tokio::test]
async fn who_holds_most_is_told_so_with_4000_and_nobody_else_is() -> Result<()> {
    let mut scene = Scene::with(|settings| {
        small(settings);
        settings.limits.message = NonZeroUsize::new(4 << 20).unwrap();
    })
    .await?;
    let mut greedy = Peer::open(scene.address(), "/raw").await?;
    greedy.send(&Frame::binary(vec![7; 3 << 20]).encode()[..(3 << 20) - 1000]).await?;
    // Below the mark nobody minds.
    while scene.memory("held")? < 3 << 20 {
        scene.neighbour.ask("a/b", Value::Null).await?;
    }
    ensure!(scene.memory("closed")? == 0);
    let modest = Frame::binary(vec![7; 1_000_000]).encode();
    let mut peers = Vec::new();
    while scene.memory("closed")? == 0 && peers.len() < 8 {
        let Ok(mut peer) = Peer::open(scene.address(), "/raw").await else { break };
        peer.send(&modest[..900_000]).await?;
        peers.push(peer);
    }
    scene.somebody_is_closed().await?;
    let (code, reason) = greedy.closed().await?;
    ensure!((code, reason.as_str()) == (4000, "overloaded"), "{code} {reason}");
    ensure!(scene.memory("closed")? == 1, "the one that held most, and no other");
    drop(peers);
    scene.nothing_is_held().await?;
    scene.unharmed(&[("/memory/closed", 1)]).await
}

#[tokio::test]
async fn many_who_do_not_read_stay_within_the_budget() -> Result<()> {
    let mut scene = Scene::with(|settings| {
        small(settings);
        // None of them is full before all together hold too much.
        settings.outbox.bytes = NonZeroUsize::new(2 * LIMIT).unwrap();
        settings.outbox.write_deadline = SHORT * 30;
    })
    .await?;
    let frame = Frame::binary(vec![7; 64 << 10]).encode();
    let mut peers = Vec::new();
    for _ in 0..24 {
        peers.push(Peer::open(scene.address(), "/raw").await?);
    }
    // The echoes fill the sockets' buffers, then the outboxes, all at the same time.
    while scene.memory("closed")? == 0 && !peers.is_empty() {
        let mut there = Vec::new();
        for mut peer in peers {
            if scene.memory("closed")? > 0 || peer.send(&frame).await.is_ok() {
                there.push(peer);
            }
        }
        peers = there;
    }
    scene.somebody_is_closed().await?;
    drop(peers);
    scene.nothing_is_held().await?;
    scene.unharmed(&[("/memory/closed", 1)]).await
}

#[tokio::test]
async fn many_events_that_wait_for_a_slow_plugin_stay_within_the_budget() -> Result<()> {
    let (mut slow, fast) = (guests::plugin("handler_hostile")?, guests::plugin("handler_echo")?);
    slow.deadline = Duration::from_secs(3);
    let mut scene = Scene::with(|settings| {
        small(settings);
        settings.echo = false;
        for (name, events, plugin) in [("slow", "hostile/*", slow), ("fast", "*", fast)] {
            settings.plugins.insert(name.into(), plugin);
            let event = Pattern(events.into());
            let mode = Mode::First;
            settings.routes.push(Route { event, plugin: name.into(), endpoint: None, mode });
        }
    })
    .await?;
    let mut spinner = Peer::open(scene.address(), "/ws").await?;
    spinner.frame(Frame::text(r#"[["hostile/spin"]]"#)).await?;
    let mut peers = Vec::new();
    for _ in 0..12 {
        let Ok(mut peer) = Peer::open(scene.address(), "/ws").await else { continue };
        let event = Frame::text(format!(r#"[["hostile/x","{}"]]"#, "x".repeat(60_000))).encode();
        for _ in 0..16 {
            drop(peer.send(&event).await);
        }
        peers.push(peer);
        scene.memory("held")?;
    }
    scene.somebody_is_closed().await?;
    ensure!(closed_with_4000(&mut peers).await? > 0, "nobody was told");
    drop((peers, spinner));
    scene.nothing_is_held().await?;
    scene.unharmed(&[("/memory/closed", 1), ("/memory/lost-events", 1)]).await
}

#[tokio::test]
async fn while_memory_is_short_newcomers_get_503() -> Result<()> {
    // Idle connections alone reach the mark of so little.
    let mut scene = Scene::with(|settings| {
        settings.limits.memory = Memory::Bytes(NonZeroUsize::new(64 << 10).unwrap());
    })
    .await?;
    let mut peers = Vec::new();
    let refused = loop {
        let mut peer = Peer::connect(scene.address()).await?;
        peer.send(upgrade("/raw", "").as_bytes()).await?;
        let answer = peer.answer().await?;
        if answer.status != 101 {
            break answer;
        }
        peers.push(peer);
        ensure!(peers.len() < 20, "nobody is refused");
    };
    ensure!(refused.status == 503 && refused.head.contains("retry-after"), "{refused:?}");
    ensure!(scene.memory("refused")? == 1 && scene.memory("closed")? == 0, "the idle ones stay");
    ensure!(scene.neighbour.ask("a/b", json!(1)).await? == 1);
    drop(peers);
    scene.nothing_is_held().await?;
    scene.unharmed(&[("/memory/refused", 1)]).await
}
