//! Guests that do their worst to one event, with a well-behaved plugin beside them: what each may cost, and what not.

use super::{guests::PICKY, *};
use std::{fmt::Write as _, io};

/// A guest that does this to every message, and nothing to anything else.
pub(super) fn on_messages(worst: &str) -> Guest {
    let spare = "(if (i32.ne (i32.load8_u offset=24 (local.get $at)) (i32.const 2)) (then (return (i32.const 256))))";
    Guest { max_batch: 1, ..Guest::handling(format!("{spare} {worst}")) }
}

/// Code that stores these words from here on.
pub(super) fn stores(mut at: u32, words: &[u32]) -> String {
    words.iter().fold(String::new(), |mut code, word| {
        write!(code, "(i32.store (i32.const {at}) (i32.const {word}))").expect("a string");
        at += 4;
        code
    })
}

/// Code that returns one effect of the first event, of this kind, with these words.
pub(super) fn effect(kind: u32, words: &[u32]) -> String {
    format!(
        "{} {} {} (i32.const 256)",
        stores(4096, &[kind]),
        stores(4100, words),
        stores(65_568, &[4096, 1])
    )
}

/// Code that fills a list: `count` places of `size` bytes from 131072 on, each with these words.
fn list(count: u32, size: u32, words: &[u32]) -> String {
    let each = (0..).step_by(4).zip(words).fold(String::new(), |mut code, (offset, word)| {
        write!(code, "(i32.store offset={offset} (local.get $out) (i32.const {word}))")
            .expect("a string");
        code
    });
    format!(
        "(local.set $out (i32.const 131072))
         (loop $fill {each}
           (local.set $out (i32.add (local.get $out) (i32.const {size})))
           (br_if $fill (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {count}))))"
    )
}

/// A call of `emit` with this level, message and data.
fn emit(level: u32, message: (u32, u32), data: (u32, u32)) -> String {
    format!(
        "(call $emit (i32.const {level}) (i32.const 1056) (i32.const 6) (i32.const {}) (i32.const {}) (i32.const {}) (i32.const {}))",
        message.0, message.1, data.0, data.1
    )
}

/// Everything that is logged in this thread while it lives.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(super) fn open() -> (Self, tracing::subscriber::DefaultGuard) {
        somebody_listens();
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("not poisoned")).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a guest's worst comes to.
pub(super) struct Expected {
    /// What the event is answered.
    fault: &'static str,
    /// The counter that rises.
    counted: fn(&Status) -> u64,
    /// What the operator reads.
    said: &'static str,
}

pub(super) const TRAPS: Expected =
    Expected { fault: "f:plugin-failed", counted: |s| s.traps, said: "trapped" };
const TOO_MUCH: Expected =
    Expected { fault: "f:limit-reached", counted: |s| s.traps, said: "returned more than" };
const OVERRUNS: Expected =
    Expected { fault: "f:plugin-failed", counted: |s| s.deadline_overruns, said: "" };

impl Expected {
    pub(super) fn saying(self, said: &'static str) -> Self {
        Self { said, ..self }
    }
}

