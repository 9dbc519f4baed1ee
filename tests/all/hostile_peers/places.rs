//! Places of HTTP connections and of those that they become: who gets one, who has to go, and when one is free again.

use super::{SHORT, Scene, nothing_internal};
use anyhow::{Context, Result, ensure};
use std::{num::NonZeroUsize, time::Instant};
use support::{
    frames::Frame,
    peer::{Peer, Seen, upgrade},
};

/// As many places as a gateway has that allows few connections.
const PLACES: usize = 64;
const PLAIN: &str = "GET /nothing HTTP/1.1\r\nHost: gateway.example\r\n\r\n";

/// A gateway with few places, and long waits: nobody is cut off for being late.
async fn few_places() -> Result<Scene> {
    Scene::with(|settings| {
        settings.limits.connections = NonZeroUsize::new(8).unwrap();
        settings.limits.unauthenticated = SHORT * 600;
    })
    .await
}

#[tokio::test]
async fn the_oldest_without_a_whole_head_makes_room_for_a_newcomer() -> Result<()> {
    let scene = few_places().await?;
    let mut peers = Vec::new();
    for _ in 0..PLACES {
        peers.push(Peer::connect(scene.address()).await?);
    }
    peers[1].send(b"GET /ws HTTP/1.1\r\nHost: a\r\n").await?;
    // The first is asked and answered, and is the last to wait for a head.
    peers[0].send(PLAIN.as_bytes()).await?;
    peers[0].answer().await?;
    let asked = Instant::now();
    let mut newcomer = Peer::open(scene.address(), "/ws").await?;
    ensure!(newcomer.text().await?.contains("chsk/handshake"));
    let mut second = Peer::open(scene.address(), "/ws").await?;
    ensure!(second.text().await?.contains("chsk/handshake"));
    ensure!(asked.elapsed() < SHORT * 60, "somebody had to be late first");
    // Who had begun is told; who was silent is not.
    let told = peers[1].answer().await?;
    ensure!(told.status == 503 && told.head.contains("retry-after: 1"), "{told:?}");
    nothing_internal(&told.body)?;
    peers[1].ended().await?;
    // Who asked before keeps its place, and is answered again.
    peers[0].send(PLAIN.as_bytes()).await?;
    ensure!(peers[0].answer().await?.status == 404);
    ensure!(!peers[PLACES - 1].has_ended(), "the youngest had to go");
    scene.unharmed(&[("/connections/failed-by/evicted", 1)]).await
}

#[tokio::test]
async fn silent_sockets_keep_nobody_out() -> Result<()> {
    let scene = few_places().await?;
    let asked = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..PLACES * 4 {
        silent.push(Peer::connect(scene.address()).await?);
    }
    let mut newcomer = Peer::open(scene.address(), "/ws").await?;
    ensure!(newcomer.text().await?.contains("chsk/handshake"));
    ensure!(asked.elapsed() < SHORT * 60, "it waited for them");
    let gone = silent.iter_mut().map(Peer::has_ended).filter(|ended| *ended).count();
    ensure!(gone >= PLACES * 3, "there are more than places: {gone} are gone");
    scene.unharmed(&[("/connections/failed-requests", PLACES as u64 * 3)]).await
}

#[tokio::test]
async fn a_goodbye_that_lasts_keeps_its_place_until_the_socket_is_gone() -> Result<()> {
    let mut scene = Scene::with(|settings| {
        settings.limits.connections = NonZeroUsize::new(2).unwrap();
        settings.limits.message = NonZeroUsize::new(1000).unwrap();
    })
    .await?;
    let mut rude = Peer::open(scene.address(), "/raw").await?;
    rude.frame(Frame::text("x".repeat(2000))).await?;
    let (code, _) = rude.closed().await?;
    ensure!(code == 1009, "{code}");
    // It was told, and keeps its socket open.
    scene.until(|stats| stats["connections"]["closing"] == 1).await?;
    let mut peer = Peer::connect(scene.address()).await?;
    peer.send(upgrade("/ws", "").as_bytes()).await?;
    ensure!(peer.answer().await?.status == 503, "its descriptor is there still");
    drop(rude);
    scene.until(|stats| stats["connections"]["closing"] == 0).await?;
    scene.unharmed(&[("/connections/rejected", 1)]).await
}

