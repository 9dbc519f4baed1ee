//! How long a message may take to become whole, whatever it comes in.

use super::*;

/// Sends a piece every so often until the connection ends, answering nothing. After how many seconds, and the code.
async fn drip(every: Duration, piece: impl Fn(u32) -> Vec<u8>) -> (u64, Reason) {
    let mut bench = connect(Setup { dialect: Dialect::Raw, ..Setup::default() }).await;
    let started = time::Instant::now();
    let mut often = time::interval(every);
    for number in 0..100_000 {
        often.tick().await;
        if bench.ended.is_finished()
            || bench.peer.get_mut().write_all(&piece(number)).await.is_err()
        {
            break;
        }
    }
    (started.elapsed().as_secs(), bench.ended.await.unwrap())
}

/// A frame of a client, with a key of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    bytes.extend(payload);
    bytes
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn neither_tiny_fragments_nor_control_frames_between_them_win_time() {
    let fragments = |number| frame(if number == 0 { 0x02 } else { 0x00 }, b"x");
    let (seconds, reason) = drip(SECOND, fragments).await;
    assert_eq!(reason, Reason::Unfinished);
    assert!((30..=34).contains(&seconds), "{seconds}");
    let empty = |number| frame(if number == 0 { 0x02 } else { 0x00 }, b"");
    assert_eq!(drip(SECOND, empty).await.1, Reason::Unfinished);
    let pings = |number| if number == 0 { frame(0x02, b"x") } else { frame(0x89, b"p") };
    let (seconds, reason) = drip(SECOND, pings).await;
    assert_eq!(reason, Reason::Unfinished);
    assert!((30..=34).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn half_a_header_and_half_a_ping_have_their_time_too() {
    for begun in [
        vec![0x82],
        vec![0x89, 0x85, 0, 0],
        frame(0x82, b"whole").into_iter().chain([0x82]).collect(),
    ] {
        let piece = |number| if number == 0 { begun.clone() } else { Vec::new() };
        let (seconds, reason) = drip(SECOND, piece).await;
        assert_eq!(reason, Reason::Unfinished, "{begun:x?}");
        assert!((30..=34).contains(&seconds), "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_byte_a_second_is_too_slow_and_4_kib_a_second_is_not() {
    let header = [0x82, 0xFF, 0, 0, 0, 0, 0, 0x0F, 0, 0, 0, 0, 0, 0];
    let slow = |number| if number == 0 { header.to_vec() } else { vec![b'x'] };
    assert_eq!(drip(SECOND, slow).await.1, Reason::Unfinished);
    let steady = |number| if number == 0 { header.to_vec() } else { vec![b'x'; 4096] };
    let mut bench = connect(Setup { dialect: Dialect::Raw, ..Setup::default() }).await;
    let mut often = time::interval(SECOND);
    for number in 0..=240 {
        often.tick().await;
        bench.peer.get_mut().write_all(&steady(number)).await.unwrap();
    }
    let echo = bench.peer.next().await.unwrap().unwrap();
    assert_eq!(echo.len(), 0x0F_0000);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_whole_messages_may_always_have_begun_the_next() {
    let mut bench = connect(Setup { dialect: Dialect::Raw, ..Setup::default() }).await;
    let whole = frame(0x82, b"x");
    let mut often = time::interval(10 * SECOND);
    for round in 0..60 {
        often.tick().await;
        // The second half of one and the first half of the next.
        let next = [&whole[3..], &whole[..3]].concat();
        let bytes = if round == 0 { [&whole[..3], &next].concat() } else { next };
        bench.peer.get_mut().write_all(&bytes).await.unwrap();
        let _echo = bench.peer.next().await.unwrap().unwrap();
    }
    assert!(!bench.ended.is_finished());
}
