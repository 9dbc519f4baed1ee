//! Several instances of one handler: whose events go where, and what becomes of their states.

mod changing;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    time::Duration,
};
use support::{
    client::{Client, PATIENCE},
    gateway, guests,
};
use tengen_settings::{Affinity, Endpoint, Grants, Pattern, Plugin, Settings, StateKeeping};
use tengen_wire::dialect::Dialect;
use tokio::time::timeout;

fn tally(instances: usize, affinity: Affinity) -> Result<Plugin> {
    let mut tally = guests::plugin("handler_tally")?;
    tally.instances = NonZeroUsize::new(instances).context("there is one at least")?;
    tally.affinity = Some(affinity);
    let publish = ["room/*", "tally/*"].map(|it| Pattern(it.into())).to_vec();
    tally.grant = Grants { publish, ..Grants::default() };
    Ok(tally)
}

async fn start(instances: usize, affinity: Affinity) -> Result<gateway::Running> {
    start_with(tally(instances, affinity)?).await
}

async fn start_with(tally: Plugin) -> Result<gateway::Running> {
    let mut settings = Settings::default();
    gateway::route_everything(&mut settings, "tally", tally);
    gateway::start(settings).await
}

async fn clients(gateway: &gateway::Running, count: usize) -> Result<Vec<Client>> {
    let mut clients = Vec::new();
    for _ in 0..count {
        clients.push(Client::json(gateway.address(), "/ws").await?);
    }
    Ok(clients)
}

/// Which instance a client's events go to.
async fn who(client: &mut Client) -> Result<String> {
    let who = client.ask("tally/who", Value::Null).await?;
    Ok(who.as_str().context("a name")?.to_owned())
}

/// One message more; that, and what the instance says of it.
async fn add(client: &mut Client, number: u64) -> Result<Value> {
    let said = client.ask("tally/add", json!(number)).await?;
    ensure!(said["number"] == number && said["messages"] == number, "{number}: {said}");
    Ok(said)
}

/// What the instances know that these clients' events go to, by who they are.
async fn known(clients: &mut [Client]) -> Result<BTreeMap<String, Value>> {
    let mut known = BTreeMap::new();
    for client in clients {
        let all = client.ask("tally/all", Value::Null).await?;
        known.insert(all["who"].as_str().context("a name")?.to_owned(), all["state"].clone());
    }
    Ok(known)
}

/// What is said of the next timers that fire, so many; one frame may tell of several.
async fn fired(client: &mut Client, count: usize) -> Result<Vec<Value>> {
    let mut fired = Vec::new();
    while fired.len() < count {
        let frame = client.next_json().await?;
        let events = frame.get(0).and_then(Value::as_array).into_iter().flatten();
        let its = events.filter(|event| event.get(0) == Some(&json!("tengen/publication")));
        fired.extend(its.map(|event| event[1]["data"].clone()));
    }
    Ok(fired)
}

fn keys_of(known: &BTreeMap<String, Value>) -> Vec<&String> {
    known.keys().collect()
}

fn sorted(mut numbers: Vec<usize>) -> Vec<usize> {
    numbers.sort_unstable();
    numbers
}

fn keys(of: &Value) -> BTreeSet<String> {
    of.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect()
}

