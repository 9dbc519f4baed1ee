//! WebSocket conformance of `/raw`: the case list of the Autobahn test suite, sections 1 to 7, 9 and 10.
//!
//! Cases have Autobahn's numbers and check what Autobahn checks: what is echoed, in which order, and how the connection
//! ends. They are ours: with a frame writer of our own, so that nothing is fixed on the way, and always on. How the
//! suite itself is run is told in `docs/autobahn.md`.

mod closing;
mod frames;
mod large;
mod utf8;

use anyhow::{Context, Result, bail, ensure};
use std::{net::SocketAddr, num::NonZeroUsize};
use support::{
    frames::{BINARY, CLOSE, Frame, PONG, TEXT},
    gateway,
    peer::{Peer, Seen, close_of},
};
use tengen_settings::Settings;

/// What one case sends and must see.
struct Case {
    id: String,
    steps: Vec<Step>,
    end: End,
}

enum Step {
    Send(Vec<u8>),
    /// In writes of so many bytes.
    Pieces(Vec<u8>, usize),
    /// Nothing but this comes next.
    Echo(u8, Vec<u8>),
    Pong(Vec<u8>),
    /// The frames and their echo, so many times.
    RoundTrips(u32, Vec<u8>, u8, Vec<u8>),
}

enum End {
    /// We close with 1000, and are answered so.
    Ours,
    /// The gateway closes, with this code.
    Theirs(u16),
    /// Our close frame is among what was sent; it is answered with one of these codes.
    Answered(Vec<u16>),
    /// Our close frame is answered after whatever else is still said, with any code.
    Sometime,
}

fn case(id: impl Into<String>, steps: Vec<Step>, end: End) -> Case {
    Case { id: id.into(), steps, end }
}

/// The frames in one write.
fn send(frames: &[Frame]) -> Step {
    Step::Send(frames.iter().flat_map(Frame::encode).collect())
}

/// The frames byte by byte.
fn bytewise(frames: &[Frame]) -> Step {
    Step::Pieces(frames.iter().flat_map(Frame::encode).collect(), 1)
}

fn echo(text: &str) -> Step {
    Step::Echo(TEXT, text.into())
}

fn pong(payload: &[u8]) -> Step {
    Step::Pong(payload.to_vec())
}

async fn run(address: SocketAddr, case: &Case) -> Result<()> {
    let mut peer = Peer::open(address, "/raw").await?;
    for step in &case.steps {
        match step {
            Step::Send(bytes) => peer.send(bytes).await?,
            Step::Pieces(bytes, size) => peer.send_in_pieces(bytes, *size).await?,
            Step::Echo(opcode, payload) => expect(&mut peer, *opcode, payload).await?,
            Step::Pong(payload) => expect(&mut peer, PONG, payload).await?,
            Step::RoundTrips(times, bytes, opcode, payload) => {
                for _ in 0..*times {
                    peer.send(bytes).await?;
                    expect(&mut peer, *opcode, payload).await?;
                }
            }
        }
    }
    end(&mut peer, &case.end).await
}

async fn expect(peer: &mut Peer, opcode: u8, payload: &[u8]) -> Result<()> {
    match peer.next().await? {
        Seen::Frame(frame) if frame.opcode == opcode && frame.payload == payload => {
            ensure!(frame.fin, "the answer is fragmented");
            Ok(())
        }
        Seen::Frame(frame) => bail!(
            "expected opcode {opcode} with {} bytes, got opcode {} with {}: {:?}",
            payload.len(),
            frame.opcode,
            frame.payload.len(),
            frame.payload.get(..frame.payload.len().min(80))
        ),
        other => bail!("expected opcode {opcode} with {} bytes, got {other:?}", payload.len()),
    }
}

