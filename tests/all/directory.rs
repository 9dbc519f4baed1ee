//! Who is here, as plugins see it: their own connections, page by page, with a grant.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};
use support::{client::Client, gateway, guests};
use tengen_settings::{Endpoint, Grants, Mode, Pattern, Route, Settings};

/// Three plugins on `/ws`, of which one may see who is here, one only in channels, and one nothing; users are who the query says.
/// `/other` is another plugin's.
async fn start() -> Result<gateway::Running> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    let usual = settings.endpoints.first().context("an endpoint")?;
    let ws = Endpoint { authenticator: Some("auth".into()), ..(**usual).clone() };
    let other = Endpoint { path: "/other".into(), ..ws.clone() };
    settings.endpoints = vec![ws.into(), other.into()];
    settings.plugins.insert("auth".into(), guests::plugin("authenticator_says")?);
    let room = vec![Pattern("room/*".into())];
    for (name, directory, publish, endpoint) in [
        ("here", true, room.clone(), "/ws"),
        ("poor", false, room, "/ws"),
        ("lone", true, Vec::new(), "/ws"),
        ("other", true, Vec::new(), "/other"),
    ] {
        let mut plugin = guests::plugin("handler_here")?;
        // How long it takes is not what is tested.
        plugin.deadline = Duration::from_secs(10);
        plugin.grant = Grants { directory, publish, ..Grants::default() };
        settings.plugins.insert(name.into(), plugin);
        settings.routes.push(Route {
            event: Pattern(format!("{name}/*")),
            plugin: name.into(),
            endpoint: Some(endpoint.into()),
            mode: Mode::First,
        });
    }
    gateway::start(settings).await
}

async fn connect(gateway: &gateway::Running, path: &str, user: &str) -> Result<Client> {
    Client::json(gateway.address(), &format!("{path}?user={user}")).await
}

/// All pages of `limit`, by handle.
async fn all(client: &mut Client, whom: &str, name: &str, limit: u32) -> Result<BTreeSet<u64>> {
    let (mut found, mut after) = (BTreeSet::new(), Value::Null);
    loop {
        let wanted = json!({ "whom": whom, "name": name, "limit": limit, "after": after });
        let page = client.ask("here/page", wanted).await?;
        let connections = page["connections"].as_array().with_context(|| page.to_string())?;
        ensure!(connections.len() <= limit as usize);
        for present in connections {
            let handle = present[0].as_u64().context("a handle")?;
            ensure!(found.insert(handle), "{handle} is there twice");
        }
        after = page["next"].clone();
        if after.is_null() {
            return Ok(found);
        }
    }
}

async fn me(client: &mut Client, plugin: &str) -> Result<u64> {
    let me = client.ask(&format!("{plugin}/me"), Value::Null).await?;
    me.as_u64().context("a handle")
}

#[tokio::test]
async fn a_plugin_sees_who_is_here_page_by_page() -> Result<()> {
    let gateway = start().await?;
    let mut clients = Vec::new();
    for number in 0..20 {
        let user = if number % 2 == 0 { "ann" } else { "bob" };
        clients.push(connect(&gateway, "/ws", user).await?);
    }
    let mut foreign = connect(&gateway, "/other", "ann").await?;
    me(&mut foreign, "other").await?;
    let [mut everybody, mut anns, mut room, mut red] = [const { BTreeSet::new() }; 4];
    for (number, client) in clients.iter_mut().enumerate() {
        let handle = me(client, "here").await?;
        everybody.insert(handle);
        anns.extend((number % 2 == 0).then_some(handle));
        if number < 7 {
            client.ask("here/join", json!({ "name": "room/1" })).await?;
            room.insert(handle);
        }
        if number >= 15 {
            client.ask("here/change", json!({ "tag": ["red"] })).await?;
            client.ask("poor/change", json!({ "tag": ["secret"] })).await?;
            red.insert(handle);
        }
    }
    let ann = &mut clients[0];
    for limit in [1, 3, 1000] {
        assert_eq!(all(ann, "", "", limit).await?, everybody);
        assert_eq!(all(ann, "user", "ann", limit).await?, anns);
        assert_eq!(all(ann, "channel", "room/1", limit).await?, room);
        assert_eq!(all(ann, "tag", "red", limit).await?, red);
        assert_eq!(all(ann, "tag", "secret", limit).await?, BTreeSet::new(), "another plugin's");
    }
    assert_eq!(ann.ask("here/count", Value::Null).await?, json!([20, 2]));
    assert_eq!(ann.ask("here/members", json!({ "name": "room/1" })).await?, json!(7));
    let last = &red.last().copied().context("some are red")?;
    let page = ann.ask("here/page", json!({ "whom": "tag", "name": "red" })).await?;
    let shown = page["connections"].as_array().context("connections")?;
    let expected = json!([last, "bob", "/ws", ["red"]]);
    assert!(shown.contains(&expected), "{page}");
    assert_eq!(foreign.ask("other/count", Value::Null).await?, json!([1, 1]));

    clients.pop().context("the last one")?.close().await?;
    everybody.remove(last);
    red.remove(last);
    let ann = &mut clients[0];
    while all(ann, "", "", 100).await? != everybody {
        tokio::task::yield_now().await;
    }
    assert_eq!(all(ann, "tag", "red", 100).await?, red);
    assert_eq!(ann.ask("here/count", Value::Null).await?, json!([19, 2]));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn without_the_grants_nothing_is_seen() -> Result<()> {
    let gateway = start().await?;
    let mut ann = connect(&gateway, "/ws", "ann").await?;
    let fault = |answer: &Value| answer["tengen/error"]["id"].clone();
    for whom in ["", "user", "tag", "channel"] {
        let wanted = json!({ "whom": whom, "name": "room/1" });
        assert_eq!(fault(&ann.ask("poor/page", wanted).await?), "not-allowed", "{whom}");
    }
    assert_eq!(fault(&ann.ask("poor/count", Value::Null).await?), "not-allowed");
    let room = json!({ "name": "room/1" });
    assert_eq!(fault(&ann.ask("poor/members", room.clone()).await?), "not-allowed");

    assert_eq!(ann.ask("lone/count", Value::Null).await?, json!([1, 1]));
    assert_eq!(fault(&ann.ask("lone/members", room).await?), "not-allowed", "no such channel");
    let wanted = json!({ "whom": "channel", "name": "room/1" });
    assert_eq!(fault(&ann.ask("lone/page", wanted).await?), "not-allowed");

    let wanted = json!({ "whom": "user", "name": "" });
    assert_eq!(fault(&ann.ask("here/page", wanted).await?), "malformed");
    let wanted = json!({ "after": "elsewhere" });
    assert_eq!(fault(&ann.ask("here/page", wanted).await?), "malformed");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_a_call_is_shown_counts_with_what_it_hands_over() -> Result<()> {
    let gateway = start().await?;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = connect(&gateway, "/ws", "ann").await?;
        let tags: Vec<_> = (0..16).map(|n| format!("{n:02}{}", "t".repeat(254))).collect();
        client.ask("here/change", json!({ "tag": tags })).await?;
        clients.push(client);
    }
    let ann = &mut clients[0];
    // 8 MB in one call.
    let greedy = ann.ask("here/greedy", Value::Null).await?;
    assert_eq!(greedy["tengen/error"]["id"], "limit-reached", "and not for its time");
    assert_eq!(ann.ask("here/count", Value::Null).await?, json!([20, 1]), "and all goes on");
    gateway.drain().await;
    Ok(())
}
