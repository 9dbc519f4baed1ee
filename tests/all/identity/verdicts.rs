//! What an authenticator says is checked and bounded.

use super::{behind, says, stat, status};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{num::NonZeroUsize, time::Duration};
use support::{
    client::{Client, PATIENCE},
    gateway::{self, route_everything},
    guests,
    peer::{self, Peer},
};
use tengen_settings::{Pattern, Settings};
use tokio::time::timeout;

fn settings() -> Result<Settings> {
    let mut auth = says()?;
    auth.grant.publish = vec![Pattern("room/*".into())];
    Ok(behind(auth))
}

fn plugin(gateway: &gateway::Running, name: &str) -> Result<Value> {
    let plugins = gateway.gateway.plugins();
    let mut plugins = plugins.as_array().context("a list of plugins")?.iter();
    plugins.find(|plugin| plugin["name"] == name).cloned().context("it runs")
}

/// Everybody who joins the relay hears what is said there.
fn with_relay() -> Result<Settings> {
    let mut settings = settings()?;
    let mut relay = guests::plugin("handler_relay")?;
    relay.grant.publish = vec![Pattern("relay/*".into())];
    route_everything(&mut settings, "relay", relay);
    Ok(settings)
}

#[tokio::test]
async fn a_visitor_hears_no_channel_that_its_authenticator_was_not_granted() -> Result<()> {
    let gateway = gateway::start(with_relay()?).await?;
    assert_eq!(status(&gateway, "/ws?channel=relay/all").await?, 503);
    let auth = plugin(&gateway, "auth")?;
    assert_eq!((&auth["unusable_verdicts"]["grant"], &auth["errors"]), (&json!(1), &json!(1)));
    let why = auth["last_error"]["message"].as_str().context("it is shown")?;
    assert!(why.contains("relay/all") && why.contains("grant.publish"), "{why}");

    let mut settings = with_relay()?;
    let auth = settings.plugins.get_mut("auth").context("it is there")?;
    auth.grant.publish = vec![Pattern("relay/*".into())];
    let granted = gateway::start(settings).await?;
    let mut visitor = Client::json(granted.address(), "/ws?channel=relay/all").await?;
    let mut speaker = Client::json(granted.address(), "/ws").await?;
    speaker.send("relay/say", json!("hello")).await?;
    assert_eq!(visitor.next_event("tengen/publication").await?["data"], "hello");
    granted.drain().await;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_is_too_much_or_no_name_is_refused_and_counted_for_the_plugin() -> Result<()> {
    let gateway = gateway::start(settings()?).await?;
    for (query, mistake) in [
        ("channels=129", "channels"),
        ("channel-bytes=100000", "channel-name"),
        ("channel-escape=tea", "channel-name"),
        ("user-bytes=100000", "user-id"),
        ("user-escape=ann", "user-id"),
        ("user-unseen=ann", "user-id"),
        ("user=ann&claim-bytes=1000000", "claims"),
        ("more-bytes=1000000", "claims"),
        ("user=ann&claim-bytes=9000&more-bytes=9000", "claims"),
        ("more=10000", "claims"),
        ("welcome-bytes=1000000", "welcome"),
        ("welcome=broken", "welcome"),
        ("user=ann&ends-ms=nan", "end"),
    ] {
        let count = |gateway| -> Result<u64> {
            let counted = &plugin(gateway, "auth")?["unusable_verdicts"][mistake];
            Ok(counted.as_u64().unwrap_or_default())
        };
        let before = count(&gateway)?;
        assert_eq!(status(&gateway, &format!("/ws?{query}")).await?, 503, "{query}");
        assert_eq!(count(&gateway)?, before + 1, "{query}");
    }
    assert_eq!(stat(&gateway, "/connections/rejected-by/authenticator"), 13);
    for query in [
        "channels=128",
        "user=ann&claim-bytes=16000",
        "more-bytes=16000",
        "user-bytes=256",
        "welcome=[1]",
        "welcome-bytes=0",
    ] {
        let expected = if query == "welcome-bytes=0" { 503 } else { 101 };
        assert_eq!(status(&gateway, &format!("/ws?{query}")).await?, expected, "{query}");
    }
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_connection_begins_with_no_more_channels_than_it_may_have() -> Result<()> {
    let mut settings = settings()?;
    settings.limits.subscriptions = 3;
    let gateway = gateway::start(settings).await?;
    assert_eq!(status(&gateway, "/ws?channels=4").await?, 503);
    let mut client = Client::json(gateway.address(), "/ws?channels=3").await?;
    let subscribed = client.ask("tengen/subscriptions", json!(null)).await?;
    assert_eq!(subscribed["channels"], json!(["room/0", "room/1", "room/2"]));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_refusal_has_a_status_for_refusals_and_a_short_plain_reason() -> Result<()> {
    let gateway = gateway::start(settings()?).await?;
    for (said, sent) in [(401, 401), (429, 429), (599, 599), (999, 403), (600, 403), (204, 403)] {
        assert_eq!(status(&gateway, &format!("/ws?status={said}")).await?, sent, "{said}");
    }
    let refused = Client::try_open(gateway.address(), "/ws?why-bytes=100000", &[]).await?;
    let refused = refused.err().context("it was let in")?;
    assert!(refused.body.len() < 2000 && !refused.body.contains('\u{1b}'), "{}", refused.body);
    gateway.drain().await;
    Ok(())
}

// Brother: who goes away while the authenticator is asked takes its place along.
#[tokio::test]
async fn whoever_leaves_before_the_verdict_leaves_no_place_taken() -> Result<()> {
    let mut auth = guests::plugin("every_role")?;
    auth.deadline = Duration::from_secs(1);
    let mut settings = behind(auth);
    settings.limits.connections = NonZeroUsize::MIN;
    let gateway = gateway::start(settings).await?;
    let mut peer = Peer::connect(gateway.address()).await?;
    peer.send(peer::upgrade("/ws?spin", "").as_bytes()).await?;
    // The one place is taken as long as the question is open.
    let asked = async {
        while stat(&gateway, "/connections/open") != 1 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, asked).await?;
    drop(peer);
    let comes_in = async {
        while status(&gateway, "/ws").await? != 101 {}
        anyhow::Ok(())
    };
    timeout(PATIENCE, comes_in).await??;
    gateway.drain().await;
    Ok(())
}
