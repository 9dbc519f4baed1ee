//! Clients that come back on another connection.

use super::*;
use std::net::IpAddr;

const TAB: &str = "client-1";

async fn sente() -> Bench {
    let (dialect, format) = (Dialect::Sente, Encoding::Edn);
    let mut bench = connect(Setup { dialect, format, client: Some(TAB), ..Setup::default() }).await;
    bench.text().await;
    bench
}

/// A connection of this client instance, from this address, opens beside.
fn come_back(bench: &Bench, client: &str, address: impl Into<IpAddr>) {
    let old = &bench.link.facts;
    let facts = Arc::new(Connection {
        handle: bench.hub.reserve().unwrap(),
        id: ConnectionId::from_bytes([8; 16]),
        user: None,
        endpoint: Arc::clone(&old.endpoint),
        endpoint_index: old.endpoint_index,
        peer: (address.into(), 2).into(),
        dialect: old.dialect,
        more: Vec::new(),
        upgrade: None,
        waiting: Waiting::default(),
        data: Data::default(),
    });
    let link = Link::new(facts, bench.link.wire, Outbox::default(), Vec::new());
    link.set_client(client.to_owned());
    bench.hub.open(&Arc::new(link));
}

const SAME: [u8; 4] = [127, 0, 0, 1];

#[tokio::test(start_paused = true)]
async fn a_live_connection_whose_client_comes_back_is_asked_once_and_stays() {
    let mut bench = sente().await;
    let started = time::Instant::now();
    come_back(&bench, TAB, SAME);
    assert_eq!(bench.text().await, "[:chsk/ws-ping nil]");
    assert_eq!(started.elapsed().as_millis(), 0, "at once");
    bench.send("[[:chsk/ws-pong] nil]").await;
    bench.send(r#"[[:my/ask 1] "cb"]"#).await;
    assert_eq!(bench.text().await, r#"[1 "cb"]"#);
    for _ in 0..10 {
        assert_eq!(bench.text().await, "[:chsk/ws-ping nil]", "by the clock, as ever");
        bench.send("[[:chsk/ws-pong] nil]").await;
    }
    assert!(started.elapsed() >= Duration::from_secs(120));
    assert!(!bench.ended.is_finished());
}

/// Neither reads nor answers anything until it has ended: why, and when.
async fn dies(bench: Bench, started: time::Instant) -> (Reason, Duration) {
    let Bench { ended, peer, .. } = bench;
    let reason = ended.await.unwrap();
    drop(peer);
    (reason, started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_dead_connection_whose_client_comes_back_is_replaced_before_its_time() {
    let bench = sente().await;
    let started = time::Instant::now();
    come_back(&bench, TAB, SAME);
    let (reason, after) = dies(bench, started).await;
    assert_eq!((reason.code(), reason), (4002, Reason::Replaced));
    assert!(after < Duration::from_millis(22_500), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn strangers_who_know_an_id_change_nothing() {
    let bench = sente().await;
    let started = time::Instant::now();
    for last in 1..=100 {
        come_back(&bench, TAB, [10, 0, 0, last]);
        come_back(&bench, "client-2", SAME);
    }
    let (reason, after) = dies(bench, started).await;
    assert_eq!((reason.code(), reason), (4001, Reason::HeartbeatMissed));
    assert!(after >= Duration::from_millis(22_500), "{after:?}");
}
