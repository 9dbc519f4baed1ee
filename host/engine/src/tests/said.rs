//! What guests say about themselves, on its way to the log.

use super::{
    hostile::{Log, on_messages, stores},
    *,
};

/// Says `wat` with two facts, the last of which is its place.
const SAYS: &str =
    "(call $emit (i32.const 3) (i32.const 1056) (i32.const 6) (i32.const 1024) (i32.const 3)
    (i32.const 8192) (i32.const 2))";

/// What the log has of a guest that says something and then ends its call like this.
async fn said(end: &str, decided: &str) -> String {
    let (log, _reading) = Log::open();
    let facts = stores(8192, &[1064, 1, 1, 0, 3, 0, 8000, 8, 0, 0, 1024, 3]);
    let guest = on_messages(&format!("{facts} {SAYS} {end}"));
    let guest = Guest { items: "(data (i32.const 8000) \"location\")", ..guest };
    let mut running = run(&guest).await;
    running.offer(message(&connection(1), "a/b", "1", 1));
    assert_eq!(running.decided().await, [decided]);
    let text = log.text();
    let line = text.lines().find(|line| line.contains("chsk/x"));
    line.unwrap_or_else(|| panic!("it says nothing: {text}")).to_owned()
}

#[tokio::test]
async fn what_is_said_in_a_call_that_fails_is_marked_however_it_fails() {
    for (end, decided) in [
        ("unreachable", "f:plugin-failed"),
        ("(i32.const 320)", "f:plugin-failed"),
        (guests::PICKY, "r1"),
    ] {
        let line = said(end, decided).await;
        assert_eq!(line.contains("aborted=true"), decided != "r1", "{end}: {line}");
    }
}

#[tokio::test]
async fn facts_come_as_they_were_given_and_the_place_is_the_guests_own() {
    let line = said("(i32.const 320)", "f:plugin-failed").await;
    assert!(line.contains("k=3") && line.contains("location=\"wat\""), "{line}");
}
