//! Channels from outside: who is told of the first and the last in them, and where they are.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::{client::Client, gateway, guests};
use tengen_settings::{Grants, Pattern, Settings};

async fn start() -> Result<gateway::Running> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    let mut channels = guests::plugin("handler_channels")?;
    let publish = ["watched/*", "hall"].map(|pattern| Pattern(pattern.into())).to_vec();
    channels.grant = Grants { publish, ..Grants::default() };
    gateway::route_everything(&mut settings, "channels", channels);
    gateway::start(settings).await
}

async fn listener(gateway: &gateway::Running) -> Result<Client> {
    let mut listener = Client::json(gateway.address(), "/ws").await?;
    listener.ask("channels/listen", Value::Null).await?;
    Ok(listener)
}

async fn join(client: &mut Client, channel: &str) -> Result<()> {
    client.ask("channels/join", json!({ "channel": channel })).await.map(drop)
}

async fn leave(client: &mut Client, channel: &str) -> Result<()> {
    client.ask("channels/leave", json!({ "channel": channel })).await.map(drop)
}

async fn heard(listener: &mut Client) -> Result<String> {
    let what = listener.next_event("channels/heard").await?;
    Ok(what.as_str().context("a text")?.to_owned())
}

#[tokio::test]
async fn a_plugin_hears_of_the_first_and_the_last_subscriber() -> Result<()> {
    let gateway = start().await?;
    let mut listener = listener(&gateway).await?;
    let (mut ann, mut bob) = (
        Client::json(gateway.address(), "/ws").await?,
        Client::json(gateway.address(), "/ws").await?,
    );
    join(&mut ann, "hall").await?;
    join(&mut ann, "watched/1").await?;
    assert_eq!(heard(&mut listener).await?, "+watched/1", "and not of the hall");
    join(&mut bob, "watched/1").await?;
    leave(&mut ann, "watched/1").await?;
    join(&mut ann, "watched/2").await?;
    assert_eq!(heard(&mut listener).await?, "+watched/2", "bob is in the other one");
    bob.ask("tengen/unsubscribe", json!({ "channel": "watched/1" })).await?;
    assert_eq!(heard(&mut listener).await?, "-watched/1", "whoever ended it");
    ann.close().await?;
    assert_eq!(
        heard(&mut listener).await?,
        "-watched/2",
        "a subscription ends with its connection"
    );
    gateway.drain().await;
    Ok(())
}

/// The last leaves and the first comes at once, over and over.
#[tokio::test]
async fn first_and_last_are_heard_in_turn_while_they_change_at_once() -> Result<()> {
    const ROOM: &str = "watched/room";
    let gateway = start().await?;
    let mut listener = listener(&gateway).await?;
    let churn = |mut client: Client| async move {
        for _ in 0..200 {
            join(&mut client, ROOM).await?;
            leave(&mut client, ROOM).await?;
        }
        Ok::<_, anyhow::Error>(client)
    };
    let clients = [
        Client::json(gateway.address(), "/ws").await?,
        Client::json(gateway.address(), "/ws").await?,
        Client::json(gateway.address(), "/ws").await?,
    ];
    let [one, two, three] = clients.map(churn);
    let (mut one, _two, _three) = tokio::try_join!(one, two, three)?;
    join(&mut one, "watched/end").await?;
    let mut turns = 0;
    loop {
        let what = heard(&mut listener).await?;
        if what == "+watched/end" {
            break;
        }
        let expected = if turns % 2 == 0 { "+" } else { "-" };
        ensure!(what == format!("{expected}{ROOM}"), "number {turns} is {what}");
        turns += 1;
    }
    ensure!(turns >= 2 && turns % 2 == 0, "{turns}: nobody is left");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn an_instance_that_begins_with_nothing_hears_of_what_is_occupied() -> Result<()> {
    let gateway = start().await?;
    let mut listener = listener(&gateway).await?;
    for (room, told) in [("watched/1", "+watched/1"), ("watched/2", "+watched/2")] {
        join(&mut listener, room).await?;
        assert_eq!(heard(&mut listener).await?, told);
    }
    listener.send("channels/trap", Value::Null).await?;
    let mut again = [heard(&mut listener).await?, heard(&mut listener).await?];
    again.sort();
    assert_eq!(again, ["+watched/1", "+watched/2"]);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_channel_goes_on_counting_when_everybody_has_left_and_come_back() -> Result<()> {
    let gateway = start().await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    let room = json!({ "channel": "hall" });
    let position = |answer: &Value| (answer["epoch"].clone(), answer["offset"].clone());
    let refused = client.ask("tengen/subscribe", room.clone()).await?;
    assert_eq!(refused["tengen/error"]["id"], "not-allowed", "it has no subscription");
    join(&mut client, "hall").await?;
    client.ask("channels/publish", room.clone()).await?;
    let before = client.ask("tengen/subscribe", room.clone()).await?;
    assert_eq!((&before["offset"], &before["recoverable"]), (&json!(1), &json!(false)));
    leave(&mut client, "hall").await?;
    assert_eq!(gateway.gateway.stats()["channels"], 0);
    client.ask("channels/publish", room.clone()).await?;
    join(&mut client, "hall").await?;
    let after = client.ask("tengen/subscribe", room.clone()).await?;
    assert_eq!(position(&after), (before["epoch"].clone(), json!(2)), "one was missed");
    client.send("channels/publish", room).await?;
    let said = client.next_event("tengen/publication").await?;
    assert_eq!((&said["offset"], said.get("prev")), (&json!(3), None), "it is one more: {said}");
    gateway.drain().await;
    Ok(())
}
