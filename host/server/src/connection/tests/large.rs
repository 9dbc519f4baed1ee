//! Large messages wait for each other, and nobody else waits for them.

use super::*;
use crate::connection::large::{Place, Wait};
use futures_util::FutureExt as _;
use std::{
    io,
    sync::atomic::{AtomicUsize, Ordering},
};
use tengen_settings::Memory;
use tengen_wire::websocket::Unfinished;
use tokio::{
    io::ReadBuf,
    time::{sleep, timeout},
};

const LONG: Duration = Duration::from_secs(5);

fn large(callback: &str) -> String {
    format!(r#"[["a/b","{}"],"{callback}"]"#, "x".repeat(100_000))
}

/// A place in the line, as a connection has it while it is at a large message.
fn place(line: &Line) -> Place {
    let frame = Frame { text: true, body: vec![b'x'; 100_000].into() };
    line.enter(frame).ok().and_then(|entered| entered.place).expect("nobody else is in the line")
}

/// A place as a connection has it while it reads more of a large message, if there is one.
fn place_to_read(line: &Line) -> Option<Place> {
    let message = Unfinished { number: 1, bytes: 32 << 10 };
    let mut wait = Wait::default();
    let place = std::future::poll_fn(|cx| line.poll_read(Some(message), &mut wait, cx));
    place.now_or_never().flatten()
}

async fn with(line: &Line) -> Bench {
    let mut bench = connect(Setup { line: line.clone(), pipe: 1 << 20, ..Setup::default() }).await;
    assert!(bench.text().await.contains("chsk/handshake"));
    bench
}

#[tokio::test(start_paused = true)]
async fn a_large_message_waits_for_another_and_small_ones_go_in_between() {
    let line = Line::for_workers(1);
    let (mut one, mut other) = (with(&line).await, with(&line).await);
    let taken = place(&line);
    one.send(&large("cb")).await;
    one.send(r#"[["a/b",1],"behind"]"#).await;
    assert!(timeout(LONG, one.text()).await.is_err(), "another one is at it");
    other.send(r#"[["a/b",2],"cb"]"#).await;
    assert_eq!(other.text().await, r#"[2,"cb"]"#);
    drop(taken);
    assert!(one.text().await.ends_with(r#"x","cb"]"#));
    assert_eq!(one.text().await, r#"[1,"behind"]"#);
    assert!(place(&line).num_permits() == 1, "it has given its place back");
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_the_line_is_counted_and_leaves_it_with_its_connection() {
    let line = Line::for_workers(1);
    let taken = place(&line);
    let mut gone = with(&line).await;
    gone.send(&large("cb")).await;
    assert!(timeout(LONG, gone.text()).await.is_err());
    assert!(gone.link.facts.waiting.holding.bytes() >= 98_304, "it holds the message");
    gone.link.close(Reason::Drained);
    gone.ended.await.unwrap();
    drop(taken);
    assert_eq!(place(&line).num_permits(), 1);
}

#[tokio::test(start_paused = true)]
async fn several_large_messages_of_one_peer_are_several_turns() {
    let line = Line::for_workers(1);
    let (mut one, mut other) = (with(&line).await, with(&line).await);
    for callback in ["1", "2", "3"] {
        one.send(&large(callback)).await;
        other.send(&large(callback)).await;
    }
    for callback in ["1", "2", "3"] {
        let end = format!(r#"x","{callback}"]"#);
        assert!(one.text().await.ends_with(&end));
        assert!(other.text().await.ends_with(&end));
    }
}

#[tokio::test(start_paused = true)]
async fn who_says_goodbye_keeps_no_place_in_the_line() {
    let line = Line::for_workers(1);
    let taken = place(&line);
    let limits =
        Limits { memory: Memory::Bytes(NonZeroUsize::new(400_000).unwrap()), ..Limits::default() };
    let setup = Setup { line: line.clone(), pipe: 1 << 20, limits, ..Setup::default() };
    let mut shed = connect(setup).await;
    assert!(shed.text().await.contains("chsk/handshake"));
    shed.send(&large("cb")).await;
    sleep(Duration::from_millis(10)).await;
    let holding = &shed.link.facts.waiting.holding;
    assert!(holding.bytes() >= 64 << 10, "the message waits in the line");
    // Something else of the same connection is large, too.
    holding.changed(0, 300_000);
    assert!(timeout(Duration::from_millis(100), shed.hub.keep_memory()).await.is_err());
    assert_eq!(shed.hub.meter.sum(Metric::ShedConnections), 1);
    assert!(!shed.ended.is_finished(), "the peer has not answered the close frame");
    assert!(holding.bytes() < 300_000 + (16 << 10), "the message is let go of");
    drop(taken);
    assert_eq!(place(&line).num_permits(), 1);
}

#[tokio::test]
async fn a_turn_reads_a_part_of_a_large_message_and_comes_again() {
    // The header of a message of 4 MiB.
    let header = [0x82, 0xff, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0];
    // There is always more.
    let stream = tokio::io::join(tokio::io::repeat(0), tokio::io::sink());
    let mut socket = Socket::new(stream, None, &header, 8 << 20);
    let mut turns = 0;
    let message = std::future::poll_fn(|cx| {
        turns += 1;
        socket.begin_turn();
        let polled = socket.poll_receive(cx);
        assert!(polled.is_ready() || socket.is_exhausted(), "it pauses by itself");
        cx.waker().wake_by_ref();
        polled
    });
    let Ok(Read::Frame(frame)) = message.await else { panic!("a message") };
    assert_eq!(frame.body.len(), 4 << 20);
    assert!((120..=140).contains(&turns), "a piece of 32 KiB at a time: {turns}");
}

#[tokio::test]
async fn who_steps_aside_keeps_no_place() {
    let line = Line::for_workers(3);
    let taken = place(&line);
    let frame = || Frame { text: true, body: vec![b'x'; 70_000].into() };
    let mut first = line.enter(frame()).expect_err("one of three workers is enough");
    let mut second = line.enter(frame()).expect_err("one of three workers is enough");
    let poll =
        |message: &mut InLine| std::future::poll_fn(|cx| message.poll(cx)).now_or_never().is_some();
    assert!(!poll(&mut first) && !poll(&mut second));
    first.step_aside();
    drop(taken);
    assert!(poll(&mut second), "its turn has come, although another one was first");
    let small = Frame { text: true, body: vec![b'x'; 1000].into() };
    assert!(line.enter(small).is_ok_and(|entered| entered.place.is_none()), "small ones need none");
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_large_message_is_read_in_turn_and_small_ones_go_in_between() {
    let line = Line::for_workers(1);
    let (mut one, mut other) = (with(&line).await, with(&line).await);
    let taken = place_to_read(&line).expect("nobody reads");
    one.send(&large("cb")).await;
    assert!(timeout(LONG, one.text()).await.is_err(), "another one reads");
    let held = one.link.facts.waiting.holding.bytes();
    assert!((32 << 10..100_000).contains(&held), "it stopped after a turn: {held}");
    other.send(r#"[["a/b",2],"cb"]"#).await;
    assert_eq!(other.text().await, r#"[2,"cb"]"#);
    drop(taken);
    assert!(one.text().await.ends_with(r#"x","cb"]"#));
    assert!(place_to_read(&line).is_some(), "it has given its place back");
}

#[tokio::test(start_paused = true)]
async fn who_waits_to_read_leaves_the_line_with_its_connection() {
    let line = Line::for_workers(1);
    let taken = place_to_read(&line);
    let mut gone = with(&line).await;
    gone.send(&large("cb")).await;
    assert!(timeout(LONG, gone.text()).await.is_err());
    gone.link.close(Reason::Drained);
    gone.ended.await.unwrap();
    drop(taken);
    assert!(place_to_read(&line).is_some());
}

#[tokio::test(start_paused = true)]
async fn who_may_not_read_any_more_keeps_no_place_to_read() {
    let line = Line::for_workers(1);
    let taken = place_to_read(&line);
    let limits =
        Limits { memory: Memory::Bytes(NonZeroUsize::new(400_000).unwrap()), ..Limits::default() };
    let setup = Setup { line: line.clone(), pipe: 1 << 20, limits, ..Setup::default() };
    let mut paused = connect(setup).await;
    assert!(paused.text().await.contains("chsk/handshake"));
    let mut other = with(&line).await;
    paused.send(&large("first")).await;
    sleep(Duration::from_millis(10)).await;
    other.send(&large("second")).await;
    sleep(Duration::from_millis(10)).await;
    // Something else of the same connection is large, and memory is full.
    paused.link.facts.waiting.holding.changed(0, 380_000);
    // Its clock wakes it once.
    sleep(Duration::from_secs(26)).await;
    drop(taken);
    let answer = timeout(LONG, other.text()).await.expect("its turn has come");
    assert!(answer.contains("ping") || answer.ends_with(r#"x","second"]"#), "{answer}");
}

/// A stream that counts what is read from it.
pub(super) struct Counted {
    pub(super) io: DuplexStream,
    pub(super) read: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, into);
        self.read.fetch_add(into.filled().len() - before, Ordering::Relaxed);
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_ping_waits_for_few_turns_of_those_who_send_much() {
    const MANY: usize = 50;
    const TURN: usize = 32 << 10;
    let (line, read) = (Line::for_workers(1), Arc::<AtomicUsize>::default());
    let with = async || {
        let (line, read) = (line.clone(), Arc::clone(&read));
        let mut bench = connect(Setup { line, read, pipe: 1 << 20, ..Setup::default() }).await;
        assert!(bench.text().await.contains("chsk/handshake"));
        bench
    };
    let (mut crowd, mut near) = (Vec::new(), with().await);
    let text = format!(r#"[["a/b","{}"],"cb"]"#, "x".repeat(900_000));
    // A masked text frame with eight bytes for its length.
    let header = [&[0x81, 0xff][..], &(text.len() as u64).to_be_bytes(), &[0; 4]].concat();
    let frame = [&header, text.as_bytes()].concat();
    let (begin, rest) = frame.split_at(40_000);
    for _ in 0..MANY {
        let mut bench = with().await;
        bench.peer.get_mut().write_all(begin).await.unwrap();
        crowd.push(bench);
    }
    sleep(Duration::from_millis(1)).await;
    let began = read.load(Ordering::Relaxed);
    let (counted, rest) = (Arc::clone(&read), rest.to_vec());
    // In a task like the others: the test itself is looked at after 61 turns only.
    #[expect(clippy::disallowed_methods, reason = "the test waits for the task")]
    let asking = tokio::spawn(async move {
        for bench in &mut crowd {
            bench.peer.get_mut().write_all(&rest).await.unwrap();
        }
        // Now all of them are ready.
        near.send(r#"[["chsk/ws-ping"],"p"]"#).await;
        assert_eq!(near.text().await, r#"["pong","p"]"#);
        (crowd, counted.load(Ordering::Relaxed))
    });
    let (mut crowd, now) = asking.await.unwrap();
    let turns = (now - began) / TURN;
    assert!((1..=5).contains(&turns), "{turns} turns of others went first");
    for bench in &mut crowd {
        assert!(bench.text().await.ends_with(r#"x","cb"]"#), "nobody is forgotten");
    }
}
