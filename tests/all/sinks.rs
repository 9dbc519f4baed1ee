//! Sinks that fail in every way: connections are served on, losses are counted by their reason, and all goes on by itself.
//!
//! All gateways of this process share its log, so each test says things under a name of its own.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    fs,
    num::NonZeroUsize,
    path::Path,
    process::Command,
    sync::{Arc, Once},
    time::{Duration, Instant},
};
use support::{
    client::Client,
    gateway::{self, Running},
    guests,
};
use tengen_settings::{Directory, Plugin, Settings, Sink, SinkKind, Spill};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{interval, timeout},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// What these tests say becomes signals, and nothing else of this process.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let telemetry = tengen_settings::Telemetry {
            level: "off,browser=trace,sinks_test=info,otlp_test=info,plugin.otlp-test=info,tengen::accounts=info"
                .into(),
            // So the log itself is nowhere.
            sinks: vec![Sink::new(SinkKind::Stdout)],
            ..tengen_settings::Telemetry::default()
        };
        tengen_telemetry::log::install(&telemetry, tengen_telemetry::log::Format::Json).unwrap();
    });
}

/// Numbers, said under the name of a test.
macro_rules! say {
    ($target:literal, $numbers:expr) => {
        for number in $numbers {
            tracing::info!(target: concat!("sinks_test::", $target), "{number}");
        }
    };
}

/// A gateway with one sink, and somebody who is served all the while.
struct Scene {
    gateway: Running,
    name: &'static str,
    stop: watch::Sender<bool>,
    talk: JoinHandle<Result<u64>>,
}

impl Scene {
    async fn start(name: &'static str, mut sink: Sink, plugin: Option<Plugin>) -> Result<Self> {
        listen();
        sink.name = Some(name.to_owned());
        sink.filter.namespaces.allow = vec![format!("sinks_test::{name}")];
        let mut settings = Settings::default();
        settings.telemetry.sinks.push(sink);
        settings.plugins.extend(plugin.map(|plugin| (name.into(), plugin)));
        let gateway = gateway::start(settings).await?;
        let client = Client::json(gateway.address(), "/ws").await?;
        let (stop, stopped) = watch::channel(false);
        #[expect(clippy::disallowed_methods, reason = "ended by the scene, which waits for it")]
        let talk = tokio::spawn(talk(client, stopped));
        Ok(Self { gateway, name, stop, talk })
    }

    fn stats(&self) -> Result<Value> {
        let stats = self.gateway.gateway.stats()["telemetry"]["sinks"][self.name].clone();
        let dropped = stats["dropped"].as_object().context("there are losses by reason")?;
        let dropped: u64 = dropped.values().filter_map(Value::as_u64).sum();
        let rest: u64 = ["processed", "queued", "in_flight", "spilled"]
            .map(|key| count(&stats, key))
            .iter()
            .sum();
        ensure!(count(&stats, "accepted") == rest + dropped, "{stats:#}");
        Ok(stats)
    }

    async fn wait_for(&self, what: impl Fn(&Value) -> bool) -> Result<Value> {
        let (begun, mut look) = (Instant::now(), interval(Duration::from_millis(2)));
        loop {
            look.tick().await;
            let stats = self.stats()?;
            if what(&stats) {
                return Ok(stats);
            }
            ensure!(begun.elapsed() < PATIENCE, "{stats:#}");
        }
    }

    /// Everybody was served; the account at the end.
    async fn end(self) -> Result<Value> {
        let stats = self.stats()?;
        self.stop.send_replace(true);
        let answered = self.talk.await??;
        ensure!(answered > 0, "nobody was served");
        self.gateway.drain().await;
        Ok(stats)
    }
}

/// Asks one thing after the other until told to stop, and wants each answered soon.
async fn talk(mut client: Client, stopped: watch::Receiver<bool>) -> Result<u64> {
    let mut answered = 0;
    while !*stopped.borrow() {
        let answer = timeout(PATIENCE / 4, client.ask("a/b", json!(answered))).await;
        ensure!(answer.context("not in time")?? == json!(answered));
        answered += 1;
    }
    Ok(answered)
}

fn count(stats: &Value, key: &str) -> u64 {
    stats[key].as_u64().unwrap_or_default()
}

