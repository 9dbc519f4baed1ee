//! What becomes of the events of a call that fails, and who is blamed for it.

use super::{guests::PICKY, hostile::on_messages, *};
use std::sync::atomic::{AtomicBool, Ordering};
use tengen_core::event::{Onward, Permit};

/// [`PICKY`], and on a payload that begins with `w` it returns what nobody can read.
fn unreadable() -> Guest {
    let returns = "(if (i32.eq (local.get $first) (i32.const 119)) (then (return (i32.const -8))))";
    let handle = PICKY.replacen("(if (i32.eq (local.get $first) (i32.const 120))", "#", 1);
    let picky =
        handle.replace('#', &format!("{returns} (if (i32.eq (local.get $first) (i32.const 120))"));
    Guest::handling(picky)
}

impl Running {
    /// Offers messages of one connection with these payloads, numbered from 1, as one batch.
    fn offer_batch(&self, peer: &Arc<Connection>, bodies: &[&str]) {
        for (number, body) in (1..).zip(bodies) {
            let offered = self.handler.offer(message(peer, "a/b", body, number));
            offered.map_err(|declined| declined.why).expect("it is taken");
        }
        self.handler.settle();
    }

    /// What is decided until so many messages are.
    async fn decisions(&mut self, count: usize) -> Vec<String> {
        let mut decided = Vec::new();
        while decided.len() < count {
            decided.extend(self.decided().await);
        }
        decided
    }
}

const FAILED: &str = "f:plugin-failed";

#[tokio::test]
async fn an_error_fails_every_event_of_its_batch_and_none_is_run_again() {
    let mut running = run(&Guest::handling(PICKY)).await;
    running.offer_batch(&connection(1), &["1", "e", "3"]);
    // The connection's adoption is part of the batch.
    assert_eq!(running.decisions(4).await, [FAILED; 4]);
    let status = running.status();
    assert_eq!((status.calls, status.errors, status.restarts), (1, 4, 0), "{status:?}");
    running.offer_batch(&connection(1), &["1", "2"]);
    assert_eq!(running.decisions(2).await, ["r1", "r2"], "it is the same instance");
}

#[tokio::test]
async fn the_operator_is_told_the_reason_first_and_whose_event_it_was() {
    let running = run(&Guest::handling(PICKY)).await;
    let peer = connection(1);
    running.offer(message(&peer, "a/b", "x", 1));
    let at = |status: &Status| status.last_error.as_ref().and_then(|last| last.at.clone());
    wait(&running, |status| at(status).is_some_and(|at| at.event == "a/b")).await;
    let status = running.status();
    assert_eq!(at(&status).and_then(|at| at.connection), Some(peer.id.to_string()));
    let told = status.last_error.expect("it is shown").message;
    let (reason, place) = told.split_once("; `handle` failed, in ").expect("where it was");
    assert_eq!(reason, "trapped: wasm `unreachable` instruction executed");
    assert!(
        place.starts_with("function ") && place.ends_with("; the instance is replaced"),
        "{told}"
    );
}

/// The name of a C++ function, of 521 bytes, that stands for a text of 20^8 parts: each type has the one before it twenty
/// times.
fn endless() -> String {
    let types =
        ["S0_", "S2_", "S4_", "S6_", "S8_", "SA_", "SC_", "SE_"].map(|before| before.repeat(20));
    let types = ('B'..).zip(types).map(|(letter, parts)| format!("1{letter}I{parts}E"));
    ["_Z1f1AIiE".to_owned()].into_iter().chain(types).collect()
}

#[tokio::test]
async fn a_name_that_stands_for_a_text_without_end_costs_what_is_shown_of_it() {
    let name = endless();
    assert_eq!(name.len(), 521);
    let items = format!("(func ${name} unreachable)").leak();
    let calls = on_messages(&format!("(call ${name}) {}", guests::NOTHING));
    let running = run(&Guest { items, ..calls }).await;
    running.offer(message(&connection(1), "a/b", "1", 1));
    wait(&running, |status| status.traps > 0 && status.last_error.is_some()).await;
    let told = running.status().last_error.expect("it is shown").message;
    let shown = name.get(..256).expect("it is longer");
    assert!(told.contains(&format!(", in {shown}…")) && told.len() < 1024, "{told}");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_costs_its_event_alone_and_the_instance() {
    let mut running = run(&unreadable()).await;
    running.offer_batch(&connection(1), &["1", "w", "3"]);
    let mut decided = running.decisions(3).await;
    decided.sort();
    assert_eq!(decided, [FAILED, "r1", "r3"]);
    wait(&running, |status| status.restarts == 2).await;
    running.offer_batch(&connection(1), &["1"]);
    assert_eq!(running.decisions(1).await, ["r1"]);
}

/// [`PICKY`], and on a payload that begins with `s` it leaves out one decision, or gives one too many on `m`.
fn miscounting() -> Guest {
    let count = |letter: u32, by: i32| {
        format!(
            "(if (i32.eq (local.get $first) (i32.const {letter})) (then (i32.store (i32.const 264)
               (i32.add (i32.const {by}) (i32.load (i32.const 264))))))"
        )
    };
    let counts = count(115, -1) + &count(109, 1);
    let traps = "(if (i32.eq (local.get $first) (i32.const 120))";
    Guest::handling(PICKY.replacen(traps, &format!("{counts} {traps}"), 1))
}

