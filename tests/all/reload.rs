//! Versions of a plugin that come and go under load: nothing is lost, nothing goes back.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use support::{
    client::{Client, PATIENCE},
    gateway, guests, process,
};
use tengen_settings::{Plugin, Settings};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

const VERSIONS: [&str; 2] = ["handler_version_a", "handler_version_b"];
const CONNECTIONS: usize = 4;
/// Together a thousand events a second.
const PACE: Duration = Duration::from_millis(4);

/// What one connection has seen so far.
#[derive(Debug, Clone, Default)]
struct Seen {
    by: String,
    /// How often the version changed.
    changes: u32,
    answered: u64,
}

/// Sends numbered events at a steady pace and checks each reply, until told to stop.
async fn talk(
    mut client: Client,
    seen: watch::Sender<Seen>,
    stop: Arc<watch::Sender<bool>>,
) -> Result<Seen> {
    let mut stopped = stop.subscribe();
    let mut pace = interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut state = Seen::default();
    while !*stopped.borrow_and_update() {
        pace.tick().await;
        let number = state.answered + 1;
        let reply = client.ask("version/ask", json!(number)).await?;
        ensure!(reply["n"] == number, "{number} was answered by {reply}");
        state.answered = number;
        let by = reply["by"].as_str().context("no version in the reply")?;
        if by != state.by {
            state.changes += 1;
            state.by = by.to_owned();
        }
        seen.send_replace(state.clone());
    }
    Ok(state)
}

/// Why one of the connections ended before it was told to.
async fn failure(talks: &mut JoinSet<Result<Seen>>) -> anyhow::Error {
    match talks.join_next().await {
        Some(Ok(Err(error))) => error,
        other => anyhow::anyhow!("a connection ended early: {other:?}"),
    }
}

/// The number of rounds: 200, or what `TENGEN_RELOADS` says.
fn rounds() -> Result<u32> {
    match std::env::var("TENGEN_RELOADS") {
        Ok(text) => text.parse().context("`TENGEN_RELOADS` is no number"),
        Err(_) => Ok(200),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_under_load_lose_nothing_and_never_go_back() -> Result<()> {
    let rounds = rounds()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("version.wasm");
    guests::install(VERSIONS[0], &file)?;
    let mut settings = Settings::default();
    gateway::route_everything(&mut settings, "version", Plugin::new(&file));
    let gateway = gateway::start(settings).await?;

    let stop = Arc::new(watch::Sender::new(false));
    let mut talks = JoinSet::new();
    let mut views = Vec::new();
    for _ in 0..CONNECTIONS {
        let client = Client::json(gateway.address(), "/ws").await?;
        let (seen, view) = watch::channel(Seen::default());
        views.push(view);
        talks.spawn(talk(client, seen, Arc::clone(&stop)));
    }
    let started = Instant::now();
    let mut samples = process::Samples::default();
    for round in 1..=rounds {
        let version = VERSIONS[round as usize % 2];
        guests::install(version, &file)?;
        for view in &mut views {
            let arrived = timeout(PATIENCE, view.wait_for(|seen| seen.by == version)).await;
            match arrived.with_context(|| format!("round {round}: no reply by {version}"))? {
                Ok(_) => {}
                // Its connection has failed, and knows why.
                Err(_) => return Err(failure(&mut talks).await.context(format!("round {round}"))),
            }
        }
        samples.take(round)?;
    }
    stop.send_replace(true);
    let mut answered = 0;
    while let Some(seen) = talks.join_next().await {
        let seen = seen??;
        // The first version and one change a round: a reply of an older version after a newer one would be two more.
        assert!(
            seen.changes == rounds + 1 || seen.changes == rounds,
            "{seen:?} after {rounds} rounds"
        );
        answered += seen.answered;
    }
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{rounds} reloads in {seconds:.1} s under {:.0} events/s: {answered} events, each answered once; {samples}",
        answered as f64 / seconds
    );
    samples.check()?;
    gateway.drain().await;
    Ok(())
}