fn at_least_one(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

fn to_file(path: &Path, buffer: usize) -> Sink {
    let (path, buffer) = (Some(path.to_owned()), at_least_one(buffer));
    Sink { path, buffer, ..Sink::new(SinkKind::File) }
}

/// A plugin that traps or loops as the file `mood` says.
fn moody(folder: &Path, component: Option<&Path>) -> Result<Plugin> {
    let component = component.map_or_else(|| guests::path("sink_moody"), |it| Ok(it.to_owned()))?;
    let mut plugin = Plugin::new(component);
    plugin.deadline = Duration::from_millis(10);
    let (host, guest) = (folder.to_owned(), "/sink".to_owned());
    plugin.grant.dirs = vec![Directory { host, guest, writable: true }];
    Ok(plugin)
}

fn to_plugin(name: &str) -> Sink {
    let (batch, buffer) = (at_least_one(4), at_least_one(100_000));
    Sink { batch, buffer, ..Sink::of_plugin(name) }
}

/// The numbers that a sink has written.
fn written(path: &Path) -> Result<Vec<u64>> {
    let number = |line: &str| {
        let line: Option<Value> = serde_json::from_str(line).ok();
        match line? {
            Value::Number(number) => number.as_u64(),
            line => line["message"].as_str()?.parse().ok(),
        }
    };
    Ok(fs::read_to_string(path)?.lines().filter_map(number).collect())
}

fn is_sorted_and_counts(numbers: &[u64], stats: &Value) -> Result<()> {
    ensure!(numbers.is_sorted(), "{numbers:?}");
    ensure!(numbers.len() as u64 == count(stats, "processed"), "{} {stats:#}", numbers.len());
    Ok(())
}

fn is_idle(stats: &Value) -> bool {
    ["queued", "in_flight", "spilled"].iter().all(|key| count(stats, key) == 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_what_finds_no_room_and_gets_the_rest_when_it_has_some() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("log.jsonl");
    std::os::unix::fs::symlink("/dev/full", &path)?;
    let scene = Scene::start("full", to_file(&path, 100), None).await?;
    say!("full", 0..1);
    scene.wait_for(|stats| count(stats, "errors") > 0).await?;
    say!("full", 1..1000);
    let stats = scene.wait_for(|stats| stats["breaker"] == "open").await?;
    ensure!(count(&stats["dropped"], "queue_full") == 899, "{stats:#}");
    ensure!(
        stats["advice"].as_str().is_some_and(|advice| advice.contains("No space")),
        "{stats:#}"
    );
    fs::remove_file(&path)?;
    let stats = scene.wait_for(is_idle).await?;
    ensure!(
        (count(&stats, "processed"), &stats["breaker"]) == (101, &json!("closed")),
        "{stats:#}"
    );
    is_sorted_and_counts(&written(&path)?, &scene.end().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_opened_is_opened_when_it_can() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // Not by its mode: who runs the tests may write everywhere.
    let path = folder.path().join("log.jsonl");
    fs::create_dir(&path)?;
    let scene = Scene::start("unwritable", to_file(&path, 100), None).await?;
    say!("unwritable", 0..50);
    let stats = scene.wait_for(|stats| stats["health"] == "failing").await?;
    ensure!(stats["last_error"].as_str().is_some_and(|error| error.contains("directory")));
    fs::remove_dir(&path)?;
    let stats = scene.wait_for(is_idle).await?;
    ensure!(count(&stats, "processed") == 50, "nothing is lost: {stats:#}");
    is_sorted_and_counts(&written(&path)?, &scene.end().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_costs_what_finds_no_room_and_gets_the_rest() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("pipe");
    ensure!(Command::new("mkfifo").arg(&path).status()?.success());
    let scene = Scene::start("slow", to_file(&path, 100), None).await?;
    // Nobody has opened its other end: whoever opens it waits.
    say!("slow", 0..5000);
    let stats = scene.wait_for(|stats| stats["health"] == "behind").await?;
    ensure!(count(&stats["dropped"], "queue_full") > 4000, "{stats:#}");
    let of_reader = path.clone();
    let reader = tokio::task::spawn_blocking(move || fs::read_to_string(of_reader));
    let stats = scene.wait_for(is_idle).await?;
    ensure!(stats["health"] == "healthy" || count(&stats, "processed") > 0, "{stats:#}");
    scene.end().await?;
    let copy = folder.path().join("copy");
    fs::write(&copy, reader.await??)?;
    is_sorted_and_counts(&written(&copy)?, &stats)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_traps_or_loops_costs_its_batches_and_goes_on_by_itself() -> Result<()> {
    for (name, mood) in [("trap", "trap"), ("loop", "loop")] {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("mood"), mood)?;
        let plugin = moody(folder.path(), None)?;
        let scene = Scene::start(name, to_plugin(name), Some(plugin)).await?;
        match name {
            "trap" => say!("trap", 0..100),
            _ => say!("loop", 0..100),
        }
        let stats = scene.wait_for(|stats| stats["breaker"] == "open").await?;
        ensure!(count(&stats, "queued") > 0, "what waits is kept: {stats:#}");
        fs::remove_file(folder.path().join("mood"))?;
        let stats = scene.wait_for(is_idle).await?;
        let lost = count(&stats["dropped"], "sink_error");
        ensure!(count(&stats, "processed") + lost == 100, "{stats:#}");
        ensure!((5..=40).contains(&lost), "five batches and perhaps some trials: {stats:#}");
        ensure!(stats["breaker"] == "closed", "{stats:#}");
        is_sorted_and_counts(&written(&folder.path().join("lines"))?, &scene.end().await?)?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_did_not_get_waits_on_the_disk_for_the_next_start() -> Result<()> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("mood"), "trap")?;
    let sink = Sink {
        spill: Some(Spill::new(folder.path().join("spill"))),
        buffer: at_least_one(64),
        ..to_plugin("spill")
    };
    let plugin = moody(folder.path(), None)?;
    let scene = Scene::start("spill", sink.clone(), Some(plugin.clone())).await?;
    say!("spill", 0..40);
    scene.wait_for(|stats| stats["breaker"] == "open").await?;
    say!("spill", 40..90);
    let stats = scene.wait_for(|stats| count(stats, "spilled") == 50).await?;
    let lost = count(&stats["dropped"], "sink_error");
    scene.end().await?;
    fs::remove_file(folder.path().join("mood"))?;
    let scene = Scene::start("spill", sink, Some(plugin)).await?;
    say!("spill", 90..100);
    let stats = scene.wait_for(|stats| count(stats, "processed") > 0 && is_idle(stats)).await?;
    let numbers = written(&folder.path().join("lines"))?;
    is_sorted_and_counts(&numbers, &stats)?;
    // What it broke on while it ended is lost, and all else is there.
    ensure!(
        numbers.len() as u64 + lost >= 60 && numbers.ends_with(&[98, 99]),
        "{numbers:?} {lost}"
    );
    ensure!((40..90).all(|number| numbers.contains(&number)), "{numbers:?}");
    scene.end().await.map(drop)
}

/// The number of rounds: 12, or what `TENGEN_RELOADS` says; 300 by hand.
fn rounds() -> Result<u32> {
    match std::env::var("TENGEN_RELOADS") {
        Ok(text) => text.parse().context("`TENGEN_RELOADS` is no number"),
        Err(_) => Ok(12),
    }
}

/// The plugin in a version that differs from the other in a note.
fn install(version: u8, at: &Path) -> Result<()> {
    let mut component = fs::read(guests::path("sink_moody")?)?;
    component.extend([0, 6, 4, b'n', b'o', b't', b'e', version]);
    let temporary = at.with_extension("part");
    fs::write(&temporary, component)?;
    Ok(fs::rename(&temporary, at)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_reloaded_under_load_loses_nothing_of_its_queue() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let component = folder.path().join("sink.wasm");
    install(0, &component)?;
    let plugin = moody(folder.path(), Some(&component))?;
    let scene = Scene::start("reload", to_plugin("reload"), Some(plugin)).await?;
    let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let of_speaker = Arc::clone(&over);
    let speaker = std::thread::spawn(move || {
        let mut said = 0_u64;
        while !of_speaker.load(std::sync::atomic::Ordering::Relaxed) {
            say!("reload", said..said + 1);
            said += 1;
            std::thread::park_timeout(Duration::from_micros(500));
        }
        said
    });
    let generation = |scene: &Scene| {
        scene.gateway.gateway.plugins()[0]["generation"].as_u64().unwrap_or_default()
    };
    let rounds = rounds()?;
    let (first, mut look) = (generation(&scene), interval(Duration::from_millis(5)));
    for round in 1..=rounds {
        install(u8::from(round % 2 == 1), &component)?;
        let begun = Instant::now();
        while generation(&scene) != first + u64::from(round) {
            ensure!(
                begun.elapsed() < PATIENCE,
                "round {round}: {:#}",
                scene.gateway.gateway.plugins()
            );
            look.tick().await;
        }
    }
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    let said = speaker.join().ok().context("it speaks to the end")?;
    let stats = scene.wait_for(is_idle).await?;
    ensure!(count(&stats, "processed") == said, "{said} were said: {stats:#}");
    let numbers = written(&folder.path().join("lines"))?;
    ensure!(numbers == (0..said).collect::<Vec<_>>(), "all of them, in order");
    scene.end().await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_are_said_as_signals_and_cause_no_more_of_themselves() -> Result<()> {
    listen();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("log.jsonl");
    let mut sink = to_file(&path, 100);
    sink.filter.namespaces.allow = vec!["tengen::accounts".into()];
    let mut settings = Settings::default();
    settings.telemetry.accounts = Some(Duration::from_secs(1));
    settings.telemetry.sinks = vec![Sink { name: Some("accounts".into()), ..sink }];
    let gateway = gateway::start(settings).await?;
    let (begun, mut look) = (Instant::now(), interval(Duration::from_millis(20)));
    let of_sink = || gateway.gateway.stats()["telemetry"]["sinks"]["accounts"].clone();
    while count(&of_sink(), "processed") < 3 {
        ensure!(begun.elapsed() < PATIENCE, "{:#}", of_sink());
        look.tick().await;
    }
    let said = count(&of_sink(), "accepted");
    // The log has no sink here: one signal a second for the one that there is.
    ensure!(said <= begun.elapsed().as_secs() + 1, "{said} in {:?}", begun.elapsed());
    gateway.drain().await;
    let text = fs::read_to_string(&path)?;
    let last: Value = serde_json::from_str(text.lines().nth(2).context("three lines")?)?;
    ensure!(
        (&last["id"], &last["data"]["sink"]) == (&json!("tengen.sink.account"), &json!("accounts"))
    );
    ensure!(last["data"]["processed"].as_u64() >= Some(1), "{last:#}");
    Ok(())
}
