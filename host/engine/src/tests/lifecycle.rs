//! Guests that misbehave where no event is at stake: stopping, saving, loading, describing.

use super::{guests::PICKY, hostile::Log, *};
use std::fs;

const ENDLESS: &str = "(loop $for_ever (br $for_ever)) unreachable";
const SAVED: &str = "(i32.const 384)";
const LOADED: &str = "(i32.const 128)";

async fn answers(running: &mut Running) {
    running.offer(message(&connection(1), "a/b", "1", 1));
    assert_eq!(running.decided().await, ["r1"]);
}

#[tokio::test]
async fn a_guest_that_does_not_stop_is_left_behind_in_time() {
    for (stop, said) in [(ENDLESS, "did not stop well"), ("unreachable", "trapped")] {
        let (log, _reading) = Log::open();
        let mut running = run(&Guest { stop, ..Guest::handling(PICKY) }).await;
        answers(&mut running).await;
        let ended = running.plugin.stop(Duration::from_secs(5));
        timeout(Duration::from_secs(60), ended).await.expect("in time");
        let text = log.text();
        assert!(text.contains("did not stop well") && text.contains(said), "{text}");
        assert_eq!(running.status().state, State::Stopped);
    }
}

/// A reload from the one to the other fails with this, and the old one goes on.
async fn cannot_take_over(
    old: (&'static str, &'static str),
    new: (&'static str, &'static str),
    said: [&str; 2],
) {
    let guest =
        |snapshot, items| Guest { snapshot: Some(snapshot), items, ..Guest::handling(PICKY) };
    let mut running = run(&guest(old, "")).await;
    answers(&mut running).await;
    let other = guest(new, "(data (i32.const 9000) \"b\")").component();
    fs::write(&running.file, other).expect("written");
    let why = running.plugin.reload(None).await.expect_err("it cannot").explain();
    assert!(said.iter().all(|part| why.contains(part)), "{why}");
    let status = running.status();
    assert_eq!((status.failed_reloads, status.reloads, status.generation), (1, 0, 1));
    assert!(status.last_error.expect("it is shown").message.contains(said[0]));
    answers(&mut running).await;
}

#[tokio::test]
async fn a_save_that_fails_costs_the_reload_and_not_the_plugin() {
    for (save, how) in
        [(ENDLESS, "within"), ("unreachable", "trapped"), ("(i32.const 257)", "aligned")]
    {
        let how = if save == ENDLESS { "" } else { how };
        cannot_take_over((save, LOADED), (SAVED, LOADED), ["`save` failed", how]).await;
    }
}

#[tokio::test]
async fn a_load_that_fails_costs_the_reload_and_not_the_plugin() {
    for (load, how) in [(ENDLESS, ""), ("unreachable", "trapped"), ("(i32.const -8)", "trapped")] {
        cannot_take_over((SAVED, LOADED), (SAVED, load), ["`load` failed", how]).await;
    }
    cannot_take_over((SAVED, LOADED), (SAVED, "(i32.const 192)"), ["`load` refused", "not today"])
        .await;
}

#[tokio::test]
async fn a_snapshot_goes_from_one_guest_in_text_to_the_next() {
    let guest = |items| Guest { snapshot: Some((SAVED, LOADED)), items, ..Guest::handling(PICKY) };
    let mut running = run(&guest("")).await;
    answers(&mut running).await;
    fs::write(&running.file, guest("(data (i32.const 9000) \"b\")").component()).expect("written");
    let reloaded = running.plugin.reload(None).await.expect("it takes over");
    let handed_over = matches!(reloaded, crate::Reloaded::Replaced { handed_over: true, .. });
    assert!(handed_over, "{reloaded:?}");
    answers(&mut running).await;
}

#[tokio::test]
async fn a_guest_may_say_something_while_it_describes_itself_and_no_flood() {
    let describe = "(loop $each
          (call $emit (i32.const 4) (i32.const 1056) (i32.const 6) (i32.const 1024) (i32.const 3) (i32.const 0) (i32.const 0))
          (br_if $each (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 1000))))
        (i32.const 16)";
    let (_log, _reading) = Log::open();
    let describe = format!("(local i32) {describe}").leak();
    let mut running = run(&Guest { describe, ..Guest::handling(PICKY) }).await;
    assert_eq!(running.status().dropped_signals, 1000 - 256);
    answers(&mut running).await;
}

#[tokio::test]
async fn a_component_whose_core_start_traps_is_refused() {
    let traps = Guest { items: "(func $boot unreachable) (start $boot)", ..Guest::default() };
    let why = load(&traps.component(), |_| {}).await.err().expect("it cannot start").explain();
    assert!(why.contains("`instantiation` failed") && why.contains("trapped"), "{why}");
}

#[tokio::test]
async fn a_version_that_asks_for_more_is_held_back() {
    let mut running = run(&Guest::handling(PICKY)).await;
    answers(&mut running).await;
    let more = Guest {
        world: "import tengen:gateway/signals@0.1.0; import tengen:gateway/later@0.1.0;
            export tengen:gateway/plugin@0.1.0; export tengen:gateway/handler@0.1.0;",
        imports: r#"(import "tengen:gateway/later@0.1.0" "is-connected" (func (param i32 i32) (result i32)))"#,
        ..Guest::handling(PICKY)
    };
    fs::write(&running.file, more.component()).expect("written");
    let why = running.plugin.reload(None).await.expect_err("it is not offered").explain();
    assert!(why.contains("`tengen:gateway/later@0.1.0`"), "{why}");
    assert_eq!((running.status().generation, running.status().failed_reloads), (1, 1));
    answers(&mut running).await;
}

#[tokio::test]
async fn a_guest_that_traps_in_describe_is_refused_with_the_reason() {
    let traps = Guest { describe: "unreachable", ..Guest::default() };
    let why = load(&traps.component(), |_| {}).await.err().expect("it cannot run").explain();
    assert!(why.contains("`describe` failed") && why.contains("trapped"), "{why}");
}

// The clock stands still: what passes is what somebody waits for.
#[tokio::test(start_paused = true)]
async fn a_guest_that_waits_in_its_start_is_given_up_in_time() {
    let start = "(call $block (call $later (i64.const 3600000000000))) (i32.const 128)";
    let waits = Guest { start, ..limits::with_wasi(guests::NOTHING) };
    let why = load(&waits.component(), |_| {}).await.err().expect("it cannot run").explain();
    assert!(why.contains("`start` failed") && why.contains("did not return within 8s"), "{why}");
}
