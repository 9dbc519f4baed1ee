//! How long a peer is waited for that takes what it is sent slowly.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A kernel that holds so much for the peer, and takes nothing from others than the task.
#[derive(Debug, Default)]
pub(super) struct Kernel(AtomicUsize);

impl Shortcut for Kernel {
    fn try_write(&self, _: &[u8]) -> std::io::Result<usize> {
        Err(std::io::ErrorKind::WouldBlock.into())
    }

    fn untaken(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Bench {
    fn push(&self, bytes: usize) {
        let text = serde_json::json!("x".repeat(bytes));
        self.hub.push_to(&self.link, &"a/b".into(), &tengen_wire::payload::Payload::json(&text));
    }

    /// Reads so many bytes every second until the connection ends; after how many seconds it did.
    async fn read_slowly(&mut self, bytes: usize, most: u64) -> Option<u64> {
        let mut every = time::interval(Duration::from_secs(1));
        let mut some = vec![0; bytes];
        for second in 0..most {
            every.tick().await;
            if self.ended.is_finished() {
                return Some(second);
            }
            let read = self.peer.get_mut().read_exact(&mut some);
            if time::timeout(Duration::from_millis(900), read).await.is_ok_and(|read| read.is_err())
            {
                return Some(second);
            }
        }
        None
    }
}

fn narrow() -> Setup {
    Setup { pipe: 1024, ..Setup::default() }
}

#[tokio::test(start_paused = true)]
async fn a_slow_and_steady_reader_stays_and_gets_everything() {
    for dialect in [Dialect::Tengen, Dialect::Sente] {
        let format = if dialect == Dialect::Sente { Encoding::Edn } else { Encoding::Json };
        let mut bench = connect(Setup { dialect, format, ..narrow() }).await;
        for _ in 0..10 {
            bench.push(60_000);
        }
        assert_eq!(bench.read_slowly(2048, 280).await, None, "{dialect:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_takes_a_byte_a_second_is_closed() {
    let mut bench = connect(narrow()).await;
    bench.push(60_000);
    let ended = bench.read_slowly(1, 300).await;
    assert!(matches!(ended, Some(10..=14)), "{ended:?}");
    assert_eq!(bench.ended.await.unwrap(), Reason::SlowConsumer);
    assert_eq!(bench.hub.meter.sum(Metric::SlowConnections), 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_was_fast_and_then_takes_a_byte_a_second_is_closed() {
    let mut bench = connect(narrow()).await;
    for _ in 0..10 {
        bench.push(60_000);
    }
    assert_eq!(bench.read_slowly(4096, 60).await, None);
    let ended = bench.read_slowly(1, 300).await;
    assert!(matches!(ended, Some(10..=90)), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_of_the_process_nobody_is_closed_for_what_it_could_not_take_meanwhile() {
    let mut bench = connect(narrow()).await;
    bench.push(60_000);
    bench.peer.get_mut().read_u8().await.unwrap();
    time::advance(Duration::from_secs(300)).await;
    assert_eq!(bench.read_slowly(2048, 20).await, None);
}

#[tokio::test(start_paused = true)]
async fn one_whose_kernel_still_takes_what_was_written_before_the_ping_is_not_given_up() {
    let kernel = Arc::new(Kernel::default());
    let setup = Setup { kernel: Some(Arc::clone(&kernel)), pipe: 1 << 20, ..Setup::default() };
    let mut bench = connect(setup).await;
    bench.push(200_000);
    bench.peer.get_mut().read_u8().await.unwrap();
    // 200,000 bytes lie in front of the ping, and the peer takes 1,000 of them a second.
    for left in (0..200).rev() {
        kernel.0.store(left * 1000, Ordering::Relaxed);
        let second = time::timeout(Duration::from_secs(1), std::future::pending::<()>());
        assert!(second.await.is_err());
        assert!(!bench.ended.is_finished(), "{left}");
    }
    // Nothing is in the way any more: now it is given up as any other.
    let ended = time::timeout(Duration::from_secs(90), bench.ended).await;
    assert_eq!(ended.expect("given up").unwrap(), Reason::HeartbeatMissed);
}

/// How long the goodbye lasts while the peer takes what the kernel holds, as `left` says of each second.
async fn goodbye(left: impl Fn(u64) -> u64) -> u64 {
    let kernel = Arc::new(Kernel::default());
    kernel.0.store(left(0) as usize, Ordering::Relaxed);
    let bench = connect(Setup { kernel: Some(Arc::clone(&kernel)), ..Setup::default() }).await;
    let mut every = time::interval(Duration::from_secs(1));
    every.tick().await;
    bench.link.close(Reason::Drained);
    for second in 1.. {
        every.tick().await;
        if bench.ended.is_finished() {
            return second;
        }
        kernel.0.store(left(second) as usize, Ordering::Relaxed);
    }
    unreachable!("a goodbye has an end")
}

#[tokio::test(start_paused = true)]
async fn a_goodbye_lasts_while_the_peer_takes_what_was_written_before_but_not_for_ever() {
    assert_eq!(goodbye(|_| 100_000).await, 3, "it takes nothing");
    let ended = goodbye(|second| 100_000_u64.saturating_sub(8_000 * second)).await;
    assert!((13..=17).contains(&ended), "ended after {ended} s");
    let ended = goodbye(|second| 100_000 - second).await;
    assert!((30..=32).contains(&ended), "ended after {ended} s");
}