/// Each of them is known to one instance, and there are so many.
fn are_known_once(known: &BTreeMap<String, Value>, connections: usize) -> Result<()> {
    let all: Vec<_> = known.values().flat_map(|state| keys(&state["open"])).collect();
    let distinct: BTreeSet<_> = all.iter().collect();
    ensure!(all.len() == connections && distinct.len() == connections, "{known:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connections_events_go_to_one_instance_in_order_and_all_have_their_share() -> Result<()> {
    const EACH: u64 = 200;
    let gateway = start(4, Affinity::Connection).await?;
    let mut all = BTreeSet::new();
    let mut clients = clients(&gateway, 16).await?;
    // All of them at once: what waits of one connection waits beside that of others.
    for number in 1..=EACH {
        for client in &mut clients {
            client
                .send_text(&json!([["tally/add", number], format!("n{number}")]).to_string())
                .await?;
        }
    }
    for client in &mut clients {
        let mut whos = BTreeSet::new();
        for number in 1..=EACH {
            let reply = client.next_json().await?;
            let said = &reply[0];
            // As the instance counts them: in order, and none by another one.
            assert_eq!(said["messages"], number, "{reply}");
            assert_eq!(said["number"], number, "{reply}");
            whos.insert(said["who"].to_string());
        }
        assert_eq!(whos.len(), 1);
        all.append(&mut whos);
    }
    assert_eq!(all.len(), 4);
    are_known_once(&known(&mut clients).await?, 16)?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn connections_of_a_user_meet_in_one_instance() -> Result<()> {
    let mut settings = Settings::default();
    let mut endpoint = Endpoint::new("/ws", Dialect::Tengen);
    endpoint.authenticator = Some("auth".into());
    settings.endpoints = vec![endpoint.into()];
    settings.plugins.insert("auth".into(), guests::plugin("authenticator_says")?);
    gateway::route_everything(&mut settings, "tally", tally(4, Affinity::User)?);
    let gateway = gateway::start(settings).await?;
    let mut whos = BTreeSet::new();
    let mut clients = Vec::new();
    for user in 0..8 {
        let path = format!("/ws?user=user-{user}");
        let mut of_user = Vec::new();
        for count in 1..=3 {
            let mut client = Client::json(gateway.address(), &path).await?;
            let said = add(&mut client, 1).await?;
            assert_eq!(said["of_user"], count, "they are counted in one place");
            of_user.push(said["who"].to_string());
            clients.push(client);
        }
        whos.extend(of_user);
    }
    assert!(whos.len() > 2, "users are spread: {whos:?}");
    // Who is nobody goes by connection.
    let mut nobody = Vec::new();
    for _ in 0..4 {
        let mut client = Client::json(gateway.address(), "/ws").await?;
        nobody.push(who(&mut client).await?);
        clients.push(client);
    }
    assert_eq!(nobody.iter().collect::<BTreeSet<_>>().len(), 4);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_trap_touches_the_one_instance_and_the_list_says_which() -> Result<()> {
    let gateway = start(3, Affinity::Connection).await?;
    let mut clients = clients(&gateway, 3).await?;
    let mut before = Vec::new();
    for client in &mut clients {
        before.push(add(client, 1).await?["who"].clone());
    }
    let failed = clients[1].ask("tally/trap", Value::Null).await?;
    ensure!(failed.get("tengen/error").is_some(), "{failed}");
    for place in [0, 2] {
        let said = add(&mut clients[place], 2).await?;
        assert_eq!(said["who"], before[place], "it goes on, with its state");
    }
    let said = add(&mut clients[1], 2).await?;
    assert_eq!(
        said["who"], before[1],
        "and so does the one that comes after it, which has its state"
    );
    are_known_once(&known(&mut clients).await?, 3)?;
    let plugins = gateway.gateway.plugins();
    let each = plugins[0]["each"].as_array().context("several are listed")?.clone();
    let numbers: Vec<_> = each.iter().map(|it| it["instance"].as_u64()).collect();
    assert_eq!(numbers, [Some(0), Some(1), Some(2)]);
    let failed: Vec<_> = each.iter().filter(|it| !it["last_error"].is_null()).collect();
    assert_eq!(failed.len(), 1, "{each:?}");
    assert_eq!(failed[0]["last_error"]["event"], "tally/trap");
    assert!(each.iter().all(|it| it["connections"] == 1 && it["state"] == "running"), "{each:?}");
    assert!(each.iter().all(|it| it["memory_bytes"].as_u64() > Some(0)), "{each:?}");
    assert_eq!((&plugins[0]["instances"], &plugins[0]["restarts"]), (&json!(3), &json!(1)));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn each_channel_is_told_of_to_one_instance_and_told_again_to_one_that_begins_anew()
-> Result<()> {
    const ROOMS: usize = 12;
    // Nothing of its state outlives an instance.
    let state = StateKeeping { every: Duration::ZERO, log: 1 };
    let gateway = start_with(Plugin { state, ..tally(3, Affinity::Channel)? }).await?;
    let mut clients = clients(&gateway, 3).await?;
    for room in 0..ROOMS {
        clients[0].ask("tally/join", json!({ "key": format!("room/{room}") })).await?;
    }
    let occupied = |known: &BTreeMap<String, Value>| -> Vec<usize> {
        let of = |state: &Value| state["occupied"].as_array().map_or(0, Vec::len);
        known.values().map(of).collect()
    };
    let all_known = async |clients: &mut [Client]| {
        let known = async {
            loop {
                let known = known(clients).await?;
                if occupied(&known).iter().sum::<usize>() == ROOMS {
                    return anyhow::Ok(known);
                }
            }
        };
        timeout(PATIENCE, known).await.context("not all is known")?
    };
    let first = all_known(&mut clients).await?;
    let all: BTreeSet<_> = first
        .values()
        .flat_map(|it| it["occupied"].as_array().unwrap())
        .map(Value::to_string)
        .collect();
    assert_eq!(all.len(), ROOMS, "each is told of once");
    assert!(occupied(&first).iter().all(|count| *count > 0), "they are spread: {first:?}");
    clients[1].ask("tally/trap", Value::Null).await?;
    // Its successor is told of what is its own, and of nothing else.
    let again = all_known(&mut clients).await?;
    assert_ne!(keys_of(&again), keys_of(&first), "one of them has begun anew");
    assert_eq!(sorted(occupied(&again)), sorted(occupied(&first)));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_timer_of_its_own_comes_back_to_the_instance_that_set_it() -> Result<()> {
    let gateway = start(3, Affinity::Connection).await?;
    let mut clients = clients(&gateway, 3).await?;
    let mut ear = Client::json(gateway.address(), "/ws").await?;
    ear.ask("tally/listen", Value::Null).await?;
    let mut set = BTreeSet::new();
    for client in &mut clients {
        set.insert(client.ask("tally/own", json!({ "key": "tick", "ms": 100 })).await?.to_string());
    }
    // One of the same name of another instance is another timer.
    clients[0].ask("tally/own", json!({ "key": "cancelled", "ms": 300 })).await?;
    clients[1].ask("tally/own", json!({ "key": "cancelled", "ms": 300 })).await?;
    clients[1].ask("tally/cancel", json!({ "key": "cancelled" })).await?;
    let told = fired(&mut ear, 4).await?;
    let of = |key: &str| -> BTreeSet<String> {
        let its = told.iter().filter(|timer| timer["key"] == key);
        its.map(|timer| timer["who"].to_string()).collect()
    };
    assert_eq!(of("tick"), set, "{told:?}");
    let first = Value::from(who(&mut clients[0]).await?).to_string();
    assert_eq!(of("cancelled"), BTreeSet::from([first]), "{told:?}");
    assert_eq!(gateway.gateway.stats()["timers"]["waiting"], 0);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_snapshot_and_several_instances_without_affinity_are_a_mistake() -> Result<()> {
    let refused = async |change: fn(&mut Plugin)| -> Result<String> {
        let mut tally = tally(2, Affinity::Connection)?;
        change(&mut tally);
        let mut settings = Settings::default();
        gateway::route_everything(&mut settings, "tally", tally);
        let error = gateway::start(settings).await.err().context("it does not start")?;
        Ok(format!("{error:#}"))
    };
    let why = refused(|it| it.affinity = None).await?;
    assert!(why.contains("`plugin.tally.affinity` is missing"), "{why}");
    assert!(why.contains("a snapshot and 2 instances"), "{why}");
    let why = refused(|it| it.instances = NonZeroUsize::new(65).unwrap()).await?;
    assert!(why.contains("`plugin.tally.instances` is 65, where a handler may have 64"), "{why}");
    Ok(())
}