#[tokio::test]
async fn decisions_of_another_number_than_the_events_fail_all_of_them_and_none_is_run_again() {
    for (wrong, said) in [("s", "3 decisions for 4 events"), ("m", "5 decisions for 4 events")] {
        let mut running = run(&miscounting()).await;
        running.offer_batch(&connection(1), &["1", wrong, "3"]);
        // The connection's adoption is part of the batch.
        assert_eq!(running.decisions(4).await, [FAILED; 4]);
        let status = running.status();
        assert_eq!((status.calls, status.errors, status.restarts), (1, 4, 0), "{status:?}");
        let told = status.last_error.expect("it is shown").message;
        assert!(told.contains(said), "{told}");
        running.offer_batch(&connection(1), &["1", "2"]);
        assert_eq!(running.decisions(2).await, ["r1", "r2"], "it is the same instance");
    }
}

#[tokio::test]
async fn a_trap_leads_to_a_second_run_of_each_event_and_no_third() {
    let mut running = run(&Guest::handling(PICKY)).await;
    let peer = connection(1);
    running.recorder.open.lock().expect("not poisoned").push(Arc::clone(&peer));
    running.offer(event(&peer, Occurrence::Opened));
    wait(&running, |status| status.calls == 1).await;
    running.offer_batch(&peer, &["1", "x", "3"]);
    let mut decided = running.decisions(3).await;
    decided.sort();
    assert_eq!(decided, [FAILED, "r1", "r3"]);
    let status = running.status();
    // The opening; the batch; an adoption and 1 and x; an adoption and 3.
    assert_eq!((status.calls, status.events, status.traps), (7, 9, 2), "{status:?}");
}

/// Traps on messages only if several come in one call and one of them begins with `b`.
fn breaks_together() -> Guest {
    let traps = "(if (i32.and (i32.eq (local.get $first) (i32.const 98)) (i32.gt_u (i32.sub (local.get $end) (local.get $start)) (i32.const 160))) (then unreachable))";
    let handle = PICKY
        .replacen(
            "(local.set $out (i32.const 65536))",
            "(local.set $start (local.get $at)) (local.set $out (i32.const 65536))",
            1,
        )
        .replacen(
            "(if (i32.eq (local.get $first) (i32.const 120))",
            &format!("{traps} (if (i32.eq (local.get $first) (i32.const 120))"),
            1,
        );
    Guest { locals: "(local $start i32)", ..Guest::handling(handle) }
}

#[tokio::test]
async fn what_breaks_only_together_cannot_be_repeated_for_ever() {
    let mut running = run(&breaks_together()).await;
    let (peer, other) = (connection(1), connection(2));
    for connection in [&peer, &other] {
        running.recorder.open.lock().expect("not poisoned").push(Arc::clone(connection));
        running.offer(event(connection, Occurrence::Opened));
    }
    wait(&running, |status| status.waiting == 0 && status.calls > 0).await;
    for _ in 0..20 {
        // Half of each, so nobody is to blame more than anybody else.
        for number in 1..=32 {
            for connection in [&peer, &other] {
                let offered = running.handler.offer(message(connection, "a/b", "b", number));
                offered.map_err(|declined| declined.why).expect("it is taken");
            }
        }
        running.handler.settle();
        let decided = running.decisions(64).await;
        assert!(decided.iter().all(|word| word.starts_with('r')), "each is good alone");
    }
    let status = running.status();
    assert!(status.traps <= 7, "calls get smaller by half: {status:?}");
    assert_eq!(status.breaker, Phase::Closed);
}

#[tokio::test]
async fn who_sent_what_breaks_only_together_is_left_alone() {
    let mut running = run(&breaks_together()).await;
    let (peer, other) = (connection(1), connection(2));
    for connection in [&peer, &other] {
        running.recorder.open.lock().expect("not poisoned").push(Arc::clone(connection));
        running.offer(event(connection, Occurrence::Opened));
    }
    wait(&running, |status| status.waiting == 0 && status.calls > 0).await;
    // With so many connections each restart is dear, and so patience is short.
    let many = (10..5010).map(connection);
    running.recorder.open.lock().expect("not poisoned").extend(many);
    let mut rounds = 0;
    while running.status().shunned_connections == 0 && rounds < 20 {
        running.offer_batch(&peer, &["b"; 64]);
        running.decisions(64).await;
        rounds += 1;
    }
    assert!(rounds <= 3, "{rounds}: {:?}", running.status());
    assert_eq!(declined(&running, message(&peer, "a/b", "1", 1)), FaultId::PluginFailed);
    running.offer(message(&other, "a/b", "1", 7));
    assert_eq!(running.decided().await, ["r7"]);
}

