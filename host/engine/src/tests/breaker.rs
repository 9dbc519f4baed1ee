//! A plugin that keeps failing is left out of the path and comes back; one client alone cannot do that to the others.

use super::{guests::PICKY, hostile::Log, *};
use std::fs;

/// Sends a message of each of these connections that the guest traps on, until it is left out.
async fn break_it(running: &mut Running, connections: std::ops::Range<u32>) {
    for handle in connections {
        running.offer(message(&connection(handle), "a/b", "x", handle));
        running.decided().await;
    }
}

/// The pause is over, and its instance runs: before that, events are still declined.
fn is_tried(status: &Status) -> bool {
    status.breaker == Phase::HalfOpen && status.state == State::Running
}

#[tokio::test]
async fn a_plugin_that_keeps_failing_is_left_out_and_comes_back() {
    let (log, _reading) = Log::open();
    let mut running = run(&Guest::handling(PICKY)).await;
    break_it(&mut running, 1..9).await;
    let status = running.status();
    assert_eq!((status.breaker, status.state), (Phase::Open, State::Unavailable), "{status:?}");
    assert_eq!(status.health(), Health::BreakerOpen);
    assert_eq!((status.breaker_opened, status.errors), (1, 8), "{status:?}");
    let why = running.try_offer(message(&connection(9), "a/b", "1", 9)).expect_err("not now");
    assert_eq!(why.id, FaultId::PluginUnavailable);
    assert!(why.retry_after.is_some_and(|wait| wait <= Duration::from_millis(320)), "{why:?}");
    assert_eq!(running.status().calls, status.calls, "the guest is not called");

    wait(&running, is_tried).await;
    for number in 1..=3 {
        running.offer(message(&connection(9), "a/b", "1", number));
        assert_eq!(running.decided().await, [format!("r{number}")]);
    }
    wait(&running, |status| status.breaker == Phase::Closed).await;
    assert_eq!(running.status().state, State::Running);
    let text = log.text();
    for said in ["is left out of the path", "with one event at a time", "is back in the path"] {
        assert!(text.contains(said), "`{said}` is not in: {text}");
    }
}

#[tokio::test]
async fn a_plugin_that_fails_its_trials_is_left_out_for_longer() {
    let mut running = run(&Guest::handling(PICKY)).await;
    break_it(&mut running, 1..9).await;
    wait(&running, is_tried).await;
    break_it(&mut running, 11..13).await;
    let status = running.status();
    assert_eq!((status.breaker, status.breaker_opened), (Phase::Open, 2));
    let why = running.try_offer(message(&connection(9), "a/b", "1", 9)).expect_err("not now");
    assert!(why.retry_after.is_some_and(|wait| wait > Duration::from_millis(320)), "{why:?}");
}

#[tokio::test]
async fn one_client_alone_is_left_alone_and_costs_nobody_else_the_plugin() {
    let mut running = run(&Guest::handling(PICKY)).await;
    let (poison, peer) = (connection(1), connection(2));
    let mut broken = 0;
    for number in 1..=40 {
        if running.try_offer(message(&poison, "a/b", "x", 1)).is_ok() {
            broken += 1;
            while !running.decided().await.contains(&"f:plugin-failed".to_owned()) {}
        }
        running.offer(message(&peer, "a/b", "1", number));
        assert_eq!(running.decided().await, [format!("r{number}")]);
    }
    let status = running.status();
    assert_eq!((status.breaker, status.breaker_opened), (Phase::Closed, 0), "{status:?}");
    assert_eq!((broken, status.shunned_connections, status.errors), (8, 1, 8), "{status:?}");
    assert_eq!(declined(&running, message(&poison, "a/b", "1", 2)), FaultId::PluginFailed);
}

#[tokio::test]
async fn another_version_begins_with_a_closed_breaker() {
    let mut running = run(&Guest::handling(PICKY)).await;
    break_it(&mut running, 1..9).await;
    let other = Guest { items: "(data (i32.const 9000) \"b\")", ..Guest::handling(PICKY) };
    fs::write(&running.file, other.component()).expect("written");
    running.plugin.reload(None).await.expect("it is replaced");
    assert_eq!((running.status().breaker, running.status().state), (Phase::Closed, State::Running));
    running.offer(message(&connection(9), "a/b", "1", 9));
    assert_eq!(running.decided().await, ["r9"]);
}
