//! What a guest may take of WASI, memory and processor: the bounds, at the bounds.

use super::{
    guests::PICKY,
    hostile::{Log, TRAPS, check, effect, on_messages},
    *,
};
use crate::{
    call::{
        events::{prepare, tell},
        generation::Generation,
        instance::Instance,
        whose::Whose,
    },
    guest::bindings::plugin::StartReason,
    guest::ticks::TICK,
    prepare::{GenerationParts, rehearse},
};
use futures_util::future::poll_immediate;
use std::{pin::pin, time::Instant};

const WASI: &[&str] = &[
    "package wasi:io@0.2.0; interface poll { resource pollable { block: func(); } }",
    "package wasi:random@0.2.0; interface random { get-random-bytes: func(len: u64) -> list<u8>; }",
    "package wasi:clocks@0.2.0;
     interface monotonic-clock {
       use wasi:io/poll@0.2.0.{pollable};
       now: func() -> u64;
       subscribe-duration: func(when: u64) -> pollable;
     }
     interface wall-clock { record datetime { seconds: u64, nanoseconds: u32 } now: func() -> datetime; }",
    "package wasi:cli@0.2.0; interface environment {
       get-environment: func() -> list<tuple<string, string>>;
       get-arguments: func() -> list<string>;
     }",
    "package wasi:filesystem@0.2.0;
     interface types { resource descriptor; }
     interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }",
    "package wasi:sockets@0.2.0;
     interface network {
       enum error-code {
         unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout, concurrency-conflict,
         not-in-progress, would-block, invalid-state, new-socket-limit, address-not-bindable, address-in-use,
         remote-unreachable, connection-refused, connection-reset, connection-aborted, datagram-too-large,
         name-unresolvable, temporary-resolver-failure, permanent-resolver-failure,
       }
       enum ip-address-family { ipv4, ipv6 }
     }
     interface tcp { resource tcp-socket; }
     interface tcp-create-socket {
       use network.{error-code, ip-address-family};
       use tcp.{tcp-socket};
       create-tcp-socket: func(family: ip-address-family) -> result<tcp-socket, error-code>;
     }
     interface udp { resource udp-socket; }
     interface udp-create-socket {
       use network.{error-code, ip-address-family};
       use udp.{udp-socket};
       create-udp-socket: func(family: ip-address-family) -> result<udp-socket, error-code>;
     }",
];

const WORLD: &str = "import tengen:gateway/signals@0.1.0; import wasi:io/poll@0.2.0;
    import wasi:random/random@0.2.0; import wasi:clocks/monotonic-clock@0.2.0; import wasi:clocks/wall-clock@0.2.0;
    import wasi:cli/environment@0.2.0; import wasi:filesystem/preopens@0.2.0;
    import wasi:sockets/tcp-create-socket@0.2.0; import wasi:sockets/udp-create-socket@0.2.0;
    export tengen:gateway/plugin@0.1.0; export tengen:gateway/handler@0.1.0;";

