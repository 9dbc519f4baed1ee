//! What a guest does wrong in a call costs the event it had in hand, and nothing else.

use super::*;
use tengen_core::handler::Wants;

/// The first event's effects are so many, which are at 4096, 88 bytes each.
fn first_has(effects: u32) -> String {
    store(65568, 4096) + &store(65572, effects) + guests::NOTHING
}

/// One effect of kind `$kind` with these words after it, of the first event.
fn effect(kind: u32, words: &str) -> String {
    format!("(i32.store8 (i32.const 4096) (i32.const {kind})) {words} {}", first_has(1))
}

fn store(at: u32, value: u32) -> String {
    format!("(i32.store (i32.const {at}) (i32.const {value}))")
}

#[tokio::test]
async fn messages_are_answered_in_order_and_in_batches() {
    let mut running = run(&Guest::handling(guests::PICKY)).await;
    let peer = connection(1);
    for number in 1..=100 {
        running.offer(message(&peer, "a/b", "1", number));
    }
    let mut replies = Vec::new();
    while replies.len() < 100 {
        let acted = running.next().await;
        assert!(acted.events.len() <= 64);
        replies.extend(acted.decided);
    }
    assert_eq!(replies, (1..=100).map(|number| format!("r{number}")).collect::<Vec<_>>());
    let status = running.status();
    assert_eq!(
        (status.events, status.errors, status.waiting),
        (101, 0, 0),
        "the adoption and the messages"
    );
}

/// A reply to 7 with so many bytes at 5000, which are said to be JSON.
fn reply_of_json(bytes: u32) -> String {
    let words = [store(4100, 7), store(4104, 0), store(4108, 0), store(4112, 0)].concat();
    // In bytes, which is as good as a text.
    effect(0, &(words + &store(4116, 1) + &store(4120, 5000) + &store(4124, bytes)))
}

#[tokio::test]
async fn what_a_plugin_sends_is_read_before_it_is_carried_out() {
    for (byte, refused) in [(b'1', 0), (b'[', 1)] {
        let guest = store(5000, u32::from(byte)) + &reply_of_json(1);
        let mut running = run(&Guest::handling(guest)).await;
        running.offer(message(&connection(1), "a/b", "1", 7));
        let mut acted = running.next().await;
        while acted.decided.is_empty() {
            acted = running.next().await;
        }
        let malformed = acted.decided.iter().any(|effect| effect.contains("Malformed"));
        assert_eq!(malformed, refused > 0, "{acted:?}");
        wait(&running, |status| status.refused_effects >= refused).await;
        assert_eq!(running.status().refused_effects, refused);
    }
}

#[tokio::test]
async fn an_event_that_traps_costs_itself_and_the_batch_is_run_again_one_by_one() {
    let mut running = run(&Guest::handling(guests::PICKY)).await;
    let peer = connection(1);
    running.recorder.open.lock().expect("not poisoned").push(Arc::clone(&peer));
    for (number, body) in (1..).zip(["1", "2", "x", "4", "l", "e", "7"]) {
        running.offer(message(&peer, "a/b", body, number));
    }
    let mut decided = Vec::new();
    while decided.len() < 7 {
        decided.extend(running.decided().await);
    }
    decided.sort();
    assert_eq!(
        decided,
        ["f:plugin-failed", "f:plugin-failed", "f:plugin-failed", "r1", "r2", "r4", "r7"]
    );
    let status = running.status();
    assert_eq!(status.errors, 3);
    assert!(
        status.traps >= 1 && status.deadline_overruns >= 1 && status.restarts >= 2,
        "{status:?}"
    );
}

/// A guest whose every call fails: the call gets this fault, and the next one is made in a fresh instance.
async fn fails(guest: Guest, fault: &str, counted: fn(&Status) -> u64) {
    let mut running =
        load(&guest.component(), |settings| settings.deadline = Duration::from_millis(200))
            .await
            .expect("the guest runs");
    for number in 1..=2 {
        let peer = connection(number);
        running.offer(event(&peer, Occurrence::Timer(number.to_string())));
        while !running.decided().await.iter().any(|word| word == fault) {}
        assert!(counted(&running.status()) >= u64::from(number), "{:?}", running.status());
        // The adoption fails as well: the plugin is not told of this connection again.
        while running.try_offer(message(&peer, "a/b", "1", 1)).is_ok() {
            running.next().await;
        }
    }
}

