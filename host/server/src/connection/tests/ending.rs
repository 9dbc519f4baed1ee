//! Connections whose authentication ends.

use super::*;

fn until(seconds: u64, dialect: Dialect) -> Setup {
    let format = *dialect.profile().formats.first().expect("frames are in some format");
    Setup { dialect, format, ends: Some(Duration::from_secs(seconds)), ..Setup::default() }
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_its_authentication_whatever_it_speaks() {
    for dialect in [Dialect::Tengen, Dialect::Sente, Dialect::Raw] {
        let started = time::Instant::now();
        let mut bench = connect(until(5, dialect)).await;
        assert_eq!(bench.close_code().await, 4003, "{dialect:?}");
        assert_eq!(started.elapsed().as_secs(), 5);
        assert_eq!(bench.ended.await.unwrap(), Reason::TokenEnded);
        let ended = bench.hub.meter.counts(Metric::ClosedConnections);
        assert_eq!(ended, [(vec!["token-ended".into(), "4003".into()], 1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_answers_every_ping_ends_all_the_same() {
    let mut bench = connect(until(60, Dialect::Sente)).await;
    let started = time::Instant::now();
    bench.text().await;
    for _ in 0..4 {
        assert_eq!(bench.text().await, "[:chsk/ws-ping nil]");
        bench.send("[[:chsk/ws-pong] nil]").await;
    }
    assert_eq!(bench.close_code().await, 4003);
    assert_eq!(started.elapsed().as_secs(), 60);
}

// The process was paused, or the machine busy: the event is there before the timer is looked at.
#[tokio::test(start_paused = true)]
async fn what_is_read_after_the_end_is_not_decided_about() {
    let mut bench = connect(until(5, Dialect::Tengen)).await;
    bench.text().await;
    bench.send(r#"[["a/b",1],"cb"]"#).await;
    time::advance(Duration::from_secs(5)).await;
    assert_eq!(bench.close_code().await, 4003);
    assert_eq!(bench.hub.meter.sum(Metric::ReceivedEvents), 0);
}

#[tokio::test(start_paused = true)]
async fn an_authentication_that_ended_before_the_connection_began_serves_nothing() {
    let mut bench = connect(until(0, Dialect::Tengen)).await;
    bench.send(r#"[["a/b",1],"cb"]"#).await;
    assert_eq!(bench.close_code().await, 4003);
    assert_eq!(bench.hub.meter.sum(Metric::ReceivedEvents), 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_queued_before_the_end_is_written_before_the_close() {
    let mut bench = connect(until(5, Dialect::Tengen)).await;
    bench.text().await;
    time::advance(Duration::from_millis(4999)).await;
    bench.hub.push_to(
        &bench.link,
        &"a/b".into(),
        &tengen_wire::payload::Payload::new(Encoding::Json, &b"7"[..]),
    );
    assert_eq!(bench.text().await, r#"[[["a/b",7]],null]"#);
    assert_eq!(bench.close_code().await, 4003);
}