const IMPORTS: &str = r#"
  (import "tengen:gateway/signals@0.1.0" "add" (func $add (param i32 i32 i32 i32 i32)))
  (import "wasi:random/random@0.2.0" "get-random-bytes" (func $random (param i64 i32)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $later (param i64) (result i32)))
  (import "wasi:clocks/wall-clock@0.2.0" "now" (func $wall (param i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:cli/environment@0.2.0" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))
  (import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $directories (param i32)))
  (import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $tcp (param i32 i32)))
  (import "wasi:sockets/udp-create-socket@0.2.0" "create-udp-socket" (func $udp (param i32 i32)))"#;

/// A guest that may call WASI, and does this to every message.
pub(super) fn with_wasi(worst: &str) -> Guest {
    Guest { world: WORLD, imports: IMPORTS, packages: WASI, ..on_messages(worst) }
}

/// Closes with 3000, which says that all was as expected; a trap says that it was not.
fn well() -> String {
    effect(5, &[1, 3000, 0, 0])
}

async fn goes_well(guest: Guest) -> Running {
    let mut running = run(&guest).await;
    running.offer(message(&connection(1), "a/b", "1", 1));
    assert_eq!(running.decided().await, ["close 3000"], "{:?}", running.status().last_error);
    running
}

#[tokio::test]
async fn random_bytes_come_in_bounded_portions() {
    let ask = |bytes: u32| format!("(call $random (i64.const {bytes}) (i32.const 400)) {}", well());
    goes_well(with_wasi(&ask(1 << 16))).await;
    check(with_wasi(&ask((1 << 16) + 1)), TRAPS).await;
}

#[tokio::test]
async fn handles_are_bounded() {
    let open = |count: u32| {
        let more = format!(
            "(i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {count}))"
        );
        format!("(loop $l (drop (call $later (i64.const 0))) (br_if $l {more})) {}", well())
    };
    goes_well(with_wasi(&open(500))).await;
    check(with_wasi(&open(2000)), TRAPS).await;
}

#[tokio::test]
async fn nothing_granted_is_nothing_seen_and_clocks_are_coarse() {
    let empty = ["environment", "arguments", "directories"].map(|function| {
        format!(
            "(call ${function} (i32.const 400)) (if (i32.load (i32.const 404)) (then unreachable))"
        )
    });
    let coarse =
        "(if (i64.ne (i64.rem_u (call $now) (i64.const 100000)) (i64.const 0)) (then unreachable))
        (call $wall (i32.const 400))
        (if (i32.rem_u (i32.load (i32.const 408)) (i32.const 100000)) (then unreachable))
        (if (i64.eqz (i64.load (i32.const 400))) (then unreachable))";
    // Ten times, since a fine clock is at a coarse step by chance as well.
    let handle = format!("{} {} {}", empty.concat(), coarse.repeat(10), well());
    goes_well(with_wasi(&handle)).await;
}

#[tokio::test]
async fn no_socket_is_given() {
    // An error (1), which says `access-denied` (1).
    let refused = |function: &str, family: u32| {
        format!(
            "(call ${function} (i32.const {family}) (i32.const 400))
             (if (i32.ne (i32.load8_u (i32.const 400)) (i32.const 1)) (then unreachable))
             (if (i32.ne (i32.load8_u (i32.const 404)) (i32.const 1)) (then unreachable))"
        )
    };
    let all = [("tcp", 0), ("tcp", 1), ("udp", 0), ("udp", 1)]
        .map(|(function, family)| refused(function, family));
    goes_well(with_wasi(&format!("{} {}", all.concat(), well()))).await;
}

#[tokio::test]
async fn tables_grow_to_their_limit_and_no_further() {
    let grow = |by: u32| {
        format!("(i32.eq (table.grow $t (ref.null func) (i32.const {by})) (i32.const -1))")
    };
    let handle = format!(
        "(if (i32.eqz {}) (then unreachable)) (if {} (then unreachable)) {}",
        grow(60_000),
        grow(59_999),
        well()
    );
    goes_well(Guest { items: "(table $t 1 funcref)", ..on_messages(&handle) }).await;
}

#[tokio::test]
async fn a_flood_of_names_is_kept_to_the_bound() {
    let flood = "(loop $each
        (i32.store8 (i32.const 5000) (i32.add (i32.const 97) (i32.rem_u (local.get $n) (i32.const 26))))
        (i32.store8 (i32.const 5001) (i32.add (i32.const 97) (i32.div_u (local.get $n) (i32.const 26))))
        (call $add (i32.const 5000) (i32.const 2) (i32.const 1) (i32.const 0) (i32.const 0))
        (br_if $each (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 600))))";
    let running = goes_well(with_wasi(&format!("{flood} {}", well()))).await;
    assert_eq!(running.status().measures.len(), 64);
}

#[tokio::test]
async fn a_neighbour_of_a_guest_that_computes_is_answered_in_ticks() {
    const CALLS: u32 = 20;
    let mut neighbour = run(&Guest::handling(PICKY)).await;
    let peer = connection(2);
    let mut calls = async |first: u32| {
        let began = Instant::now();
        for number in first..first + CALLS {
            neighbour.offer(message(&peer, "a/b", "1", number));
            assert_eq!(neighbour.decided().await, [format!("r{number}")]);
        }
        began.elapsed()
    };
    let alone = calls(1).await;
    let spins = on_messages("(loop $for_ever (br $for_ever)) unreachable");
    let greedy = |settings: &mut settings::Plugin| settings.deadline = Duration::from_secs(10);
    let spinning = load(&spins.component(), greedy).await.expect("it runs");
    spinning.offer(message(&connection(1), "a/b", "1", 1));
    wait(&spinning, |status| status.calls == 2).await;
    let beside = calls(1 + CALLS).await;
    // One thread for both: a call needs a few turns, each at most a tick and what the machine is late with.
    assert!(beside < TICK * CALLS * 40, "{CALLS} calls took {beside:?}, alone {alone:?}");
    assert_eq!(spinning.status().deadline_overruns, 0, "it still computes");
}

/// A first instance in an engine of the test's own.
async fn alone(engine: &Engine, guest: &Guest) -> (Arc<Generation>, Instance) {
    alone_with(engine, guest, 16 << 20).await
}

