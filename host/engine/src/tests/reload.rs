//! A new version takes over between two calls, or the old one goes on.

use super::*;
use crate::Reloaded;
use std::fs;

/// Two components that differ only in a byte that nobody reads.
fn versions() -> [Vec<u8>; 2] {
    ["(data (i32.const 9000) \"a\")", "(data (i32.const 9000) \"b\")"]
        .map(|items| Guest { items, ..Guest::handling(guests::PICKY) }.component())
}

#[tokio::test]
async fn every_event_is_answered_once_across_reloads() {
    let [first, second] = versions();
    let mut running =
        load(&first, |settings| settings.deadline = Duration::from_secs(5)).await.expect("it runs");
    let peer = connection(1);
    running.recorder.open.lock().expect("not poisoned").push(Arc::clone(&peer));
    let (mut sent, mut replies) = (0, Vec::new());
    for round in 0..20 {
        for _ in 0..100 {
            sent += 1;
            running.offer(message(&peer, "a/b", "1", sent));
        }
        fs::write(&running.file, if round % 2 == 0 { &second } else { &first }).expect("written");
        let reloaded = running.plugin.reload(None).await.expect("the other version");
        assert!(
            matches!(reloaded, Reloaded::Replaced { generation, .. } if generation == round + 2),
            "{reloaded:?}"
        );
        while let Ok(acted) = running.acted.try_recv() {
            replies.extend(acted.decided);
        }
    }
    while replies.len() < 2000 {
        replies.extend(running.decided().await);
    }
    assert_eq!(replies, (1..=2000).map(|number| format!("r{number}")).collect::<Vec<_>>());
    let status = running.status();
    assert_eq!(
        (status.reloads, status.failed_reloads, status.generation, status.errors),
        (20, 0, 21, 0)
    );
}

#[tokio::test]
async fn a_version_that_does_not_run_never_replaces_one_that_does() {
    let [first, _] = versions();
    let mut running =
        load(&first, |settings| settings.deadline = Duration::from_secs(5)).await.expect("it runs");
    let revision = running.status().revision;
    let bad: [(Vec<u8>, &str); 5] = [
        (Vec::new(), "empty"),
        (first.get(..first.len() - 1).expect("most").to_vec(), "middle of a section"),
        (Guest { start: "unreachable", ..Guest::default() }.component(), "`start` failed"),
        (Guest { start: "(i32.const 192)", ..Guest::default() }.component(), "not today"),
        (Guest { describe: "unreachable", ..Guest::default() }.component(), "`describe` failed"),
    ];
    for (number, (bytes, expected)) in (1..).zip(bad) {
        fs::write(&running.file, bytes).expect("written");
        let error = running.plugin.reload(None).await.expect_err("it is broken").explain();
        assert!(error.contains(expected), "{error}");
        let status = running.status();
        assert_eq!(
            (status.failed_reloads, status.generation, &status.revision),
            (number, 1, &revision)
        );
        assert!(status.last_error.expect("it is shown").message.contains(expected));
        running.offer(message(&connection(1), "a/b", "1", 1));
        assert_eq!(running.decided().await, ["r1"]);
    }
    fs::remove_file(&running.file).expect("deleted");
    assert!(
        running
            .plugin
            .reload(None)
            .await
            .expect_err("it is gone")
            .explain()
            .contains("cannot be read")
    );
}

#[tokio::test]
async fn the_same_bytes_are_no_reload_and_other_settings_are() {
    let [first, _] = versions();
    let running =
        load(&first, |settings| settings.deadline = Duration::from_secs(5)).await.expect("it runs");
    assert_eq!(running.plugin.reload(None).await.expect("nothing to do"), Reloaded::Unchanged);
    let mut settings = settings::Plugin::clone(&running.plugin.settings());
    settings.config.insert("greeting".into(), "hello".into());
    let reloaded =
        running.plugin.reload(Some(settings)).await.expect("the same file, other settings");
    assert!(
        matches!(reloaded, Reloaded::Replaced { generation: 2, handed_over: false, .. }),
        "{reloaded:?}"
    );
    assert_eq!(running.plugin.settings().config.len(), 1);
}

#[tokio::test]
async fn a_new_instance_adopts_the_open_connections_first() {
    let [first, second] = versions();
    let mut running =
        load(&first, |settings| settings.deadline = Duration::from_secs(5)).await.expect("it runs");
    let (one, two) = (connection(1), connection(2));
    running
        .recorder
        .open
        .lock()
        .expect("not poisoned")
        .extend([Arc::clone(&one), Arc::clone(&two)]);
    running.offer(message(&one, "a/b", "1", 1));
    assert_eq!(running.next().await.events, ["a1", "m1"]);
    fs::write(&running.file, &second).expect("written");
    running.plugin.reload(None).await.expect("the other version");
    running.offer(message(&two, "a/b", "1", 2));
    let mut events = Vec::new();
    while !events.contains(&"m2".to_owned()) {
        events.extend(running.next().await.events);
    }
    assert_eq!(events, ["m2"], "the adoption is a batch of its own, and decides nothing");
    assert_eq!(running.status().events, 2 + 2 + 1);
}
