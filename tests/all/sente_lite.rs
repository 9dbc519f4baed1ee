//! sente-lite's wire, with the frames that unmodified clients of 2.0.0 send.

use anyhow::Result;
use support::{client::Client, gateway, guests};
use tengen_settings::{Endpoint, Grants, Pattern, Settings};
use tengen_wire::{dialect::Dialect, payload::Encoding};

fn settings() -> Settings {
    let endpoint = Endpoint::new("/lite", Dialect::SenteLite);
    assert_eq!(endpoint.formats, [Encoding::Edn], "its clients do not say which format they speak");
    let mut settings = Settings::default();
    settings.endpoints.push(endpoint.into());
    settings
}

async fn open(gateway: &gateway::Running) -> Result<Client> {
    let mut client = Client::open(gateway.address(), "/lite", &[]).await?;
    let first = client.next_text().await?;
    assert!(first.starts_with("[:chsk/handshake [\""), "{first}");
    let info = r#"" nil {:sente-lite-version "2.0.0" :connection ""#;
    assert!(first.contains(info) && first.ends_with("\"} true]]"), "{first}");
    Ok(client)
}

#[tokio::test]
async fn a_client_sends_asks_and_pings() -> Result<()> {
    let gateway = gateway::start(settings()).await?;
    let mut client = open(&gateway).await?;
    for (said, heard) in [
        // The built-in echo pushes what wants no answer, and replies to what does.
        (r#"[:test/echo {:msg "hi", :n 1}]"#, r#"[:test/echo {:msg "hi", :n 1}]"#),
        ("[:test/bare]", "[:test/bare nil]"),
        (r#"[[:test/ask {:q 1}] "cb-1234"]"#, r#"[{:q 1} "cb-1234"]"#),
        ("[:chsk/ws-ping]", "[:chsk/ws-pong]"),
    ] {
        client.send_text(said).await?;
        assert_eq!(client.next_text().await?, heard, "{said}");
    }
    client.send_text("[:chsk/ws-pong]").await?;
    client.close().await?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_clients_ask_of_channels_is_answered_and_closes_nobody() -> Result<()> {
    let gateway = gateway::start(settings()).await?;
    let mut client = open(&gateway).await?;
    // More often than malformed messages may come.
    for room in 0..40 {
        client
            .send_text(&format!(r#"[:sente-lite/subscribe {{:channel-id "room{room}"}}]"#))
            .await?;
        let answer = client.next_text().await?;
        let starts = format!(
            r#"[:sente-lite/subscribed {{:channel-id "room{room}" :success false :error :channel-not-found :message "clients may not do this on `room{room}`"#
        );
        assert!(answer.starts_with(&starts), "{answer}");
    }
    client.send_text(r#"[:sente-lite/publish {:channel-id "room1", :data {:text "x"}, :exclude-sender? true}]"#).await?;
    let answer = client.next_text().await?;
    let starts =
        "[:tengen/error {:id \"not-allowed\" :message \"clients may not do this on `room1`";
    assert!(answer.starts_with(starts), "{answer}");
    // A client before 2.0.0.
    client.send_text("{:type :echo}").await?;
    let answer = client.next_text().await?;
    assert!(answer.contains("update the client"), "{answer}");
    assert_eq!(gateway.gateway.stats()["events"]["malformed"], 1);
    client.close().await?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn publications_of_plugins_are_messages_of_channels() -> Result<()> {
    let mut settings = Settings { echo: false, ..settings() };
    let mut relay = guests::plugin("handler_relay")?;
    relay.grant = Grants { publish: vec![Pattern("relay/*".into())], ..Grants::default() };
    gateway::route_everything(&mut settings, "relay", relay);
    let gateway = gateway::start(settings).await?;
    let mut client = open(&gateway).await?;
    client.send_text(r#"[[:relay/join nil] "j"]"#).await?;
    assert_eq!(client.next_text().await?, r#"[nil "j"]"#);
    let mut json = Client::json(gateway.address(), "/ws").await?;
    json.ask("relay/join", serde_json::Value::Null).await?;
    client.send_text("[:relay/say {:text #{1}}]").await?;
    let heard = client.next_text().await?;
    assert_eq!(
        heard,
        r#"[:sente-lite/channel-msg {:channel-id "relay/all" :data {:text #{1}} :id :relay/said}]"#
    );
    let json = json.next_text().await?;
    assert!(json.contains(r#""data":{"text":[1]},"#), "{json}");
    gateway.drain().await;
    Ok(())
}