/// The same, with so much memory.
pub(super) async fn alone_with(
    engine: &Engine,
    guest: &Guest,
    memory: usize,
) -> (Arc<Generation>, Instance) {
    let compiled = Arc::new(engine.compile_here(&guest.component()).expect("it compiles"));
    let mut settings = settings::Plugin::new("guest.wasm");
    (settings.deadline, settings.memory) = (Duration::from_secs(10), Some(memory));
    let settings = Arc::new(settings);
    let made = GenerationParts {
        number: 1,
        plugin: "guest".into(),
        compiled,
        settings,
        counters: Arc::default(),
    };
    rehearse(made, StartReason::First, |_| true).await.expect("it runs")
}

#[tokio::test]
async fn an_instance_never_sees_what_another_one_left_in_memory() {
    const SEEK: &str = "(local.set $at (i32.const 196608))
        (loop $l (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then unreachable))
          (br_if $l (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 6000000))))";
    let grow = "(if (i32.eq (memory.grow (i32.const 96)) (i32.const -1)) (then unreachable))";
    let fill = "(memory.fill (i32.const 196608) (i32.const 0xa5) (i32.const 6000000))";
    let leaves = Guest::handling(format!("{grow} {SEEK} {fill} {}", guests::NOTHING));
    let seeks = Guest { pages: 100, ..Guest::handling(format!("{SEEK} {}", guests::NOTHING)) };
    // Few places, so that the next instance gets the last one's.
    let engine = Engine::new(EngineLimits { instances: 1, ..Default::default() }).expect("one");
    let events = [event(&connection(1), Occurrence::Opened)];
    let made = prepare(&events, &[], Encoding::Json);
    let told = tell(&events, &made);
    for guest in [&leaves, &leaves, &seeks, &leaves, &seeks] {
        let (generation, mut instance) = alone(&engine, guest).await;
        let outcome = instance.handle(generation.allowance(1), &told.records, Whose::NOBODY).await;
        outcome.expect("nothing of anybody else").expect("well");
    }
}

#[tokio::test]
async fn calls_given_up_at_any_point_leave_nothing_behind() {
    // Waits and computes in turns, for ever: there is always a point to give up at.
    let busy = "(loop $l (call $block (call $later (i64.const 50000)))
        (local.set $n (i32.const 0))
        (loop $m (br_if $m (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20000))))
        (br $l)) unreachable";
    let engine = Engine::new(EngineLimits { instances: 2, ..Default::default() }).expect("one");
    let (generation, first) = alone(&engine, &with_wasi(busy)).await;
    drop(first);
    let events = [message(&connection(1), "a/b", "1", 1)];
    let made = prepare(&events, &[], Encoding::Json);
    let told = tell(&events, &made);
    let began = Instant::now();
    let mut chance = 0x2545_f491_u32;
    for _ in 0..2000 {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut instance =
            Instance::start(&generation, StartReason::Scale).await.expect("there is room");
        let mut call = pin!(instance.handle(generation.allowance(1), &told.records, Whose::NOBODY));
        for _ in 0..(chance >> 16) % 64 {
            assert!(poll_immediate(&mut call).await.is_none(), "it never ends by itself");
            tokio::task::yield_now().await;
        }
        if began.elapsed() > Duration::from_secs(20) {
            break;
        }
    }
    let metrics = engine.wasm().pooling_allocator_metrics().expect("it pools");
    assert_eq!((metrics.component_instances(), metrics.memories()), (0, 0));
    assert_eq!(generation.counters.memory.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn what_a_guest_prints_reaches_the_log_in_one_plain_line() {
    let (log, _reading) = Log::open();
    let console = crate::guest::console::Console::default();
    let mut signals = crate::guest::signals::Signals::new("guest".into(), console.clone());
    let mut stream = wasmtime_wasi::cli::StdoutStream::p2_stream(&console);
    stream.write(bytes::Bytes::from_static(b"\x1b]0;title\x07 \x1b[2J\r\xff\n")).expect("taken");
    let often = tengen_core::often::Often::default();
    signals.release(&|_| crate::guest::signals::About::default(), false, &often);
    let text = log.text();
    assert!(text.contains("\\u{1b}]0;title\\u{7} \\u{1b}[2J\\u{d}"), "{text:?}");
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    // What is too much is not dropped unsaid.
    stream.write(bytes::Bytes::from(vec![b'x'; 9 << 10])).expect("taken");
    assert_eq!(signals.release(&|_| crate::guest::signals::About::default(), false, &often), 1);
    let text = log.text();
    assert!(text.contains("the plugin printed too much") && text.contains("bytes=1024"), "{text}");
}