#[tokio::test]
async fn with_many_connections_a_plugin_that_breaks_rests_instead_of_adopting_them_for_ever() {
    let mut running = run(&Guest::handling(PICKY)).await;
    // The pause is counted from here on: it does not end while a slow machine tells an instance of 5,000 connections.
    tokio::time::pause();
    let many = (1..=5000).map(connection).collect::<Vec<_>>();
    running.recorder.open.lock().expect("not poisoned").extend(many.iter().cloned());
    let mut broken = 0;
    for peer in many.iter().take(100) {
        if running.try_offer(message(peer, "a/b", "x", 1)).is_err() {
            break;
        }
        while !running.decided().await.contains(&FAILED.to_owned()) {}
        broken += 1;
    }
    let status = running.status();
    assert!(broken <= 5 && status.restarts <= 5, "{broken} {status:?}");
    assert_eq!(status.state, State::Unavailable);
    let why = running.try_offer(message(&connection(2), "a/b", "1", 1)).expect_err("it rests");
    assert_eq!(why.id, FaultId::PluginUnavailable);
    assert!(why.retry_after.is_some_and(|wait| wait < Duration::from_secs(9)), "{why:?}");
    // After that it is there again.
    tokio::time::resume();
    wait(&running, |status| status.state == State::Running && status.waiting == 0).await;
    running.offer(message(&connection(3), "a/b", "1", 8));
    assert_eq!(running.decided().await, ["r8"]);
}

#[tokio::test]
async fn a_batch_ends_at_a_share_of_the_plugins_memory() {
    let mut running = run(&Guest::handling(PICKY)).await;
    let body = "1".repeat(1 << 20);
    for number in 1..=24 {
        let offered = running.handler.offer(message(&connection(number), "a/b", &body, number));
        offered.map_err(|declined| declined.why).expect("it is taken");
    }
    running.handler.settle();
    let decided = running.decisions(24).await;
    assert!(decided.iter().all(|word| word.starts_with('r')), "{decided:?}");
    let status = running.status();
    assert_eq!((status.traps, status.restarts), (0, 0), "{status:?}");
    assert!(status.memory_bytes <= 16 << 20);
}

#[tokio::test]
async fn memory_that_is_refused_names_the_key_that_gives_more() {
    let little = |settings: &mut settings::Plugin| settings.memory = Some(1 << 20);
    let mut running = load(&Guest::handling(PICKY).component(), little).await.expect("it runs");
    let body = "1".repeat(2 << 20);
    running.offer(message(&connection(1), "a/b", &body, 1));
    while !running.decided().await.contains(&FAILED.to_owned()) {}
    let last = running.status().last_error.expect("it is shown").message;
    assert!(
        last.starts_with("ran out of memory: the limit of 1 MiB (`plugin.guest.memory`);"),
        "{last}"
    );
    // Who can do without is told as well.
    let grows = "(drop (memory.grow (i32.const 4096))) (i32.const 256)";
    let running = run(&Guest::handling(grows)).await;
    running.offer(event(&connection(1), Occurrence::Opened));
    wait(&running, |status| status.calls == 1 && status.last_error.is_some()).await;
    let last = running.status().last_error.expect("it is shown").message;
    assert!(last.contains("`plugin.guest.memory`"), "{last}");
}

/// Somebody who is next.
#[derive(Debug, Default)]
struct NextOne(Mutex<Vec<(u32, FaultId)>>);

impl Onward for NextOne {
    fn go_on(&self, event: Event, why: Fault) {
        assert!(event.permit.is_some(), "it still waits for a decision");
        let number = event.reply_to().expect("a message");
        self.0.lock().expect("not poisoned").push((number, why.id));
    }
}

fn or_else(next: &Arc<NextOne>, peer: &Arc<Connection>, body: &str, number: u32) -> Event {
    let mut permit = Permit::take(peer, 1, 100, 100).expect("room");
    permit.onward = Some(Arc::clone(next) as Arc<dyn Onward>);
    Event { permit: Some(permit), ..message(peer, "a/b", body, number) }
}

