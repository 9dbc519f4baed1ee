//! A state on its way to the next version: where it can be kept it is, and where it is lost that is said.

use super::{
    hostile::{Log, on_messages, stores},
    *,
};
use crate::Reloaded;
use std::fs;
use tengen_settings::StateKeeping;

const ENDLESS: &str = "(loop $for_ever (br $for_ever)) unreachable";
/// Writes down four bytes: how many messages there were.
const SAVED: &str = "(i32.store (i32.const 396) (i32.const 448)) (i32.store (i32.const 400) (i32.const 4)) (i32.const 384)";
const LOADED: &str = "(i32.store (i32.const 448) (i32.load (local.get 2))) (i32.const 128)";
const REFUSED: &str = "(i32.const 320)";
/// Writes down so many bytes that begin with the count, from memory that it gets for that.
const COPIED: &str = "(local i32)
    (local.set 1 (i32.mul (memory.grow (i32.const 257)) (i32.const 65536)))
    (if (i32.lt_s (local.get 1) (i32.const 0)) (then unreachable))
    (memory.copy (local.get 1) (i32.const 448) (i32.const 4))
    (i32.store (i32.const 396) (local.get 1)) (i32.store (i32.const 400) (i32.const 16777216)) (i32.const 384)";

/// Closes each time with one more than the time before: 3001, 3002.
fn counting(snapshot: Option<(&'static str, &'static str)>, items: &'static str) -> Guest {
    let count = "(i32.store (i32.const 448) (i32.add (i32.const 1) (i32.load (i32.const 448))))";
    let code = "(i32.store (i32.const 4104) (i32.add (i32.const 3000) (i32.load (i32.const 448))))";
    let (effect, list) = (stores(4096, &[5, 1, 0, 0, 0]), stores(65568, &[4096, 1]));
    let handle = on_messages(&format!("{count} {effect} {code} {list} (i32.const 256)")).handle;
    Guest { snapshot, items, max_batch: 1, ..Guest::handling(handle) }
}

const OTHER: &str = "(data (i32.const 9000) \"b\")";

struct Reload {
    running: Running,
    /// What came of it, in words, if it failed.
    why: Result<bool, String>,
    log: String,
}

/// Lets the old one count to two, then brings in the new one.
async fn reload(old: Guest, new: Guest, memory: usize) -> Reload {
    reload_with(old, new, memory, StateKeeping::default()).await
}

async fn reload_with(old: Guest, new: Guest, memory: usize, state: StateKeeping) -> Reload {
    let (log, _reading) = Log::open();
    let mut running = load(&old.component(), |settings| {
        settings.deadline = Duration::from_millis(300);
        settings.memory = Some(memory);
        settings.state = state;
    })
    .await
    .expect("it runs");
    counts(&mut running, 1).await;
    counts(&mut running, 2).await;
    fs::write(&running.file, new.component()).expect("written");
    let why = match running.plugin.reload(None).await {
        Ok(Reloaded::Replaced { handed_over, .. }) => Ok(handed_over),
        Ok(Reloaded::Unchanged) => panic!("nothing was replaced"),
        Err(error) => Err(format!("{}: {}", error.aftermath(), error.explain())),
    };
    Reload { running, why, log: log.text() }
}

async fn counts(running: &mut Running, to: u32) {
    running.offer(message(&connection(1), "a/b", "1", to));
    assert_eq!(running.decided().await, [format!("close {}", 3000 + to)], "{:?}", running.status());
}

/// The reload fails with these words, and the old version goes on with its state.
async fn keeps(old: &'static str, new: &'static str, memory: usize, said: &str) {
    let new = counting(Some((SAVED, new)), OTHER);
    let Reload { mut running, why, log } =
        reload(counting(Some((old, LOADED)), ""), new, memory).await;
    let why = why.expect_err("it cannot take over");
    assert!(why.contains("the old version goes on") && why.contains(said), "{why}");
    assert!(!why.contains("gone") && !log.contains("gone"), "{why} {log}");
    counts(&mut running, 3).await;
    let status = running.status();
    assert_eq!((status.generation, status.lost_states), (1, 0), "{status:?}");
}