#[tokio::test]
async fn loops_are_interrupted() {
    fails(Guest::handling("(loop $l (br $l)) unreachable"), "f:plugin-failed", |status| {
        status.deadline_overruns
    })
    .await;
}

#[tokio::test]
async fn traps_are_survived_wherever_they_are() {
    fails(Guest::handling("unreachable"), "f:plugin-failed", |status| status.traps).await;
    let post_return = Guest { post_return: "unreachable", ..Guest::default() };
    fails(post_return, "f:plugin-failed", |status| status.traps).await;
    let realloc = Guest { realloc: "unreachable", ..Guest::default() };
    fails(realloc, "f:plugin-failed", |status| status.traps).await;
}

#[tokio::test]
async fn deep_recursion_ends_in_a_trap() {
    let guest = Guest {
        items: "(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (call $deep (i32.const 1))))",
        ..Guest::handling("(call $deep (i32.const 0))")
    };
    fails(guest, "f:plugin-failed", |status| status.traps).await;
}

#[tokio::test]
async fn results_that_make_no_sense_are_traps() {
    // Lists of 2^30 decisions and effects, a result outside the memory, an answer that is neither.
    let endless = format!("{} {}", store(264, 1 << 30), guests::NOTHING);
    fails(Guest::handling(endless), "f:plugin-failed", |status| status.traps).await;
    fails(Guest::handling(first_has(1 << 30)), "f:plugin-failed", |status| status.traps).await;
    fails(Guest::handling("(i32.const -8)"), "f:plugin-failed", |status| status.traps).await;
    fails(
        Guest::handling(format!("{} (i32.const 256)", store(256, 7))),
        "f:plugin-failed",
        |status| status.traps,
    )
    .await;
    let no_text = effect(
        7,
        &format!(
            "(i32.store8 (i32.const 5000) (i32.const 0xff)) {} {}",
            store(4108, 5000),
            store(4112, 1)
        ),
    );
    fails(Guest::handling(no_text), "f:plugin-failed", |status| status.traps).await;
    let no_kind = effect(99, "");
    fails(Guest::handling(no_kind), "f:plugin-failed", |status| status.traps).await;
}

#[tokio::test]
async fn results_that_would_take_too_much_of_the_gateway_are_refused() {
    // Every one of the effects names the same text: small in the guest, large in the gateway.
    let guest = Guest::handling(format!(
        "(local.set $out (i32.const 160000))
         (loop $each
           (i32.store8 (local.get $out) (i32.const 7))
           (i32.store offset=12 (local.get $out) (i32.const 70000))
           (i32.store offset=16 (local.get $out) (i32.const 60000))
           (local.set $out (i32.add (local.get $out) (i32.const 88)))
           (br_if $each (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 1000))))
         {} {} {}",
        store(65568, 160_000),
        store(65572, 1000),
        guests::NOTHING
    ));
    fails(guest, "f:limit-reached", |status| status.traps).await;
}

#[tokio::test]
async fn an_event_may_cause_so_many_effects_and_no_more() {
    let guest = Guest::handling(format!(
        "(local.set $out (i32.const 4096))
         (loop $each
           (i32.store8 (local.get $out) (i32.const 7))
           (i32.store offset=12 (local.get $out) (i32.const 1064))
           (i32.store offset=16 (local.get $out) (i32.const 1))
           (local.set $out (i32.add (local.get $out) (i32.const 88)))
           (br_if $each (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 5))))
         {}",
        first_has(5)
    ));
    let mut running =
        load(&guest.component(), |settings| settings.effects_per_event = 4).await.expect("it runs");
    running.offer(event(&connection(1), Occurrence::Opened));
    let acted = running.next().await;
    assert_eq!(acted.decided, ["cancel k", "cancel k", "cancel k", "cancel k", "f:limit-reached"]);
}

