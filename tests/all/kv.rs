//! Values that plugins put by key: who sees them, what is refused, and what of them outlives a gateway.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader},
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use support::{
    client::Client,
    gateway::{self, Running},
    guests,
};
use tengen_server::gateway::Options;
use tengen_settings::{Cache, Grants, Mode, Pattern, Plugin, Route, Settings, Store, config};
use tokio::time::{interval, timeout};

const PATIENCE: Duration = Duration::from_secs(60);
/// In a process that runs a gateway to be killed: where its store is.
const TO_BE_KILLED: &str = "TENGEN_TEST_STORE";
/// One plugin, and its bucket.
const KEEPS: &[(&str, &[&str])] = &[("keeps", &["b"])];

fn keeps(buckets: &[&str]) -> Result<Plugin> {
    let mut keeps = guests::plugin("handler_keeps")?;
    let kv = buckets.iter().map(|bucket| Pattern((*bucket).to_owned())).collect();
    keeps.grant = Grants { kv, ..Grants::default() };
    Ok(keeps)
}

fn settings(store: Store, plugins: &[(&str, &[&str])]) -> Result<Settings> {
    let mut settings = Settings { echo: false, store, ..Settings::default() };
    for (name, buckets) in plugins {
        settings.plugins.insert((*name).into(), keeps(buckets)?);
        settings.routes.push(Route {
            event: Pattern(format!("{name}/*")),
            plugin: (*name).into(),
            endpoint: None,
            mode: Mode::First,
        });
    }
    Ok(settings)
}

async fn start(settings: Settings) -> Result<(Running, Client)> {
    let gateway = gateway::start(settings).await?;
    let client = Client::json(gateway.address(), "/ws").await?;
    Ok((gateway, client))
}

/// Compiles the component once for all who are started from there.
fn cached(folder: &Path, store: Store) -> Result<Settings> {
    let mut settings = settings(store, KEEPS)?;
    settings.server.cache = Cache::Folder(folder.join("cache"));
    Ok(settings)
}

fn on_disk(path: impl Into<PathBuf>) -> Store {
    Store { path: Some(path.into()), ..Store::default() }
}

async fn put(client: &mut Client, plugin: &str, key: &str, value: &str) -> Result<()> {
    let put = json!({ "bucket": "b", "key": key, "value": value, "fate": format!("put {key}") });
    client.ask(&format!("{plugin}/put"), put).await?;
    Ok(())
}

async fn get(client: &mut Client, plugin: &str, key: &str) -> Result<Value> {
    client.ask(&format!("{plugin}/get"), json!({ "bucket": "b", "key": key })).await
}

fn fault(answer: &Value) -> &Value {
    &answer["tengen/error"]["id"]
}