#[tokio::test]
async fn an_event_that_the_plugin_fails_at_goes_on_if_it_may_and_leaves_nothing_behind() {
    let mut running = run(&Guest::handling(PICKY)).await;
    let (peer, next) = (connection(1), Arc::<NextOne>::default());
    for (body, number) in [("x", 1), ("1", 2), ("l", 3), ("e", 4)] {
        running.offer(or_else(&next, &peer, body, number));
        if body == "1" {
            while !running.decided().await.contains(&"r2".to_owned()) {}
        }
    }
    let all = [(1, FaultId::PluginFailed), (3, FaultId::PluginFailed), (4, FaultId::PluginFailed)];
    wait(&running, |_| next.0.lock().expect("not poisoned").len() == 3).await;
    assert_eq!(*next.0.lock().expect("not poisoned"), all);
    assert_eq!(peer.waiting.events(), 0);
    while let Ok(acted) = running.acted.try_recv() {
        assert!(!acted.events.contains(&"m1".to_owned()) || acted.decided.is_empty(), "{acted:?}");
    }
    assert_eq!(running.status().errors, 3);
}

/// Panics at the events of one connection.
#[derive(Debug)]
struct Panics {
    acted: mpsc::Sender<Acted>,
    /// Whether it cannot even be told that an event failed.
    always: bool,
    panicked: AtomicBool,
}

const POISON: u32 = 66;

impl Actor for Panics {
    fn act(&self, _: &PluginName, events: &[Event], work: &mut Work) -> Progress {
        let outcome = work.take();
        if outcome == Outcome::default() {
            return Progress::Done;
        }
        let poison = events.iter().any(|event| shorthand(event) == format!("m{POISON}"));
        let failed = !outcome.failures.is_empty();
        if poison && (self.always || !failed) {
            self.panicked.store(true, Ordering::SeqCst);
            panic!("a fault of the gateway");
        }
        let failures =
            outcome.failures.iter().map(|failure| format!("f:{}", failure.why.id.word()));
        let effects = outcome.effects.iter().map(|_| "done".to_owned());
        let decided = effects.chain(failures).collect();
        let acted = Acted { events: events.iter().map(shorthand).collect(), decided };
        self.acted.try_send(acted).expect("the test reads along");
        Progress::Done
    }

    fn connections_of(&self, _: &PluginName) -> Vec<Arc<Connection>> {
        Vec::new()
    }
}

#[tokio::test]
async fn a_panic_at_an_event_costs_the_event_and_neither_the_plugin_nor_a_reload() {
    for always in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("guest.wasm");
        std::fs::write(&file, Guest::handling(PICKY).component()).expect("written");
        let (sender, mut acted) = mpsc::channel(64);
        let actor = Arc::new(Panics { acted: sender, always, panicked: AtomicBool::new(false) });
        let tasks = TaskTracker::new();
        let plugin = Plugin::load(PluginParts {
            engine: engine(),
            name: PluginName::from("guest"),
            settings: settings::Plugin::new(&file),
            actor: Arc::clone(&actor) as Arc<dyn Actor>,
            tracer: Arc::new(NoTracer),
            tasks: tasks.clone(),
            stop: CancellationToken::new(),
            waiting_events: NonZeroUsize::new(1000).expect("not zero"),
        })
        .await
        .expect("it runs");
        let handler = plugin.handler().expect("a handler");
        let peer = connection(POISON);
        let permit = Permit::take(&peer, 1, 10, 10);
        let poison = Event { permit, ..message(&peer, "a/b", "1", 1) };
        let offered = handler.offer(poison);
        offered.map_err(|declined| declined.why).expect("it is taken");
        handler.settle();
        let seen = async {
            while plugin.status().panics == 0 || plugin.status().state != State::Running {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(30), seen).await.expect("it runs again");
        assert!(actor.panicked.load(Ordering::SeqCst));
        assert_eq!(peer.waiting.events(), 0, "nothing of the connection waits any more");
        if !always {
            let told = acted.recv().await.expect("it is told").decided;
            assert!(told.contains(&FAILED.to_owned()), "{told:?}");
        }
        let offered = handler.offer(message(&connection(1), "a/b", "1", 2));
        offered.map_err(|declined| declined.why).expect("it is taken");
        handler.settle();
        let decided = timeout(Duration::from_secs(30), acted.recv()).await.expect("in time");
        assert!(decided.expect("it runs").decided.contains(&"done".to_owned()));
        let other = Guest { items: "(data (i32.const 9000) \"b\")", ..Guest::handling(PICKY) };
        std::fs::write(&file, other.component()).expect("written");
        let reloaded = timeout(Duration::from_secs(30), plugin.reload(None)).await;
        reloaded.expect("it does not hang").expect("it is replaced");
        timeout(Duration::from_secs(30), plugin.stop(Duration::from_secs(1)))
            .await
            .expect("it stops");
    }
}
