//! What a call costs, by hand: `cargo test --release -p tengen --lib plugin::tests::cost -- --ignored --nocapture`.

use super::*;
use crate::{
    call::{
        events::{prepare, tell},
        whose::Whose,
    },
    guest::bindings::plugin::StartReason,
    prepare::{GenerationParts, rehearse},
};
use std::time::Instant;

/// The guest measured: the fixture `handler_echo` where it is built, else the one in core text.
fn guest() -> (&'static str, Vec<u8>) {
    let built = std::env::current_exe().ok().and_then(|own| {
        let file = own.ancestors().nth(3)?.join("guests/handler_echo.wasm");
        std::fs::read(file).ok()
    });
    built.map_or_else(
        || ("core text", Guest::handling(guests::PICKY).component()),
        |bytes| ("handler_echo", bytes),
    )
}

async fn best_of(samples: usize, mut sample: impl AsyncFnMut() -> f64) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..samples {
        best = best.min(sample().await);
    }
    best
}

#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn the_cost_of_a_call() {
    let (name, bytes) = guest();
    println!("guest: {name}");
    let compiled = Arc::new(engine().compile_here(&bytes).expect("it compiles"));
    let settings = Arc::new(settings::Plugin::new("guest.wasm"));
    let made = GenerationParts {
        number: 1,
        plugin: "guest".into(),
        compiled,
        settings,
        counters: Arc::default(),
    };
    let (generation, mut instance) =
        rehearse(made, StartReason::First, |_| true).await.expect("it runs");
    let peer = connection(1);
    for size in [1_usize, 16, 64] {
        let body = format!("\"{}\"", "a".repeat(62));
        let events = (0..size).map(|_| message(&peer, "echo/this", &body, 1)).collect::<Vec<_>>();
        let calls = 20_000 / size;
        let made = prepare(&events, &[], Encoding::Json);
        let told = tell(&events, &made);
        let lean = best_of(7, async || {
            let began = Instant::now();
            for _ in 0..calls {
                let outcome =
                    instance.handle(generation.allowance(size), &told.records, Whose::NOBODY).await;
                assert_eq!(outcome.expect("it answers").expect("well").len(), size);
            }
            began.elapsed().as_nanos() as f64 / (calls * size) as f64
        });
        println!("{size:3} events of 64 bytes, the call alone: {:7.0} ns an event", lean.await);
    }
}

#[tokio::test]
#[ignore = "a measurement, not a test"]
async fn the_cost_from_offer_to_act() {
    let (name, bytes) = guest();
    println!("guest: {name}");
    let mut running = load(&bytes, |_| {}).await.expect("it runs");
    let peer = connection(1);
    let body = format!("\"{}\"", "a".repeat(62));
    for size in [1_usize, 64] {
        let rounds = 20_000 / size;
        let cost = best_of(7, async || {
            let began = Instant::now();
            for _ in 0..rounds {
                for _ in 0..size {
                    running.offer(message(&peer, "echo/this", &body, 1));
                }
                let mut replies = 0;
                while replies < size {
                    replies += running.decided().await.len();
                }
            }
            began.elapsed().as_nanos() as f64 / (rounds * size) as f64
        });
        println!("{size:3} in flight, from offer to act and back: {:7.0} ns an event", cost.await);
    }
}
