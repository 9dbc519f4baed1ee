//! What peers, plugins and operators learn of effects that do not happen, and of replies that nobody gives.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;
use support::{
    client::Client,
    events::{Events, post},
    gateway, guests,
};
use tengen_server::admin;
use tengen_settings::{Grants, Mode, Pattern, Route, Settings};

/// A gateway whose events all go to the plugin that wants what it may not.
fn settings() -> Result<Settings> {
    let mut settings = Settings::default();
    let mut wants = guests::plugin("handler_wants")?;
    wants.grant = Grants { publish: vec![Pattern("wants/*".into())], ..Grants::default() };
    gateway::route_everything(&mut settings, "wants", wants);
    Ok(settings)
}

async fn sente(gateway: &gateway::Running) -> Result<Client> {
    let mut client = Client::open(gateway.address(), "/chsk?client-id=c1", &[]).await?;
    client.next_text().await?;
    Ok(client)
}

async fn shown(gateway: &gateway::Running) -> Result<Value> {
    let address = gateway.gateway.admin_address().context("it has an admin listener")?;
    Ok(admin::client::Client::new(address).plugins().await?[0].clone())
}

#[tokio::test]
async fn a_failed_sente_callback_is_told_why_before_its_error() -> Result<()> {
    let gateway = gateway::start(settings()?).await?;
    let mut client = sente(&gateway).await?;
    client.send_text(r#"[[:wants/to-fail nil] "cb0001"]"#).await?;
    let pushed = client.next_text().await?;
    assert!(pushed.starts_with("[[[:tengen/error {"), "{pushed}");
    for part in [r#":callback "cb0001""#, ":event :wants/to-fail", r#":code "not-today""#] {
        assert!(pushed.contains(part), "no {part} in {pushed}");
    }
    assert_eq!(client.next_text().await?, r#"[:chsk/error "cb0001"]"#);
    // Its forbidden close code does not let it stay.
    assert_eq!(client.closed().await?.code, 1011);
    assert_eq!(shown(&gateway).await?["refused_by_reason"]["not-allowed"]["failure"], 1);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_plugin_knows_a_sente_client_by_its_client_id() -> Result<()> {
    let gateway = gateway::start(settings()?).await?;
    let mut client = sente(&gateway).await?;
    client.send_text(r#"[[:wants/its-facts nil] "cb0003"]"#).await?;
    assert_eq!(client.next_text().await?, r#"[[["client-id" "c1"]] "cb0003"]"#);
    let mut ours = Client::open(gateway.address(), "/ws", &[]).await?;
    ours.next_text().await?;
    assert_eq!(ours.ask("wants/its-facts", json!(null)).await?, json!([]), "others have none");
    let mut stream = Events::open(gateway.address(), "/ws", &[]).await?;
    stream.greeting().await?;
    post(gateway.address(), "/ws", stream.session(), r#"[["wants/its-facts"],"7"]"#).await?;
    assert_eq!(stream.next_json().await?, json!([[["transport", "event-stream"]], "7"]));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_refused_request_of_a_sente_client_is_told_why_before_its_error() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let mut client = sente(&gateway).await?;
    client.send_text(r#"[[:tengen/subscribe {:channel "a"}] "cb0002"]"#).await?;
    let pushed = client.next_text().await?;
    assert!(pushed.contains(r#":id "not-allowed""#), "{pushed}");
    assert!(pushed.contains(r#":callback "cb0002""#), "{pushed}");
    assert_eq!(client.next_text().await?, r#"[:chsk/error "cb0002"]"#);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_a_plugin_may_not_comes_back_to_it_and_is_shown_by_reason() -> Result<()> {
    let gateway = gateway::start(settings()?).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for event in ["wants/a-subscription", "wants/a-strange-timer", "wants/to-keep"] {
        client.send(event, Value::Null).await?;
    }
    client.next_event("tengen/publication").await?;
    let told = client.ask("wants/to-know", Value::Null).await?;
    let expected =
        json!([["forbidden/room", "not-allowed"], ["tick", "closed"], ["kept", "unsupported"],]);
    assert_eq!(told, expected);
    let expected = json!({
        "not-allowed": { "subscribe": 1 },
        "closed": { "set-timer": 1 },
        "unsupported": { "keep": 1 },
    });
    let plugin = shown(&gateway).await?;
    assert_eq!((&plugin["refused_by_reason"], &plugin["refused_effects"]), (&expected, &json!(3)));
    let stats = gateway.gateway.stats();
    assert_eq!(stats["effects"], json!({ "refused": 3, "refused-by-reason": expected }));
    assert_eq!(stats["plugins"]["wants"]["refused-effects"], expected);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_value_that_is_only_passed_on_stays_what_its_sender_sent() -> Result<()> {
    let gateway = gateway::start(settings()?).await?;
    let mut client = sente(&gateway).await?;
    for value in ["{[1] 2}", "[1/3 :k/w #{:x} \\c 12345678901234567890N]", "#my/tag {nil 1}"] {
        client.send_text(&format!(r#"[[:wants/back {value}] "cb0003"]"#)).await?;
        assert_eq!(client.next_text().await?, format!(r#"[{value} "cb0003"]"#));
    }
    client.send_text(r#"[[:wants/to-read {[1] 2}] "cb0004"]"#).await?;
    let pushed = client.next_text().await?;
    assert!(pushed.contains(r#":id "unsupported""#), "only who reads it fails: {pushed}");
    assert_eq!(client.next_text().await?, r#"[:chsk/error "cb0004"]"#);
    client.send_text(r#"[[:wants/to-read {:a 1}] "cb0005"]"#).await?;
    assert_eq!(client.next_text().await?, r#"[{:a 1} "cb0005"]"#);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn bytes_of_a_raw_endpoint_come_back_as_bytes() -> Result<()> {
    let mut settings = Settings::default();
    gateway::route_everything(&mut settings, "echo", guests::plugin("handler_echo")?);
    let gateway = gateway::start(settings).await?;
    let mut client = Client::open(gateway.address(), "/raw", &[]).await?;
    client.send_binary(&[0, 255, 16]).await?;
    assert_eq!(client.next().await?.into_data(), [0, 255, 16].as_slice());
    client.send_text("no \"JSON\"").await?;
    assert_eq!(client.next_text().await?, "no \"JSON\"");
    gateway.drain().await;
    Ok(())
}

fn route(event: &str, plugin: &str, mode: Mode) -> Route {
    Route { event: Pattern(event.into()), plugin: plugin.into(), endpoint: None, mode }
}

#[tokio::test]
async fn of_several_handlers_the_first_reply_is_the_only_answer() -> Result<()> {
    let mut settings = settings()?;
    settings.limits.reply = Duration::from_millis(100);
    settings.plugins.insert("echo".into(), guests::plugin("handler_echo")?);
    settings.routes = vec![
        route("*", "wants", Mode::All),
        route("silent/*", "wants", Mode::First),
        route("*", "echo", Mode::First),
    ];
    let gateway = gateway::start(settings).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    assert_eq!(client.ask("wants/nothing", json!(7)).await?, 7);
    assert_eq!(gateway.gateway.stats()["replies"]["waiting"], 0, "its place ends with the reply");
    // Who waits in vain is told in the order of the asking: a timeout of the first would come before this one.
    client.send_text(r#"[["silent/nothing",null],"second"]"#).await?;
    let next = client.next_text().await?;
    assert!(next.ends_with(r#""second"]"#), "{next}");
    let replies = &gateway.gateway.stats()["replies"];
    assert_eq!((&replies["timed-out"], &replies["unanswered"]), (&json!(0), &json!(1)));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn who_waits_in_vain_is_told_that_its_event_was_decided_without_a_reply() -> Result<()> {
    let mut settings = settings()?;
    settings.limits.reply = Duration::from_millis(100);
    let gateway = gateway::start(settings).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    let answer = client.ask("wants/nothing", Value::Null).await?;
    assert_eq!(answer["tengen/error"]["id"], "unanswered", "{answer}");
    assert_eq!(gateway.gateway.stats()["replies"]["unanswered"], 1);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_reply_may_come_later_from_the_call_of_another_event() -> Result<()> {
    let gateway = gateway::start(settings()?).await?;
    let mut waits = Client::json(gateway.address(), "/ws").await?;
    let mut pays = Client::json(gateway.address(), "/ws").await?;
    waits.send_text(r#"[["wants/to-owe",null],"later"]"#).await?;
    waits.ask("wants/anything", Value::Null).await?;
    pays.send("wants/to-pay", Value::Null).await?;
    assert_eq!(waits.next_text().await?, r#"["paid","later"]"#);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_connection_has_its_share_of_open_replies_and_others_have_theirs() -> Result<()> {
    let gateway = gateway::start(settings()?).await?;
    let mut greedy = Client::json(gateway.address(), "/ws").await?;
    let mut other = Client::json(gateway.address(), "/ws").await?;
    for number in 0..300 {
        greedy.send_text(&format!(r#"[["wants/to-owe",null],"cb{number}"]"#)).await?;
        if number % 32 == 31 && number < 256 {
            // No more than may wait for a decision.
            greedy.send("wants/to-keep", Value::Null).await?;
            greedy.next_event("tengen/publication").await?;
        }
    }
    for _ in 256..300 {
        let refused = greedy.next_text().await?;
        ensure!(refused.contains(r#""id":"limit-reached""#), "{refused}");
    }
    assert_eq!(other.ask("wants/anything", json!(1)).await?, 1);
    let stats = gateway.gateway.stats();
    assert_eq!(
        (&stats["replies"]["waiting"], &stats["events"]["overloaded"]),
        (&json!(256), &json!(0))
    );
    assert_eq!(stats["events"]["declined"]["limit-reached"], 44);
    greedy.close().await?;
    let gone = async {
        while gateway.gateway.stats()["replies"]["waiting"] != 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(support::client::PATIENCE, gone).await.context("places end")?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_no_version_knows_is_refused_and_shown_and_a_missing_decision_fails_its_event()
-> Result<()> {
    let mut settings = Settings::default();
    gateway::route_everything(&mut settings, "odd", guests::plugin("handler_outcomes")?);
    let gateway = gateway::start(settings).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    assert_eq!(client.ask("outcomes/odd", json!(7)).await?, 7, "the answer stands");
    let plugin = shown(&gateway).await?;
    let expected = json!({
        "malformed": { "unsubscribe": 1 },
        "unsupported": { "decision": 1, "unsubscribe": 1 },
    });
    assert_eq!(plugin["refused_by_reason"], expected, "{plugin:#}");
    let answer = client.ask("outcomes/short", json!(7)).await?;
    assert_eq!(answer["tengen/error"]["id"], "plugin-failed", "{answer}");
    let plugin = shown(&gateway).await?;
    let told = plugin["last_error"]["message"].as_str().unwrap_or_default();
    ensure!(told.contains("0 decisions for 1 events"), "{plugin:#}");
    gateway.drain().await;
    Ok(())
}