/// Who closes, with which code; and the gateway ends the TCP connection, so that the client need not wait in TIME_WAIT.
async fn end(peer: &mut Peer, end: &End) -> Result<()> {
    let codes = match end {
        End::Ours => {
            peer.frame(Frame::close(1000, b"")).await?;
            vec![1000]
        }
        End::Theirs(code) => vec![*code],
        End::Answered(codes) => codes.clone(),
        End::Sometime => {
            peer.closed().await?;
            return peer.ended().await;
        }
    };
    match peer.next().await? {
        Seen::Frame(frame) if frame.opcode == CLOSE => {
            let (code, _) = close_of(&frame)?;
            let frame = Frame { masked: true, ..frame };
            ensure!(codes.contains(&code), "closed with {code}, not with one of {codes:?}");
            if matches!(end, End::Theirs(_)) {
                // Its answer may come too late, which is no mistake of anybody's.
                drop(peer.frame(frame).await);
            }
        }
        other => bail!("expected a close frame, got {other:?}"),
    }
    let after = peer.next().await.context("the TCP connection stays open")?;
    ensure!(after == Seen::End, "expected the end of the TCP connection, got {after:?}");
    Ok(())
}

/// Runs a section's cases, each on a connection of its own; the failed ones are named by their numbers.
async fn check(cases: Vec<Case>) {
    let mut settings = Settings { admin: None, ..Settings::default() };
    settings.limits.message = NonZeroUsize::new(32 << 20).unwrap();
    let gateway = gateway::start(settings).await.unwrap();
    let mut failed = Vec::new();
    for case in &cases {
        if let Err(error) = run(gateway.address(), case).await {
            failed.push(format!("{}: {error:#}", case.id));
        }
    }
    assert!(
        failed.is_empty(),
        "{} of {} failed:\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
    gateway.drain().await;
}

#[tokio::test]
async fn section_1_messages_are_echoed() {
    check(frames::messages()).await;
}

#[tokio::test]
async fn section_2_pings_are_answered() {
    check(frames::pings()).await;
}

#[tokio::test]
async fn section_3_reserved_bits_are_refused() {
    check(frames::reserved_bits()).await;
}

#[tokio::test]
async fn section_4_reserved_opcodes_are_refused() {
    check(frames::reserved_opcodes()).await;
}

#[tokio::test]
async fn section_5_fragments_are_put_together() {
    check(frames::fragmentation()).await;
}

#[tokio::test]
async fn section_6_text_is_utf8() {
    check(utf8::cases()).await;
}

#[tokio::test]
async fn section_7_connections_are_closed_in_order() {
    check(closing::cases()).await;
}

#[tokio::test]
async fn section_9_large_messages_are_echoed() {
    check(large::whole()).await;
}

#[tokio::test]
async fn section_9_large_messages_in_fragments_are_echoed() {
    check(large::in_fragments()).await;
}

#[tokio::test]
async fn section_9_large_messages_in_pieces_are_echoed() {
    check(large::in_pieces()).await;
}

#[tokio::test]
async fn section_9_round_trips_end() {
    check(large::round_trips()).await;
}

#[tokio::test]
async fn section_10_a_message_in_1300_byte_fragments_is_echoed() {
    check(large::section_10()).await;
}

#[test]
fn the_table_has_autobahns_cases() {
    let cases = [
        frames::messages(),
        frames::pings(),
        frames::reserved_bits(),
        frames::reserved_opcodes(),
        frames::fragmentation(),
        utf8::cases(),
        closing::cases(),
        large::names_only(),
    ];
    let ids: std::collections::BTreeSet<_> =
        cases.iter().flatten().map(|case| case.id.as_str()).collect();
    let count = |section: &str| ids.iter().filter(|id| id.starts_with(section)).count();
    let sections = ["1.", "2.", "3.", "4.", "5.", "6.", "7.", "9.", "10."];
    assert_eq!(sections.map(count), [16, 11, 7, 10, 20, 145, 37, 54, 1]);
    assert_eq!(cases.iter().flatten().count(), 301, "no number twice");
}

/// Both kinds of messages, for tables.
const KINDS: [u8; 2] = [TEXT, BINARY];
