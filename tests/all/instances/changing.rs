//! Another number of instances, and other versions of several, while events flow.

use super::*;
use std::{fs, path::Path};
use tengen_server::gateway::Options;
use tengen_settings::config;
use tokio::{sync::watch, task::JoinSet};

fn write(file: &Path, instances: usize, affinity: &str, more: &str) -> Result<()> {
    let (component, auth) = (guests::path("handler_tally")?, guests::path("authenticator_says")?);
    let text = format!(
        "server.listen = \"127.0.0.1:0\"\nadmin.listen = \"off\"\n\
         [[endpoint]]\npath = \"/ws\"\nauthenticator = \"auth\"\n\
         [plugin.auth]\nfile = {auth:?}\n\
         [plugin.tally]\nfile = {component:?}\ninstances = {instances}\naffinity = {affinity:?}\n\
         grant = {{ publish = [\"room/*\", \"tally/*\"] }}\nconfig = {{ {more} }}\n\
         [[route]]\nevent = \"*\"\nplugin = \"tally\"\n"
    );
    Ok(fs::write(file, text)?)
}

/// A gateway whose configuration can be changed.
struct Changing {
    gateway: gateway::Running,
    file: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Changing {
    async fn start(instances: usize, affinity: &str) -> Result<Self> {
        Self::start_with(instances, affinity, "").await
    }

    async fn start_with(instances: usize, affinity: &str, more: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("tengen.toml");
        write(&file, instances, affinity, more)?;
        let settings = config::load(&file, &|_| None)?.settings;
        let options = Options { config_file: Some(file.clone()), ..Options::default() };
        let gateway = gateway::start_with(settings, options).await?;
        Ok(Self { gateway, file, _folder: folder })
    }

    /// What came of it, in words.
    async fn change(&self, instances: usize, affinity: &str, more: &str) -> Result<String> {
        write(&self.file, instances, affinity, more)?;
        let done = self.gateway.gateway.reload().await.map_err(anyhow::Error::msg)?;
        Ok(done.join("\n"))
    }

    /// The watch may have seen the file first: either way it is so in the end.
    async fn has(&self, generation: u64) -> Result<Value> {
        let seen = async {
            loop {
                let plugins = self.gateway.gateway.plugins();
                if plugins[1]["generation"] == generation {
                    return plugins[1].clone();
                }
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, seen).await.context("it stays as it was")
    }
}

/// Counts as fast as it is answered, until it is told to stop. Returns how far it came, and its connection.
async fn count(mut client: Client, stop: watch::Receiver<bool>) -> Result<(u64, Client)> {
    let mut number = 0;
    while !*stop.borrow() {
        number += 1;
        add(&mut client, number).await?;
    }
    Ok((number, client))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_number_of_instances_takes_all_state_along_while_events_flow() -> Result<()> {
    const CLIENTS: usize = 12;
    let changing = Changing::start(1, "connection").await?;
    let (stop, stopped) = watch::channel(false);
    let mut counting = JoinSet::new();
    for client in clients(&changing.gateway, CLIENTS).await? {
        counting.spawn(count(client, stopped.clone()));
    }
    // A connection that says nothing is taken along as well.
    let silent = clients(&changing.gateway, 1).await?;
    let steps = [3, 2, 4, 1, 3].map(|instances| (instances, "connection"));
    for ((instances, affinity), generation) in steps.into_iter().chain([(3, "channel")]).zip(2..) {
        let done = changing.change(instances, affinity, "").await?;
        let status = changing.has(generation).await.with_context(|| done)?;
        let each = status["each"].as_array().map_or(1, Vec::len);
        assert_eq!(each, instances, "{status}");
        assert_eq!((&status["errors"], &status["lost_states"]), (&json!(0), &json!(0)), "{status}");
        // Whoever is under way goes on.
        ensure!(counting.try_join_next().is_none(), "a client ended early");
    }
    stop.send_replace(true);
    let mut clients = Vec::new();
    while let Some(counted) = counting.join_next().await {
        let (number, mut client) = counted??;
        ensure!(number > 5, "it was answered all along");
        let said = add(&mut client, number + 1).await?;
        assert!(
            said["began"].to_string().contains("Reload"),
            "the way to deal out has changed: {said}"
        );
        clients.push(client);
    }
    are_known_once(&known(&mut clients).await?, CLIENTS + 1)?;
    // Each instance hears of the end of what it has taken over.
    drop(silent);
    let gone = clients.pop();
    drop(gone);
    let ended = async {
        while are_known_once(&known(&mut clients).await?, CLIENTS - 1).is_err() {}
        anyhow::Ok(())
    };
    timeout(PATIENCE, ended).await.context("an end is told")??;
    let plugins = changing.gateway.gateway.plugins();
    assert_eq!(
        (&plugins[1]["errors"], &plugins[1]["instances"]),
        (&json!(0), &json!(3)),
        "{plugins}"
    );
    changing.gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn the_instances_are_told_why_they_begin_and_inherit_timers() -> Result<()> {
    let changing = Changing::start(3, "connection").await?;
    let mut clients = clients(&changing.gateway, 3).await?;
    clients[0].ask("tally/listen", Value::Null).await?;
    for client in &mut clients {
        client.ask("tally/own", json!({ "key": "kept", "ms": 3000 })).await?;
    }
    changing.change(2, "connection", "").await?;
    changing.has(2).await?;
    let mut whos = Vec::new();
    for client in &mut clients {
        let all = client.ask("tally/all", Value::Null).await?;
        assert!(all["began"].to_string().contains("Scale"), "{all}");
        whos.push(all["who"].clone());
    }
    // Handles follow each other: the first and the last of three are together now.
    assert!(whos[0] == whos[2] && whos[0] != whos[1], "{whos:?}");
    // Handles begin with 1: what the last of three had set is the first's now, and that of the second client. Set anew by it,
    // there is one timer of this name, where there were two.
    clients[1].ask("tally/own", json!({ "key": "kept", "ms": 50 })).await?;
    let told = fired(&mut clients[0], 2).await?;
    let told: Vec<_> = told.iter().map(|timer| &timer["who"]).collect();
    assert_eq!(told, [&whos[1], &whos[0]], "three were set");
    assert_eq!(changing.gateway.gateway.stats()["timers"]["waiting"], 0);
    changing.gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn one_that_cannot_take_over_keeps_all_from_it() -> Result<()> {
    let changing = Changing::start(3, "connection").await?;
    let mut clients = clients(&changing.gateway, 3).await?;
    let mut before = Vec::new();
    for client in &mut clients {
        before.push(add(client, 1).await?["who"].clone());
    }
    let done = changing.change(3, "connection", "refuse = \"2\"").await?;
    assert!(done.contains("keeps its old settings") && done.contains("does not want"), "{done}");
    for (client, before) in clients.iter_mut().zip(&before) {
        assert_eq!(&add(client, 2).await?["who"], before, "the old one goes on");
    }
    let done = changing.change(4, "connection", "refuse = \"3\"").await?;
    assert!(done.contains("does not want"), "{done}");
    for (client, before) in clients.iter_mut().zip(&before) {
        assert_eq!(&add(client, 3).await?["who"], before, "the old one goes on");
    }
    changing.change(3, "connection", "other = \"1\"").await?;
    changing.has(2).await?;
    for (client, before) in clients.iter_mut().zip(&before) {
        let said = add(client, 4).await?;
        assert_ne!(&said["who"], before);
        assert!(said["began"].to_string().contains("Reload"), "{said}");
    }
    let plugins = changing.gateway.gateway.plugins();
    assert_eq!((&plugins[1]["instances"], &plugins[1]["errors"]), (&json!(3), &json!(0)));
    // At least: who watches the file has tried as well.
    assert!(plugins[1]["failed_reloads"].as_u64() >= Some(2), "{plugins}");
    changing.gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_an_instance_that_does_not_run_had_is_told_to_the_new_ones() -> Result<()> {
    let changing = Changing::start(2, "connection").await?;
    // Handles follow each other: those of even places have one instance, those of odd places the other.
    let mut clients = clients(&changing.gateway, 16).await?;
    for client in &mut clients {
        add(client, 1).await?;
    }
    // So often that it is left out for a while; by many, for one alone is blamed for it.
    let unavailable = async {
        for place in (1..16).step_by(2).cycle() {
            let said = clients[place].ask("tally/trap", Value::Null).await?;
            if said.to_string().contains("plugin-unavailable") {
                break;
            }
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, unavailable).await.context("it is never left out")??;
    let status = changing.gateway.gateway.plugins()[1].clone();
    let mut states: Vec<_> = status["each"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|it| (it["state"].to_string(), it["breaker"].to_string()))
        .collect();
    states.sort();
    let [(one, _), (other, breaker)] = &states[..] else { panic!("{status}") };
    assert_eq!([one, other, breaker], ["\"running\"", "\"unavailable\"", "\"open\""], "{status}");
    add(&mut clients[0], 2).await?;
    changing.change(3, "connection", "").await?;
    changing.has(2).await?;
    for (place, client) in clients.iter_mut().enumerate() {
        let number = match place {
            0 => 3,
            _ if place % 2 == 0 => 2,
            _ => 1,
        };
        add(client, number).await.with_context(|| format!("{place}"))?;
    }
    are_known_once(&known(&mut clients).await?, 16)?;
    assert_eq!(changing.gateway.gateway.plugins()[1]["state"], "running");
    changing.gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn users_go_to_their_new_instances_with_what_was_counted_of_them() -> Result<()> {
    const BY_USER: &str = "by_user = \"1\"";
    let changing = Changing::start_with(2, "user", BY_USER).await?;
    let mut clients = Vec::new();
    for user in 0..8 {
        for _ in 0..2 {
            let path = format!("/ws?user=user-{user}");
            clients.push(Client::json(changing.gateway.address(), &path).await?);
        }
    }
    for (number, instances) in [5, 1, 3].into_iter().enumerate() {
        let mut whos = BTreeSet::new();
        for (place, client) in clients.iter_mut().enumerate() {
            let said = add(client, number as u64 + 1).await?;
            // Two connections of each, one after the other, count together.
            assert_eq!(said["of_user"], 2 * number + place % 2 + 1, "{said}");
            whos.insert(said["who"].to_string());
        }
        assert!(whos.len() > 1 || number == 2, "users are spread");
        changing.change(instances, "user", BY_USER).await?;
        changing.has(number as u64 + 2).await?;
    }
    are_known_once(&known(&mut clients).await?, 16)?;
    assert_eq!(changing.gateway.gateway.plugins()[1]["errors"], 0);
    changing.gateway.drain().await;
    Ok(())
}