#[tokio::test]
async fn a_connection_is_kept_between_requests_for_longer_than_a_head_may_take() -> Result<()> {
    let scene = Scene::with(|settings| settings.limits.unauthenticated = SHORT / 2).await?;
    let mut kept = Peer::connect(scene.address()).await?;
    kept.send(PLAIN.as_bytes()).await?;
    ensure!(kept.answer().await?.status == 404);
    // When this one is cut off, a head's time has passed.
    Peer::connect(scene.address()).await?.ended().await?;
    kept.send(PLAIN.as_bytes()).await?;
    ensure!(kept.answer().await?.status == 404);
    // From its first byte on, a further head has its time, and no more.
    kept.send(b"GET /").await?;
    let late = kept.answer().await?;
    ensure!(late.status == 408 && late.head.contains("connection: close"), "{late:?}");
    scene.unharmed(&[("/connections/failed-by/head-late", 2)]).await
}

#[tokio::test]
async fn an_idle_connection_ends_when_it_was_kept_for_long_enough() -> Result<()> {
    let scene = Scene::with(|settings| settings.server.keep_alive = SHORT / 4).await?;
    let mut kept = Peer::connect(scene.address()).await?;
    kept.send(PLAIN.as_bytes()).await?;
    ensure!(kept.answer().await?.status == 404);
    ensure!(matches!(kept.next().await?, Seen::End), "it ends in order");
    scene.unharmed(&[]).await
}

#[tokio::test]
async fn a_head_that_is_too_large_is_told_which_limit_it_is_over() -> Result<()> {
    let scene = Scene::with(|settings| {
        settings.limits.request_head = NonZeroUsize::new(2000).unwrap();
        settings.limits.request_lines = NonZeroUsize::new(20).unwrap();
    })
    .await?;
    let cookies = format!("Cookie: a={}\r\n", "x".repeat(2000));
    let lines: String = (0..20).map(|number| format!("X-{number}: 1\r\n")).collect();
    for (more, limit) in [(&cookies, "2000 bytes"), (&lines, "20 header lines")] {
        let mut peer = Peer::connect(scene.address()).await?;
        peer.send(upgrade("/ws", more).as_bytes()).await?;
        let answer = peer.answer().await?;
        ensure!(answer.status == 431 && answer.body.contains(limit), "{answer:?}");
        nothing_internal(&answer.body)?;
        peer.ended().await?;
    }
    let counters = ["/connections/failed-by/head-bytes", "/connections/failed-by/head-lines"];
    scene.unharmed(&counters.map(|counter| (counter, 1))).await
}

#[tokio::test]
async fn what_proxies_commonly_pass_on_is_taken() -> Result<()> {
    let scene = Scene::new().await?;
    let lines: String = (0..90).map(|number| format!("X-{number}: 1\r\n")).collect();
    let cookies = format!("{lines}Cookie: a={}\r\n", "x".repeat(30_000));
    let mut peer = Peer::connect(scene.address()).await?;
    peer.send(upgrade("/ws", &cookies).as_bytes()).await?;
    ensure!(peer.answer().await?.status == 101);
    scene.unharmed(&[("/connections/opened", 1)]).await
}

#[tokio::test]
async fn requests_behind_each_other_are_answered_one_by_one() -> Result<()> {
    let scene = Scene::new().await?;
    let mut peer = Peer::connect(scene.address()).await?;
    peer.send(PLAIN.repeat(50).as_bytes()).await?;
    for number in 0..50 {
        let answer = peer.answer().await.with_context(|| format!("answer {number}"))?;
        ensure!(answer.status == 404, "{answer:?}");
    }
    // The good one is answered, and the bad one behind it is refused.
    peer.send(format!("{PLAIN}GET /x HTTP/1.1\nHost: a\r\n\r\n{PLAIN}").as_bytes()).await?;
    ensure!(peer.answer().await?.status == 404);
    let refused = peer.answer().await?;
    ensure!(refused.status == 400 && refused.body.contains("carriage return"), "{refused:?}");
    ensure!(matches!(peer.next().await?, Seen::End | Seen::Reset));
    scene.unharmed(&[("/connections/failed-by/bare-line-feed", 1)]).await
}

#[tokio::test]
async fn frames_right_behind_the_upgrade_are_not_lost() -> Result<()> {
    let scene = Scene::new().await?;
    let mut peer = Peer::connect(scene.address()).await?;
    let frame = |text: &str| Frame::text(text.to_owned()).encode();
    let mut bytes = upgrade("/raw", "").into_bytes();
    // Line feeds in it are none of a head's.
    bytes.extend(frame("one\n\ntwo"));
    bytes.extend(frame("three"));
    peer.send(&bytes).await?;
    ensure!(peer.answer().await?.status == 101);
    ensure!(peer.text().await? == "one\n\ntwo");
    peer.send(&frame("four")).await?;
    ensure!(peer.text().await? == "three");
    ensure!(peer.text().await? == "four");
    scene.unharmed(&[("/connections/opened", 1)]).await
}
