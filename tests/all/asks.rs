//! Plugins that ask clients, and clients that answer well, badly, late, twice, for others, and not at all.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use support::{
    client::Client,
    gateway::{self, Running},
    guests,
};
use tengen_server::admin;
use tengen_settings::{Admin, Endpoint, Mode, Pattern, Route, Secret, Settings};
use tengen_wire::dialect::Dialect;

const KEY: &str = "a-key-of-sixteen-signs";

fn settings(file: Option<&std::path::Path>) -> Result<Settings> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    let mut asks = guests::plugin("handler_asks")?;
    if let Some(file) = file {
        asks.file = file.to_owned();
    }
    gateway::route_everything(&mut settings, "asks", asks);
    if let Some(admin) = &mut settings.admin {
        *admin = Admin { keys: vec![Secret(KEY.into())], ..admin.clone() };
    }
    Ok(settings)
}

async fn start() -> Result<Running> {
    gateway::start(settings(None)?).await
}

/// Has a client asked, and returns the key of the question, and who that is.
async fn asked(client: &mut Client, question: Value) -> Result<(String, Value)> {
    let own = client.ask("asks/ask", question).await?;
    let asked = client.next_event("tengen/ask").await?;
    Ok((asked["key"].as_str().context("a key")?.to_owned(), own))
}

async fn listener(gateway: &Running) -> Result<Client> {
    let mut listener = Client::json(gateway.address(), "/ws").await?;
    listener.ask("asks/listen", Value::Null).await?;
    Ok(listener)
}

async fn heard(listener: &mut Client) -> Result<Value> {
    listener.next_event("asks/heard").await
}

/// What a client is told that answers what it may not.
async fn refusal(client: &mut Client, answer: Value) -> Result<Value> {
    let told = client.ask("tengen/answer", answer).await?;
    Ok(told["tengen/error"]["id"].clone())
}

