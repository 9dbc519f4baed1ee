//! Too much of everything: events, unread answers, requests that hold places.

use super::{SHORT, Scene, nothing_internal};
use anyhow::{Context, Result, ensure};
use std::num::NonZeroUsize;
use support::{
    client::Client,
    frames::Frame,
    gateway, guests,
    peer::{Peer, upgrade},
};

#[tokio::test]
async fn every_event_of_a_flood_to_an_idle_plugin_is_answered() -> Result<()> {
    const EVENTS: usize = 2000;
    let mut plugin = Some(guests::plugin("handler_echo")?);
    let scene = Scene::with(|settings| {
        settings.limits.waiting_events = 8;
        settings.outbox.events = NonZeroUsize::new(10 * EVENTS).unwrap();
        if let Some(plugin) = plugin.take() {
            gateway::route_everything(settings, "echo", plugin);
        }
    })
    .await?;
    let mut peer = Peer::open(scene.address(), "/ws").await?;
    peer.text().await?;
    let event = |number| Frame::text(format!(r#"[["a/b",{number}],"cb{number}"]"#)).encode();
    let flood: Vec<u8> = (0..EVENTS).flat_map(event).collect();
    peer.send(&flood).await?;
    let mut answered = vec![0; EVENTS];
    for _ in 0..EVENTS {
        let text = peer.text().await?;
        let frame: serde_json::Value = serde_json::from_str(&text)?;
        let callback = frame[1].as_str().and_then(|callback| callback.strip_prefix("cb"));
        let number: usize = callback.with_context(|| text.clone())?.parse()?;
        answered[number] += 1;
        ensure!(frame[0] == number, "{text}");
    }
    ensure!(answered.iter().all(|times| *times == 1), "each event is answered once");
    scene.unharmed(&[]).await
}

#[tokio::test]
async fn a_peer_that_never_reads_is_closed_and_what_it_missed_is_counted() -> Result<()> {
    let scene = Scene::with(|settings| settings.outbox.write_deadline = SHORT).await?;
    let mut peer = Peer::open(scene.address(), "/raw").await?;
    let frame = Frame::binary(vec![7; 64 << 10]).encode();
    // The echoes fill the socket's buffers, then the outbox; then the connection is over and nothing more is taken.
    while peer.send(&frame).await.is_ok() {}
    let losses = [
        ("/connections/slow-consumers", 1),
        ("/connections/ended/slow-consumer", 1),
        ("/outbox/dropped", 1),
    ];
    scene.unharmed(&losses).await
}

#[tokio::test]
async fn thousands_of_requests_that_never_finish_keep_nobody_out() -> Result<()> {
    // Both ends are in this process, and other tests run beside it.
    let files = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = files.lines().find_map(|line| line.strip_prefix("Max open files"));
    let most = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1024);
    let count = (most / 10).min(2000_usize);
    let scene = Scene::new().await?;
    let mut peers = Vec::new();
    for number in 0..count {
        let mut peer = Peer::connect(scene.address()).await?;
        let request = upgrade("/ws", "");
        peer.send(&request.as_bytes()[..number % request.len()]).await?;
        peers.push(peer);
    }
    let mut newcomer = Client::json(scene.address(), "/ws").await?;
    ensure!(newcomer.ask("a/b", serde_json::json!(1)).await? == 1);
    drop(peers);
    scene.unharmed(&[("/connections/failed-requests", 1)]).await
}

#[tokio::test]
async fn connections_have_a_bound_and_the_one_too_many_is_told_to_come_back() -> Result<()> {
    let scene = Scene::with(|settings| {
        settings.limits.connections = NonZeroUsize::new(3).unwrap();
    })
    .await?;
    let mut scene = scene;
    let second = Client::json(scene.address(), "/ws").await?;
    let third = Client::json(scene.address(), "/ws").await?;
    let mut peer = Peer::connect(scene.address()).await?;
    peer.send(upgrade("/ws", "").as_bytes()).await?;
    let answer = peer.answer().await?;
    ensure!(answer.status == 503 && answer.head.contains("retry-after: "), "{answer:?}");
    nothing_internal(&answer.body)?;
    second.close().await?;
    third.close().await?;
    // Their places are free when their sockets are gone.
    scene
        .until(|stats| stats["connections"]["closing"] == 0 && stats["connections"]["open"] == 1)
        .await?;
    scene.unharmed(&[("/connections/rejected", 1), ("/connections/ended/peer", 2)]).await
}