/// The event gets its error, its connection goes on, the neighbour answers meanwhile, and people can see it all.
pub(super) async fn check(guest: Guest, expected: Expected) {
    let (log, _reading) = Log::open();
    let mut neighbour = run(&Guest::handling(PICKY)).await;
    let mut hostile = load(&guest.component(), |settings| {
        settings.deadline = Duration::from_millis(100);
        settings.memory = Some(128 << 20);
    })
    .await
    .expect("it runs");
    let peer = connection(1);
    for number in 1..=2 {
        hostile.offer(message(&peer, "a/b", "1", number));
        neighbour.offer(message(&connection(2), "a/b", "1", number));
        assert_eq!(neighbour.decided().await, [format!("r{number}")], "the neighbour answers");
        assert_eq!(hostile.decided().await, [expected.fault], "{guest:?}");
        let status = hostile.status();
        assert_eq!(status.errors, u64::from(number), "{status:?}");
        assert!((expected.counted)(&status) >= u64::from(number), "{status:?}");
        assert_eq!((status.state, status.breaker), (State::Running, Phase::Closed));
        let seen = status.last_error.expect("it is shown").message;
        assert!(seen.contains(expected.said), "`{}` is not in: {seen}", expected.said);
        assert!(!seen.contains(char::is_control), "{seen:?}");
    }
    let status = neighbour.status();
    assert_eq!((status.errors, status.traps, status.restarts), (0, 0, 0), "{status:?}");
    let text = log.text();
    assert!(text.contains("ERROR") && text.contains(expected.said), "{text}");
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[tokio::test]
async fn guests_that_never_return_cost_their_event() {
    check(on_messages("(loop $for_ever (br $for_ever)) unreachable"), OVERRUNS).await;
    let talk = emit(0, (1024, 3), (0, 0));
    check(on_messages(&format!("(loop $l {talk} (br $l)) unreachable")), OVERRUNS).await;
}

#[tokio::test]
async fn bulk_operations_are_interrupted_between_each_other() {
    let fill = "(memory.fill (i32.const 140000) (i32.const 7) (i32.const 4000000))";
    let copy = "(memory.copy (i32.const 140000) (i32.const 240000) (i32.const 3900000))";
    let worst = format!("(loop $for_ever {fill} {copy} (br $for_ever)) unreachable");
    check(Guest { pages: 100, ..on_messages(&worst) }, OVERRUNS).await;
    // What it left in its memory is gone with it: the same guest's next instance begins with zeroes.
    let clean = "(if (i32.load (i32.const 150000)) (then (return (i32.const 256))))";
    check(Guest { pages: 100, ..on_messages(&format!("{clean} {worst}")) }, OVERRUNS).await;
}

#[tokio::test]
async fn results_outside_the_memory_are_traps() {
    check(on_messages("(i32.const 257)"), TRAPS.saying("not aligned")).await;
    check(on_messages("(i32.const -4)"), TRAPS).await;
    check(on_messages(&effect(7, &[0, 0, 1024, 1 << 30])), TRAPS).await;
    check(on_messages(&effect(7, &[0, 0, u32::MAX - 3, 16])), TRAPS).await;
    check(on_messages(&effect(1, &[1, 4098, 5])), TRAPS.saying("not aligned")).await;
}

#[tokio::test]
async fn results_that_are_small_in_the_guest_and_large_here_are_refused() {
    // A push to users, each of whose names is the same 60,000 bytes.
    let users = list(3000, 8, &[70_000, 60_000]);
    let nested = format!("{users} {}", effect(1, &[3, 131_072, 3000]));
    check(on_messages(&nested), TOO_MUCH).await;
    // A million decisions, as short as can be.
    let million = format!("{} (i32.const 256)", stores(260, &[131_072, 1_000_000]));
    check(Guest { pages: 1000, ..on_messages(&million) }, TOO_MUCH).await;
}

#[tokio::test]
async fn host_calls_with_nonsense_are_traps() {
    let cases = [
        (
            format!(
                "(i32.store8 (i32.const 5000) (i32.const 0xff)) {}",
                emit(4, (5000, 1), (0, 0))
            ),
            "utf-8",
        ),
        (emit(99, (1024, 3), (0, 0)), "discriminant"),
        (emit(4, (1024, 1 << 30), (0, 0)), ""),
        (emit(4, (1024, 3), (131_072, 1 << 28)), ""),
        (emit(4, (1024, 3), (131_073, 1)), "not aligned"),
    ];
    for (call, said) in cases {
        check(on_messages(&format!("{call} (i32.const 256)")), TRAPS.saying(said)).await;
    }
}

#[tokio::test]
async fn what_is_handed_over_in_many_host_calls_counts_together() {
    for (times, fault) in [(2, None), (3, Some("f:limit-reached"))] {
        let some = emit(4, (196_608, 3 << 20), (0, 0)).repeat(times);
        let guest =
            Guest { pages: 60, ..on_messages(&format!("{some} {}", effect(5, &[1, 3000, 0, 0]))) };
        let patient = |settings: &mut settings::Plugin| settings.deadline = Duration::from_secs(20);
        let mut running = load(&guest.component(), patient).await.expect("it runs");
        running.offer(message(&connection(1), "a/b", "1", 1));
        assert_eq!(
            running.decided().await,
            [fault.unwrap_or("close 3000")],
            "{:?}",
            running.status()
        );
        let said = running.status().last_error.map_or_else(String::new, |error| error.message);
        assert_eq!(said.contains("handed the gateway"), fault.is_some(), "{said}");
    }
}

#[tokio::test]
async fn host_calls_with_huge_lists_are_refused() {
    let fill = list(3000, 24, &[70_000, 60_000, 0, 0, 70_000, 60_000]);
    let call = emit(4, (1024, 3), (131_072, 3000));
    check(on_messages(&format!("{fill} {call} (i32.const 256)")), TOO_MUCH).await;
}

#[tokio::test]
async fn nothing_that_a_guest_says_is_obeyed_by_a_terminal() {
    let items = r#"(data (i32.const 1040) "\1b[31mred\07")"#;
    let says =
        Guest { items, ..on_messages(&format!("{} (i32.const 320)", emit(4, (1040, 9), (0, 0)))) };
    let seen =
        Expected { fault: "f:plugin-failed", counted: |s| s.errors, said: "\\u{1b}[31mred\\u{7}" };
    check(says, seen).await;
}

#[tokio::test]
async fn an_allocator_that_misbehaves_costs_the_events_it_was_for() {
    // The allocator is called for every event, so the connection's beginning already fails.
    let call = emit(4, (1024, 3), (0, 0)).leak();
    let reallocs: [(&str, &str); 4] = [
        (call, "cannot leave component instance"),
        ("(return (i32.const 3))", "aligned"),
        ("(return (i32.const -16))", "beyond end of memory"),
        ("(loop $for_ever (br $for_ever))", ""),
    ];
    for (realloc, said) in reallocs {
        let guest = Guest { realloc: realloc.to_owned().leak(), ..Guest::handling(PICKY) };
        let mut neighbour = run(&Guest::handling(PICKY)).await;
        let short =
            |settings: &mut settings::Plugin| settings.deadline = Duration::from_millis(100);
        let mut hostile = load(&guest.component(), short).await.expect("it runs");
        hostile.offer(message(&connection(1), "a/b", "1", 1));
        neighbour.offer(message(&connection(2), "a/b", "1", 1));
        assert_eq!(neighbour.decided().await, ["r1"]);
        while !hostile.decided().await.contains(&"f:plugin-failed".to_owned()) {}
        let seen = hostile.status().last_error.expect("it is shown").message;
        assert!(seen.contains(said), "`{said}` is not in: {seen}");
    }
}

#[tokio::test]
async fn ids_of_the_gateways_namespaces_are_refused() {
    // A push of `chsk/x` to connection 1, with the key `k`; and one of a text that is no id.
    for id in [[1056, 6], [1024, 3]] {
        let words = [0, 1, 0, 0, 0, id[0], id[1], 0, 0, 0, 1024, 3, 0, 0, 0, 0, 1, 1064, 1];
        let mut running = run(&on_messages(&effect(1, &words))).await;
        running.offer(message(&connection(1), "a/b", "1", 1));
        wait(&running, |status| status.refused_effects > 0).await;
        assert!(running.acted.try_recv().is_err(), "nothing is pushed");
        assert_eq!(running.status().errors, 0, "what was refused is told, and no error");
    }
}

#[tokio::test]
async fn a_refusal_that_came_of_a_refusal_is_not_told() {
    // Whatever it hears of, it does the same again; and it is told of that once.
    let words = [0, 1, 0, 0, 0, 1056, 6, 0, 0, 0, 1024, 3, 0, 0, 0, 0, 1, 1064, 1];
    let again = Guest { max_batch: 1, ..Guest::handling(effect(1, &words)) };
    let running = run(&again).await;
    running.offer(event(&connection(1), Occurrence::Opened));
    wait(&running, |status| status.refused_effects == 2).await;
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert_eq!((running.status().calls, running.status().waiting), (2, 0));
}