#[tokio::test]
async fn where_the_old_instance_can_serve_it_serves_with_its_state() {
    const MEMORY: usize = 16 << 20;
    keeps(REFUSED, LOADED, MEMORY, "`save` refused").await;
    keeps(SAVED, "(i32.const 192)", MEMORY, "`load` refused").await;
    keeps(SAVED, "unreachable", MEMORY, "`load` failed").await;
    keeps(SAVED, ENDLESS, MEMORY, "`load` failed").await;
    // Larger than the memory, though it could be written down: refused before anything is harmed.
    keeps(COPIED, LOADED, 12 << 20, "the state has 16777216 bytes, more than the 12582912").await;
}

/// The reload fails, and everybody who asks is told that the state is gone: nothing else was kept of it.
async fn loses(save: &'static str) {
    let new = counting(Some((SAVED, LOADED)), OTHER);
    let old = counting(Some((save, LOADED)), "");
    let unkept = StateKeeping { every: Duration::ZERO, log: 1 };
    let Reload { mut running, why, log } = reload_with(old, new, 16 << 20, unkept).await;
    let gone = "the old version goes on with a new instance: its state is gone";
    let why = why.expect_err("it cannot take over");
    assert!(why.contains(gone) && why.contains("`save` failed"), "{why}");
    let told = log.lines().find(|line| line.contains(gone)).unwrap_or_else(|| panic!("{log}"));
    assert!(told.contains("ERROR"), "{told}");
    let status = running.status();
    let seen = status.last_error.expect("it is listed").message;
    assert!(seen.contains(gone), "{seen}");
    assert_eq!((status.errors, status.lost_states, status.generation), (1, 1, 1));
    counts(&mut running, 1).await;
}

#[tokio::test]
async fn where_the_old_instance_is_lost_at_saving_everybody_hears_that_its_state_is_gone() {
    loses("unreachable").await;
    loses(ENDLESS).await;
    loses("(i32.const 257)").await;
}

/// The reload fails, and a new instance of the old version is where the lost one was.
async fn has_it_all(save: &'static str) {
    let new = counting(Some((SAVED, LOADED)), OTHER);
    // Only the reload saves it, however long that takes: a state that cannot be saved twice is let go.
    let seldom = StateKeeping { every: Duration::from_secs(3600), ..StateKeeping::default() };
    let Reload { mut running, why, log } =
        reload_with(counting(Some((save, LOADED)), ""), new, 16 << 20, seldom).await;
    let why = why.expect_err("it cannot take over");
    assert!(why.contains("a new instance that has its state") && why.contains("`save` failed"));
    let status = running.status();
    let numbers = (status.lost_states, status.recovered_states, status.generation);
    assert_eq!(numbers, (0, 1, 1), "{log}");
    counts(&mut running, 3).await;
}

#[tokio::test]
async fn where_the_old_instance_is_lost_at_saving_a_new_one_is_told_all_of_it_once_more() {
    has_it_all("unreachable").await;
    has_it_all(ENDLESS).await;
    has_it_all("(i32.const 257)").await;
}

#[tokio::test]
async fn an_old_version_that_cannot_start_again_is_not_said_to_go_on() {
    let start =
        "(if (i32.eq (local.get 0) (i32.const 2)) (then (return (i32.const 192)))) (i32.const 128)";
    let old = Guest { start, ..counting(Some(("unreachable", LOADED)), "") };
    let new = counting(Some((SAVED, LOADED)), OTHER);
    // With nothing kept of its state, it has to begin anew.
    let unkept = StateKeeping { every: Duration::ZERO, log: 1 };
    let Reload { running, why, .. } = reload_with(old, new, 16 << 20, unkept).await;
    let why = why.expect_err("it cannot take over");
    assert!(why.contains("the old version lost its instance and cannot be started again"), "{why}");
    let status = running.status();
    assert_eq!((status.state, status.lost_states), (State::Unavailable, 0), "{status:?}");
    assert!(status.last_error.expect("it is listed").message.contains("cannot be started again"));
}

#[tokio::test]
async fn a_state_of_half_the_memory_and_more_is_handed_over() {
    // Sixteen megabytes and some pages are in use before there is a copy, and again in the instance that loads it.
    let half = |items| Guest { pages: 260, ..counting(Some((COPIED, LOADED)), items) };
    let Reload { mut running, why, log } = reload(half(""), half(OTHER), 32 << 20).await;
    assert_eq!(why, Ok(true), "{log}");
    counts(&mut running, 3).await;
    assert!(running.status().memory_bytes <= 2 * (32 << 20), "{:?}", running.status());
}