#[tokio::test]
async fn effects_that_may_not_be_are_refused_counted_and_told() {
    let refused = [
        // A timer whose key is none.
        effect(7, &(store(4108, 1064) + &store(4112, 0))),
        // A close code that only protocols use.
        effect(5, &(store(4100, 1) + &store(4104, 1002))),
    ];
    for handle in refused {
        let running = run(&Guest::handling(handle)).await;
        running.offer(event(&connection(1), Occurrence::Opened));
        wait(&running, |status| status.refused_effects > 0).await;
        assert_eq!(running.status().errors, 0);
    }
}

#[tokio::test]
async fn memory_grows_to_its_limit_and_no_further() {
    // Grows by 16 MiB: refused; by one page: fine; then says so by a close code.
    let grows = "(if (i32.ne (memory.grow (i32.const 256)) (i32.const -1)) (then unreachable))
        (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))";
    let close = effect(5, &(store(4100, 1) + &store(4104, 3000)));
    let mut running = run(&Guest::handling(format!("{grows} {close}"))).await;
    running.offer(event(&connection(1), Occurrence::Opened));
    assert_eq!(running.decided().await, ["close 3000"]);
    assert_eq!(running.status().memory_bytes, 5 << 16);
}

#[tokio::test]
async fn a_flood_of_signals_is_cut_and_counted() {
    let flood = "(loop $each
          (call $emit (i32.const 4) (i32.const 1056) (i32.const 6) (i32.const 1024) (i32.const 3) (i32.const 0) (i32.const 0))
          (br_if $each (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 10000))))
        (i32.const 256)";
    let subscriber = tracing_subscriber::fmt().with_writer(std::io::sink).finish();
    let _set = tracing::subscriber::set_default(subscriber);
    let patient = |settings: &mut settings::Plugin| settings.deadline = Duration::from_secs(10);
    let running = load(&Guest::handling(flood).component(), patient).await.expect("it runs");
    running.offer(event(&connection(1), Occurrence::Opened));
    wait(&running, |status| status.events > 0 && status.dropped_signals > 0).await;
    assert_eq!(running.status().dropped_signals, 10_000 - 256);
}

#[tokio::test]
async fn only_wanted_events_are_taken() {
    let guest = Guest { wants: Some("chat/*"), ..Guest::handling(guests::PICKY) };
    let mut running = run(&guest).await;
    let peer = connection(1);
    assert_eq!(running.handler.wants("game/move"), Wants::No);
    assert_eq!(running.handler.wants("chat/say"), Wants::Yes);
    running.offer(message(&peer, "chat/say", "1", 2));
    assert_eq!(running.decided().await, ["r2"]);
}

#[tokio::test]
async fn a_stopped_plugin_works_off_what_waits_and_takes_no_more() {
    let mut running = run(&Guest::handling(guests::PICKY)).await;
    let peer = connection(1);
    for number in 1..=100 {
        running.offer(message(&peer, "a/b", "1", number));
    }
    running.plugin.stop(Duration::from_secs(10)).await;
    let mut replies = 0;
    while let Ok(acted) = running.acted.try_recv() {
        replies += acted.decided.len();
    }
    assert_eq!(replies, 100);
    assert_eq!(declined(&running, message(&peer, "a/b", "1", 101)), FaultId::PluginUnavailable);
    running.tasks.close();
    timeout(Duration::from_secs(10), running.tasks.wait()).await.expect("its task has ended");
}

#[tokio::test]
async fn a_plugin_is_settled_when_all_that_was_offered_is_decided() {
    let mut running = run(&Guest::handling(guests::PICKY)).await;
    let peer = connection(1);
    for number in 1..=200 {
        let offered = running.handler.offer(message(&peer, "a/b", "1", number));
        offered.expect("there is room");
    }
    running.plugin.settled().await.expect("it runs");
    let mut replies = 0;
    while let Ok(acted) = running.acted.try_recv() {
        replies += acted.decided.len();
    }
    assert_eq!(replies, 200, "nobody told the handler to decide, and nothing waits");
}