fn stat(gateway: &Running, place: &str) -> Value {
    gateway.gateway.stats().pointer(place).cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_client_answers_a_plugin_with_a_value_or_a_fault_of_its_own() -> Result<()> {
    let gateway = start().await?;
    let (mut listener, mut client) =
        (listener(&gateway).await?, Client::json(gateway.address(), "/ws").await?);
    let own = client.ask("asks/ask", json!({ "name": "n", "data": { "q": [1] } })).await?;
    let question = client.next_event("tengen/ask").await?;
    let key = question["key"].clone();
    let expected =
        json!({ "key": key, "event": ["app/question", { "q": [1] }], "timeout-ms": 30_000 });
    assert_eq!(question, expected);
    let told = client.ask("tengen/answer", json!({ "key": key, "value": { "a": null } })).await?;
    assert_eq!(told, Value::Null);
    assert_eq!(
        heard(&mut listener).await?,
        json!({ "of": own, "name": "n", "value": { "a": null } })
    );
    for (error, fault, why) in [
        (json!("I am busy"), "application", "I am busy"),
        (json!({ "id": "busy", "message": "later" }), "busy", "later"),
        // Nobody but the gateway says that.
        (json!({ "id": "timeout", "message": "ha" }), "application", "ha"),
    ] {
        let (key, own) = asked(&mut client, json!({ "name": "n" })).await?;
        client.send("tengen/answer", json!({ "key": key, "error": error })).await?;
        let expected = json!({ "of": own, "name": "n", "fault": fault, "why": why });
        assert_eq!(heard(&mut listener).await?, expected);
    }
    assert_eq!(stat(&gateway, "/asks/ended/answered"), 1);
    assert_eq!(stat(&gateway, "/asks/ended/fault"), 3);
    assert_eq!(stat(&gateway, "/asks/open"), 0);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn an_answer_counts_once_and_from_who_was_asked_and_others_are_told_so() -> Result<()> {
    let gateway = start().await?;
    let mut listener = listener(&gateway).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    let mut other = Client::json(gateway.address(), "/ws").await?;
    let (key, own) = asked(&mut client, json!({ "name": "n" })).await?;
    let answer = json!({ "key": key, "value": 1 });
    assert_eq!(refusal(&mut other, answer.clone()).await?, "not-found", "somebody else's");
    for bad in [
        Value::Null,
        json!([key]),
        json!({ "key": 1, "value": 1 }),
        json!({ "key": format!("0{key}"), "value": 1 }),
        json!({ "key": key, "value": 1, "error": "b" }),
        json!({ "key": key, "error": 7 }),
    ] {
        assert_eq!(refusal(&mut client, bad.clone()).await?, "malformed", "{bad}");
    }
    assert_eq!(refusal(&mut client, json!({ "key": "999999" })).await?, "not-found");
    // After all that it is as good as ever.
    client.ask("tengen/answer", answer.clone()).await?;
    assert_eq!(heard(&mut listener).await?, json!({ "of": own, "name": "n", "value": 1 }));
    assert_eq!(refusal(&mut client, answer.clone()).await?, "not-found", "twice");
    client.send("tengen/answer", answer).await?;
    assert_eq!(client.next_event("tengen/error").await?["event"], "tengen/answer");
    let (late, own) = asked(&mut client, json!({ "name": "late", "ms": 1 })).await?;
    let given_up = heard(&mut listener).await?;
    assert_eq!((&given_up["fault"], &given_up["of"]), (&json!("timeout"), &own), "{given_up}");
    assert_eq!(refusal(&mut client, json!({ "key": late, "value": 1 })).await?, "not-found");
    assert_eq!(stat(&gateway, "/requests/refused/answer/not-found"), 5);
    assert_eq!(stat(&gateway, "/asks/ended"), json!({ "answered": 1, "timeout": 1 }));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn the_end_of_a_connection_ends_its_questions_before_the_plugin_hears_of_it() -> Result<()> {
    let gateway = start().await?;
    let (mut listener, mut client) =
        (listener(&gateway).await?, Client::json(gateway.address(), "/ws").await?);
    let (_, own) = asked(&mut client, json!({ "name": "first" })).await?;
    asked(&mut client, json!({ "name": "second" })).await?;
    client.close().await?;
    for name in ["first", "second"] {
        let told = heard(&mut listener).await?;
        assert_eq!(
            (&told["name"], &told["fault"], &told["of"]),
            (&json!(name), &json!("closed"), &own)
        );
    }
    assert_eq!(heard(&mut listener).await?, json!({ "closed": own }));
    assert_eq!(stat(&gateway, "/asks/ended/closed"), 2);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_question_survives_a_trap_and_a_reload_of_who_asked() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("asks.wasm");
    guests::install("handler_asks", &file)?;
    let gateway = gateway::start(settings(Some(&file))?).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    let (key, own) = asked(&mut client, json!({ "name": "kept" })).await?;
    let failed = client.ask("asks/trap", Value::Null).await?;
    ensure!(failed.get("tengen/error").is_some(), "{failed}");
    // Another version: the same, with a section that nobody reads.
    let another = [std::fs::read(&file)?, vec![0, 2, 1, b'x']].concat();
    let beside = file.with_extension("part");
    std::fs::write(&beside, another)?;
    std::fs::rename(&beside, &file)?;
    let admin = gateway.gateway.admin_address().context("it has an admin listener")?;
    admin::client::Client::new(admin).reload("asks", Some(KEY)).await?;
    client.send("tengen/answer", json!({ "key": key, "value": "late" })).await?;
    assert_eq!(heard(&mut client).await?, json!({ "of": own, "name": "kept", "value": "late" }));
    assert_eq!(refusal(&mut client, json!({ "key": key })).await?, "not-found", "once");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_and_the_plugin_hears_of_it() -> Result<()> {
    let mut settings = settings(None)?;
    let elsewhere: Endpoint = Endpoint::new("/elsewhere", Dialect::Tengen);
    settings.endpoints.push(elsewhere.into());
    settings.plugins.insert("other".into(), guests::plugin("handler_pushes")?);
    settings.routes.clear();
    for (path, plugin) in [("/ws", "asks"), ("/raw", "asks"), ("/elsewhere", "other")] {
        settings.routes.push(route(path, plugin));
    }
    let gateway = gateway::start(settings).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    let raw = Client::open(gateway.address(), "/raw", &[]).await?;
    let foreign = Client::json(gateway.address(), "/elsewhere").await?;
    let own = client.ask("asks/ask", json!({ "name": "n" })).await?.as_u64().context("a handle")?;
    for (name, of) in [("n", own), ("raw", own + 1), ("foreign", own + 2), ("gone", 4711)] {
        client.ask("asks/ask", json!({ "name": name, "of": of })).await?;
    }
    for number in 0..16 {
        client.ask("asks/ask", json!({ "name": format!("n{number}") })).await?;
    }
    let expected = json!([
        ["n", "conflict"],
        ["raw", "unsupported"],
        ["foreign", "not-allowed"],
        ["gone", "closed"],
        ["n15", "limit-reached"],
    ]);
    assert_eq!(client.ask("asks/refused", Value::Null).await?, expected);
    assert_eq!(stat(&gateway, "/asks/ended"), json!({ "refused": 5 }));
    assert_eq!(stat(&gateway, "/asks/open"), 16);
    drop((raw, foreign));
    gateway.drain().await;
    Ok(())
}

fn route(path: &str, plugin: &str) -> Route {
    Route {
        event: Pattern("*".into()),
        plugin: plugin.into(),
        endpoint: Some(path.into()),
        mode: Mode::First,
    }
}

/// In each dialect and format, the words are the same.
#[tokio::test]
async fn clients_of_every_dialect_are_asked_and_answer_in_their_own_words() -> Result<()> {
    let mut settings = settings(None)?;
    let lite = Endpoint::new("/lite", Dialect::SenteLite);
    settings.endpoints.push(lite.into());
    gateway::route_everything(&mut settings, "asks", guests::plugin("handler_asks")?);
    let gateway = gateway::start(settings).await?;
    let mut listener = listener(&gateway).await?;
    for (path, ask, asked, answer) in [
        (
            "/ws?format=edn",
            "[[:asks/ask {:name \"n\" :data {:a 1}}]]",
            "[[[:tengen/ask {:key \"KEY\" :event [:app/question {:a 1}] :timeout-ms 30000}]] nil]",
            "[[:tengen/answer {:key \"KEY\" :value {:b :c}}]]",
        ),
        (
            "/chsk?client-id=c1",
            "[[:asks/ask {:name \"n\" :data {:a 1}}]]",
            "[[[:tengen/ask {:key \"KEY\" :event [:app/question {:a 1}] :timeout-ms 30000}]] nil]",
            "[[:tengen/answer {:key \"KEY\" :value {:b :c}}]]",
        ),
        (
            "/lite",
            "[:asks/ask {:name \"n\" :data {:a 1}}]",
            "[:tengen/ask {:key \"KEY\" :event [:app/question {:a 1}] :timeout-ms 30000}]",
            "[:tengen/answer {:key \"KEY\" :value {:b :c}}]",
        ),
        (
            "/ws?format=transit",
            "[[\"~:asks/ask\",[\"^ \",\"~:name\",\"n\",\"~:data\",[\"^ \",\"~:a\",1]]]]",
            "[[[\"~:tengen/ask\",[\"^ \",\"~:key\",\"KEY\",\"~:event\",[\"~:app/question\",[\"^ \",\"~:a\",1]],\"~:timeout-ms\",30000]]],null]",
            "[[\"~:tengen/answer\",[\"^ \",\"~:key\",\"KEY\",\"~:value\",[\"^ \",\"~:b\",\"~:c\"]]]]",
        ),
    ] {
        let mut client = Client::open(gateway.address(), path, &[]).await?;
        client.next_text().await?;
        client.send_text(ask).await?;
        let question = client.next_text().await?;
        let digits: String = question
            .chars()
            .skip_while(|sign| !sign.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect();
        assert_eq!(question, asked.replace("KEY", &digits), "{path}");
        client.send_text(&answer.replace("KEY", &digits)).await?;
        assert_eq!(heard(&mut listener).await?["value"], json!({ "b": "c" }), "{path}");
        client.close().await?;
        heard(&mut listener).await?;
    }
    gateway.drain().await;
    Ok(())
}
