//! Frames that break the WebSocket protocol, or stop in the middle.

use super::{Scene, close_code};
use anyhow::{Context, Result, ensure};
use std::num::NonZeroUsize;
use support::{
    frames::{CLOSE, CONTINUATION, Frame, PING, PONG},
    peer::{Peer, Seen},
};

/// What is sent on `/ws`, the close code that comes, and the counter that names it.
#[tokio::test]
async fn a_frame_against_the_protocol_is_answered_with_its_close_code() -> Result<()> {
    let text = || Frame::text("[[\"a/b\"]]");
    let table: [(&str, Vec<Frame>, u16, &str); 17] = [
        ("2^62 bytes", vec![text().claiming(1 << 62)], 1009, "too-large"),
        ("the highest bit", vec![text().claiming(1 << 63)], 1002, "protocol"),
        ("every bit", vec![text().claiming(u64::MAX)], 1002, "protocol"),
        ("a byte over the limit", vec![text().claiming((1 << 20) + 1)], 1009, "too-large"),
        ("no mask", vec![text().unmasked()], 1002, "protocol"),
        ("a reserved bit", vec![text().rsv(4)], 1002, "protocol"),
        ("a reserved opcode", vec![Frame::new(5, "")], 1002, "protocol"),
        ("a reserved control opcode", vec![Frame::new(12, "")], 1002, "protocol"),
        ("a ping in fragments", vec![Frame::ping("").more()], 1002, "protocol"),
        ("a long ping", vec![Frame::ping([0; 126])], 1002, "protocol"),
        ("nothing to continue", vec![Frame::new(CONTINUATION, "x")], 1002, "protocol"),
        ("a message inside another", vec![text().more(), text()], 1002, "protocol"),
        ("text that is not UTF-8", vec![Frame::text(*b"\xff")], 1007, "not-utf8"),
        ("a close code of nobody", vec![Frame::close(999, b"")], 1002, "protocol"),
        ("a close code not for the wire", vec![Frame::close(1006, b"")], 1002, "protocol"),
        ("half a close code", vec![Frame::new(CLOSE, "x")], 1002, "protocol"),
        ("a reason that is not UTF-8", vec![Frame::close(1000, b"\xff")], 1007, "not-utf8"),
    ];
    for (name, frames, code, counter) in table {
        let scene = Scene::new().await?;
        let mut peer = Peer::open(scene.address(), "/ws").await?;
        for frame in frames {
            peer.frame(frame).await?;
        }
        let closed = close_code(&mut peer).await.context(name)?;
        ensure!(closed == code, "{name}: closed with {closed}");
        // Its answer may come too late.
        drop(peer.frame(Frame::close(code, b"")).await);
        ensure!(peer.next().await? == Seen::End, "{name}: TCP goes on");
        drop(peer);
        scene.unharmed(&[(&format!("/connections/ended/{counter}"), 1)]).await.context(name)?;
    }
    Ok(())
}

#[tokio::test]
async fn what_was_decided_before_a_bad_frame_is_still_written() -> Result<()> {
    let scene = Scene::new().await?;
    let mut peer = Peer::open(scene.address(), "/raw").await?;
    let both = [Frame::text("good").encode(), Frame::text("bad").rsv(1).encode()].concat();
    peer.send(&both).await?;
    ensure!(peer.text().await? == "good");
    ensure!(close_code(&mut peer).await? == 1002);
    scene.unharmed(&[("/connections/ended/protocol", 1)]).await
}

#[tokio::test]
async fn pings_go_between_fragments_and_many_fragments_are_one_message() -> Result<()> {
    let scene = Scene::new().await?;
    let mut peer = Peer::open(scene.address(), "/raw").await?;
    peer.frame(Frame::text("").more()).await?;
    for number in 0..2000 {
        peer.frame(Frame::new(CONTINUATION, "ab").more()).await?;
        if number % 100 == 0 {
            peer.frame(Frame::ping(number.to_string())).await?;
            let pong = Frame { masked: false, ..Frame::new(PONG, number.to_string()) };
            ensure!(peer.next().await? == Seen::Frame(pong));
        }
    }
    peer.frame(Frame::new(CONTINUATION, "")).await?;
    ensure!(peer.text().await? == "ab".repeat(2000));
    scene.unharmed(&[("/events/received", 1)]).await
}

#[tokio::test]
async fn fragments_together_may_not_be_larger_than_a_message() -> Result<()> {
    let scene =
        Scene::with(|settings| settings.limits.message = NonZeroUsize::new(1000).unwrap()).await?;
    let mut peer = Peer::open(scene.address(), "/raw").await?;
    peer.frame(Frame::text("x".repeat(600)).more()).await?;
    peer.frame(Frame::new(CONTINUATION, "x".repeat(600)).more()).await?;
    ensure!(close_code(&mut peer).await? == 1009);
    scene.unharmed(&[("/connections/ended/too-large", 1)]).await
}

#[tokio::test]
async fn a_peer_may_vanish_at_any_byte_of_a_frame() -> Result<()> {
    let scene = Scene::new().await?;
    let bytes = Frame::text("x".repeat(200)).encode();
    let places = [0, 1, 2, 3, 4, 5, 8, 100];
    for place in places {
        let mut reset = Peer::open(scene.address(), "/ws").await?;
        reset.send(&bytes[..place]).await?;
        reset.reset()?;
        let mut half = Peer::open(scene.address(), "/ws").await?;
        half.send(&bytes[..place]).await?;
        half.half_close().await?;
        half.ended().await?;
    }
    scene.unharmed(&[("/connections/ended/lost", 2 * places.len() as u64)]).await
}

#[tokio::test]
async fn a_flood_of_pings_and_pongs_is_read_on() -> Result<()> {
    let scene = Scene::new().await?;
    let mut peer = Peer::open(scene.address(), "/raw").await?;
    let flood = [Frame::new(PING, "p"), Frame::new(PONG, "q")].map(|frame| frame.encode()).concat();
    for _ in 0..20 {
        peer.send(&flood.repeat(500)).await?;
    }
    peer.frame(Frame::text("still here")).await?;
    ensure!(peer.text().await? == "still here");
    scene.unharmed(&[("/events/received", 1)]).await
}