#[tokio::test]
async fn plugins_see_each_others_values_in_buckets_that_both_were_granted() -> Result<()> {
    let plugins: &[(&str, &[&str])] = &[("one", &["b", "own/*"]), ("two", &["b"]), ("three", &[])];
    let (gateway, mut client) = start(settings(Store::default(), plugins)?).await?;
    assert_eq!(get(&mut client, "one", "k").await?, Value::Null);
    put(&mut client, "one", "k", "first").await?;
    assert_eq!(get(&mut client, "one", "k").await?, json!(["first", "1"]));
    assert_eq!(get(&mut client, "two", "k").await?, json!(["first", "1"]));
    put(&mut client, "two", "k", "second").await?;
    assert_eq!(get(&mut client, "one", "k").await?, json!(["second", "2"]));

    assert_eq!(fault(&get(&mut client, "three", "k").await?), "not-allowed");
    put(&mut client, "three", "k", "third").await?;
    let told = client.ask("three/refused", Value::Null).await?;
    assert_eq!(told, json!([["put k", "not-allowed"]]));
    let own = json!({ "bucket": "own/one", "key": "k", "value": "v", "fate": "own" });
    client.ask("one/put", own.clone()).await?;
    client.ask("two/put", own.clone()).await?;
    assert_eq!(client.ask("two/refused", Value::Null).await?, json!([["own", "not-allowed"]]));
    assert_eq!(fault(&client.ask("two/list", own.clone()).await?), "not-allowed");
    assert_eq!(client.ask("one/refused", Value::Null).await?, json!([]));
    assert_eq!(client.ask("one/get", own).await?, json!(["v", "3"]));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn who_compares_in_vain_hears_of_it_by_its_key() -> Result<()> {
    let (gateway, mut client) = start(settings(Store::default(), KEEPS)?).await?;
    let mut said = Vec::new();
    for (fate, value, absent, version) in [
        ("begun", Some("1"), true, None),
        ("begun again", Some("2"), true, None),
        ("next", Some("3"), false, Some("1")),
        ("too late", Some("4"), false, Some("1")),
        ("half", Some("5"), false, Some("1.5")),
        ("gone", None, false, Some("1")),
        ("taken", None, false, Some("2")),
        ("nothing there", Some("6"), false, Some("2")),
    ] {
        let (bucket, key) = ("b", "k");
        let put = json!({ "bucket": bucket, "key": key, "value": value, "absent": absent, "version": version, "fate": fate });
        client.ask("keeps/put", put).await?;
        said.push(get(&mut client, "keeps", "k").await?);
    }
    let third = json!(["3", "2"]);
    let expected = [
        json!(["1", "1"]),
        json!(["1", "1"]),
        third.clone(),
        third.clone(),
        third.clone(),
        third,
        Value::Null,
        Value::Null,
    ];
    assert_eq!(said, expected);
    let told = client.ask("keeps/refused", Value::Null).await?;
    let conflict = |fate: &str| json!([fate, "conflict"]);
    let vain = [
        conflict("begun again"),
        conflict("too late"),
        json!(["half", "malformed"]),
        conflict("gone"),
        conflict("nothing there"),
    ];
    assert_eq!(told, json!(vain));
    let stats = gateway.gateway.stats();
    let of_store = json!({ "put": 2, "deleted": 1, "conflict": 4 });
    assert_eq!(stats["store"]["writes"], of_store);
    assert_eq!(stats["plugins"]["keeps"]["refused-effects"]["conflict"]["put"], 4);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn entries_are_listed_by_their_beginning_page_by_page() -> Result<()> {
    let (gateway, mut client) = start(settings(Store::default(), KEEPS)?).await?;
    for key in ["a", "room/1", "room/2", "room/3", "z"] {
        put(&mut client, "keeps", key, "v").await?;
    }
    let list = async |client: &mut Client, after: Option<&str>| {
        let wanted = json!({ "bucket": "b", "key": "room/", "after": after, "limit": 2 });
        client.ask("keeps/list", wanted).await
    };
    let first = json!({ "keys": ["room/1", "room/2"], "next": "room/2" });
    assert_eq!(list(&mut client, None).await?, first);
    let rest = json!({ "keys": ["room/3"], "next": null });
    assert_eq!(list(&mut client, Some("room/2")).await?, rest);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_so_is_what_a_call_reads() -> Result<()> {
    let size = |bytes| NonZeroUsize::new(bytes).context("some");
    let store = Store {
        value: size(100_000)?,
        bytes: size(400_000)?,
        entries: size(4)?,
        ..Store::default()
    };
    let mut settings = settings(store, KEEPS)?;
    // Not its time, but what it may have is what ends it.
    settings.plugins.values_mut().for_each(|plugin| plugin.deadline = PATIENCE);
    let (gateway, mut client) = start(settings).await?;
    put(&mut client, "keeps", "large", &"v".repeat(100_001)).await?;
    for key in ["1", "2", "3", "4"] {
        put(&mut client, "keeps", key, &"v".repeat(100_000)).await?;
    }
    put(&mut client, "keeps", "4", "small").await?;
    put(&mut client, "keeps", "5", "small").await?;
    let told = client.ask("keeps/refused", Value::Null).await?;
    let expected =
        [["put large", "too-large"], ["put 4", "limit-reached"], ["put 5", "limit-reached"]];
    assert_eq!(told, json!(expected));
    assert_eq!(gateway.gateway.stats()["store"]["entries"], 4);
    // 30 MB in one call.
    let greedy = client.ask("keeps/greedy", json!({ "bucket": "b" })).await?;
    assert_eq!(fault(&greedy), "limit-reached");
    assert_eq!(get(&mut client, "keeps", "4").await?[0], "small", "and all goes on");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn values_outlive_the_gateway_on_a_disk_and_in_memory_they_do_not() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("kv");
    for (store, after) in [(on_disk(&path), json!(["v", "1"])), (Store::default(), Value::Null)] {
        let (gateway, mut client) = start(cached(folder.path(), store.clone())?).await?;
        put(&mut client, "keeps", "k", "v").await?;
        gateway.drain().await;
        let (gateway, mut client) = start(cached(folder.path(), store)?).await?;
        assert_eq!(get(&mut client, "keeps", "k").await?, after);
        gateway.drain().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_gateway_does_not_start_where_its_store_is_taken_or_is_none() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("kv");
    let (gateway, mut client) = start(settings(on_disk(&path), KEEPS)?).await?;
    let why = async |path: &Path| {
        let started = gateway::start(settings(on_disk(path), KEEPS)?).await;
        anyhow::Ok(format!("{:#}", started.err().context("it does not start")?))
    };
    let taken = why(&path).await?;
    ensure!(taken.contains("is in use by another process"), "{taken}");
    let text = folder.path().join("text");
    std::fs::write(&text, "hello")?;
    let foreign = why(&text).await?;
    ensure!(foreign.contains("name another file as `store.path`"), "{foreign}");
    put(&mut client, "keeps", "k", "v").await?;
    assert_eq!(get(&mut client, "keeps", "k").await?, json!(["v", "1"]), "it is not disturbed");
    gateway.drain().await;
    Ok(())
}

/// Runs a gateway until somebody kills it; started by [`Killed`].
#[tokio::test]
#[ignore = "needs the environment that another test gives it"]
async fn a_gateway_runs_to_be_killed() -> Result<()> {
    let path = PathBuf::from(std::env::var_os(TO_BE_KILLED).context("where its store is")?);
    let folder = path.parent().context("its folder")?;
    let gateway = gateway::start(cached(folder, on_disk(&path))?).await?;
    println!("listens on {}", gateway.address());
    let mut look = interval(Duration::from_millis(1));
    let are_there = |store: &Value| store["entries"] == 100 && store["waiting-writes"] == 0;
    while !are_there(&gateway.gateway.stats()["store"]) {
        look.tick().await;
    }
    println!("all of 100 are there");
    std::future::pending().await
}

/// That process.
struct Killed(Child);

impl Killed {
    fn start(path: &Path) -> Result<(Self, impl Iterator<Item = String> + use<>)> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(["--exact", "kv::a_gateway_runs_to_be_killed", "--ignored", "--nocapture"])
            .env(TO_BE_KILLED, path)
            .stdout(Stdio::piped())
            .spawn()?;
        let lines = process.stdout.take().context("its output")?;
        Ok((Self(process), BufReader::new(lines).lines().map_while(Result::ok)))
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test]
async fn a_gateway_that_is_killed_keeps_all_that_was_on_the_disk() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("kv");
    let (process, mut lines) = Killed::start(&path)?;
    let mut said = tokio::task::spawn_blocking(move || {
        let listens = lines.find_map(|line| Some(line.split_once("listens on ")?.1.to_owned()));
        (listens, lines)
    });
    let (address, mut lines) = timeout(PATIENCE, &mut said).await??;
    let mut client = Client::json(address.context("it listens")?.parse()?, "/ws").await?;
    for number in 0..100 {
        put(&mut client, "keeps", &format!("{number:03}"), "v").await?;
    }
    let all = tokio::task::spawn_blocking(move || lines.any(|line| line == "all of 100 are there"));
    ensure!(timeout(PATIENCE, all).await??, "they got to the disk");
    for number in 100..140 {
        put(&mut client, "keeps", &format!("{number:03}"), "v").await?;
    }
    drop(process);
    let (gateway, mut client) = start(cached(folder.path(), on_disk(&path))?).await?;
    let list = client.ask("keeps/list", json!({ "bucket": "b" })).await?;
    let found = list["keys"].as_array().context("keys")?.clone();
    let expected: Vec<_> = (0..found.len()).map(|number| json!(format!("{number:03}"))).collect();
    assert_eq!(found, expected, "of what came last, the first");
    ensure!(found.len() >= 100, "{} of 100", found.len());
    put(&mut client, "keeps", "again", "v").await?;
    let again = get(&mut client, "keeps", "again").await?;
    let version: u64 = again[1].as_str().context("a version")?.parse()?;
    ensure!(version > 140, "{version} may have been given before");
    gateway.drain().await;
    Ok(())
}

/// A configuration file with one plugin and its grant.
fn write_config(file: &Path, grant: &str) -> Result<()> {
    let keeps = guests::path("handler_keeps")?;
    let text = format!(
        "[plugin.keeps]\nfile = {keeps:?}\ngrant.kv = [{grant}]\n[[route]]\nevent = \"*\"\nplugin = \"keeps\"\n"
    );
    Ok(std::fs::write(file, text)?)
}

#[tokio::test]
async fn a_grant_that_is_withdrawn_by_a_reload_holds_no_longer() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tengen.toml");
    write_config(&file, "\"b\"")?;
    let settings = config::load(&file, &|_| None)?.settings;
    let options = Options { config_file: Some(file.clone()), ..Options::default() };
    let gateway = gateway::start_with(settings, options).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    put(&mut client, "keeps", "k", "v").await?;
    assert_eq!(get(&mut client, "keeps", "k").await?, json!(["v", "1"]));

    write_config(&file, "")?;
    gateway.gateway.reload().await.map_err(anyhow::Error::msg)?;
    assert_eq!(fault(&get(&mut client, "keeps", "k").await?), "not-allowed");
    let all = json!({ "bucket": "b" });
    assert_eq!(fault(&client.ask("keeps/list", all).await?), "not-allowed");
    put(&mut client, "keeps", "k", "w").await?;
    let told = client.ask("keeps/refused", Value::Null).await?;
    assert_eq!(told, json!([["put k", "not-allowed"]]));

    // What stands there is still there for who may read it.
    write_config(&file, "\"b\"")?;
    gateway.gateway.reload().await.map_err(anyhow::Error::msg)?;
    assert_eq!(get(&mut client, "keeps", "k").await?, json!(["v", "1"]));
    gateway.drain().await;
    Ok(())
}