#[tokio::test]
async fn twice_the_memory_is_for_handing_over_alone() {
    let grows = "(if (i32.ge_s (memory.grow (i32.const 257)) (i32.const 0)) (then unreachable))";
    let handle =
        counting(None, "").handle.replacen("(i32.store", &format!("{grows} (i32.store"), 1);
    let old = Guest { pages: 260, handle, ..counting(Some((COPIED, LOADED)), "") };
    let new = counting(Some((SAVED, "(i32.const 192)")), OTHER);
    let Reload { mut running, why, .. } = reload(old, new, 32 << 20).await;
    assert!(why.expect_err("it refuses").contains("`load` refused"));
    counts(&mut running, 3).await;
}

// The interface says that the log says so.
#[tokio::test]
async fn a_state_that_the_new_version_does_not_read_is_dropped_with_a_warning() {
    let Reload { mut running, why, log } =
        reload(counting(Some((SAVED, LOADED)), ""), counting(None, OTHER), 16 << 20).await;
    assert_eq!(why, Ok(false));
    assert!(log.contains("WARN") && log.contains("it starts empty"), "{log}");
    counts(&mut running, 1).await;
}

#[tokio::test]
async fn a_trap_while_serving_says_what_became_of_the_state() {
    let (log, _reading) = Log::open();
    let guest = || Guest { snapshot: Some((SAVED, LOADED)), ..Guest::handling(guests::PICKY) };
    let mut running = run(&guest()).await;
    running.offer(message(&connection(1), "a/b", "x", 1));
    assert_eq!(running.decided().await, ["f:plugin-failed"]);
    assert!(log.text().contains("the plugin has its state back"), "{}", log.text());
    assert_eq!(running.status().lost_states, 0);

    let unkept = |settings: &mut settings::Plugin| {
        settings.state = StateKeeping { every: Duration::ZERO, log: 1 };
    };
    let mut running = load(&guest().component(), unkept).await.expect("it runs");
    for (body, said) in [("1", "r1"), ("2", "r1"), ("x", "f:plugin-failed")] {
        running.offer(message(&connection(1), "a/b", body, 1));
        assert_eq!(running.decided().await, [said]);
    }
    assert!(log.text().contains("the plugin begins with nothing: its state is gone"));
    assert!(running.status().lost_states > 0);
}

/// Says something when it starts, and counts that too.
const STARTS: &str = "(call $emit (i32.const 4) (i32.const 1056) (i32.const 6) (i32.const 1024) (i32.const 3) (i32.const 0) (i32.const 0))
    (call $add (i32.const 1056) (i32.const 6) (i32.const 1) (i32.const 0) (i32.const 0)) (i32.const 128)";
const ADD: &str =
    r#"(import "tengen:gateway/signals@0.1.0" "add" (func $add (param i32 i32 i32 i32 i32)))"#;

#[tokio::test]
async fn what_a_rehearsal_says_is_marked_and_what_it_counts_does_not_count() {
    let both = Some((SAVED, LOADED));
    for (snapshot, marked) in [(both, 1), (None, 0)] {
        let guest = |items| Guest { start: STARTS, imports: ADD, ..counting(snapshot, items) };
        let Reload { running, why, log } = reload(guest(""), guest(OTHER), 16 << 20).await;
        assert_eq!(why, Ok(snapshot.is_some()));
        let started = log.lines().filter(|line| line.contains("chsk/x"));
        let (marks, rest): (Vec<_>, Vec<_>) =
            started.partition(|line| line.contains("rehearsal=true"));
        assert_eq!((marks.len(), rest.len()), (marked, 2), "one start for each that served: {log}");
        let counted = running.status().measures.get("chsk/x").map(|measure| measure.count);
        assert_eq!(counted, Some(2));
    }
    // A version that never serves was a rehearsal altogether.
    let refuses = Guest {
        start: "(call $emit (i32.const 4) (i32.const 1056) (i32.const 6) (i32.const 1024) (i32.const 3) (i32.const 0) (i32.const 0)) (i32.const 192)",
        ..counting(both, OTHER)
    };
    let Reload { log, .. } = reload(counting(both, ""), refuses, 16 << 20).await;
    let said = log.lines().find(|line| line.contains("chsk/x")).expect("it said something");
    assert!(said.contains("rehearsal=true"), "{said}");
}
