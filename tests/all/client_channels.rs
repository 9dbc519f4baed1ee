//! Channels that clients subscribe to and publish on by themselves, as `[[channel]]` lets them.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use support::{client::Client, gateway, guests};
use tengen_settings::{ChannelName, ChannelRule, Endpoint, Limits, Settings, Who};
use tengen_wire::{
    dialect::Dialect,
    payload::{Encoding, Payload, transcode},
};
use tokio_tungstenite::tungstenite::Message;

fn rule(name: &str, subscribe: Who, publish: Who) -> ChannelRule {
    let name = ChannelName::parse(name).unwrap();
    ChannelRule { name, subscribe, publish, personal: false }
}

/// An authenticator that says who the query names, in front of each dialect.
fn settings(rules: Vec<ChannelRule>) -> Result<Settings> {
    let endpoints =
        [("/ws", Dialect::Tengen), ("/chsk", Dialect::Sente), ("/lite", Dialect::SenteLite)].map(
            |(path, dialect)| {
                let authenticator = Some("auth".into());
                Endpoint { authenticator, ..Endpoint::new(path, dialect) }.into()
            },
        );
    let mut settings =
        Settings { endpoints: endpoints.to_vec(), channels: rules, ..Settings::default() };
    settings.plugins.insert("auth".into(), guests::plugin("authenticator_says")?);
    Ok(settings)
}

async fn start(rules: Vec<ChannelRule>) -> Result<gateway::Running> {
    gateway::start(settings(rules)?).await
}

fn open_room() -> Vec<ChannelRule> {
    vec![rule("room/*", Who::Any, Who::Any)]
}

/// A client of our dialect in one of its formats. What it says and hears is told in JSON here.
struct Speaker {
    client: Client,
    format: Encoding,
}

impl Speaker {
    async fn open(gateway: &gateway::Running, format: Encoding) -> Result<Self> {
        let path = format!("/ws?format={}", format.word());
        let mut speaker =
            Self { client: Client::open(gateway.address(), &path, &[]).await?, format };
        let first = speaker.hear().await?;
        ensure!(first.pointer("/0/0") == Some(&json!("chsk/handshake")), "{first}");
        Ok(speaker)
    }

    async fn say(&mut self, frame: &Value) -> Result<()> {
        let id = frame[0][0].as_str().context("an event")?;
        let body = Payload::new(Encoding::Json, frame.to_string());
        let body = transcode(&body, self.format).ok().context("it can be said")?.body;
        if !self.format.is_text() {
            return self.client.send_binary(&body).await;
        }
        // An event's id is a keyword where there are some.
        let keyword = match self.format {
            Encoding::Edn => format!(":{id}"),
            Encoding::Transit => format!("\"~:{id}\""),
            _ => format!("\"{id}\""),
        };
        let text = std::str::from_utf8(&body)?.replacen(&format!("\"{id}\""), &keyword, 1);
        self.client.send_text(&text).await
    }

    async fn hear(&mut self) -> Result<Value> {
        let body = match self.client.next().await? {
            Message::Text(text) => text.as_bytes().to_vec(),
            Message::Binary(bytes) => bytes.to_vec(),
            other => bail!("{other:?}"),
        };
        let json = transcode(&Payload::new(self.format, body), Encoding::Json);
        Ok(serde_json::from_slice(&json.ok().context("JSON can hold it")?.body)?)
    }

    async fn asks(&mut self, event: &str, data: Value) -> Result<Value> {
        self.say(&json!([[event, data], "cb"])).await?;
        let answer = self.hear().await?;
        ensure!(answer[1] == json!("cb"), "{answer}");
        Ok(answer[0].clone())
    }
}

const OURS: [Encoding; 4] = [Encoding::Json, Encoding::Edn, Encoding::Transit, Encoding::Msgpack];

#[tokio::test]
async fn clients_of_all_formats_are_in_one_room() -> Result<()> {
    let gateway = start(open_room()).await?;
    let room = json!({ "channel": "room/1" });
    let mut all = Vec::new();
    for format in OURS {
        let mut speaker = Speaker::open(&gateway, format).await?;
        let told = speaker.asks("tengen/subscribe", room.clone()).await?;
        assert!(told["epoch"].is_string(), "{told}");
        assert_eq!(
            (&told["channel"], &told["offset"], &told["recovered"], &told["publications"]),
            (&json!("room/1"), &json!(0), &Value::Null, &json!([]))
        );
        all.push(speaker);
    }
    for (offset, from) in (1..).zip(0..all.len()) {
        let data = json!({ "text": "hi", "number": offset });
        let publish =
            json!({ "channel": "room/1", "id": "chat/said", "data": data, "echo": false });
        let place = all[from].asks("tengen/publish", publish).await?;
        assert_eq!((&place["channel"], &place["offset"]), (&json!("room/1"), &json!(offset)));
        for (place, speaker) in all.iter_mut().enumerate().filter(|(place, _)| *place != from) {
            let heard = speaker.hear().await?;
            let said = &heard[0][0];
            assert_eq!(said[0], "tengen/publication", "{heard}");
            let Value::Object(mut said) = said[1].clone() else { bail!("{heard}") };
            let who = said.remove("from").context("it has a sender")?;
            assert!(who["user"].is_null() && who["connection"].is_string(), "{heard}");
            let expected =
                json!({ "channel": "room/1", "id": "chat/said", "data": data, "offset": offset });
            assert_eq!(Value::Object(said), expected, "to number {place}");
        }
    }
    for speaker in &mut all {
        let list = speaker.asks("tengen/subscriptions", Value::Null).await?;
        assert_eq!(list, json!({ "channels": ["room/1"] }));
        assert_eq!(speaker.asks("tengen/unsubscribe", room.clone()).await?, room);
        let list = speaker.asks("tengen/subscriptions", Value::Null).await?;
        assert_eq!(list, json!({ "channels": [] }));
    }
    // Who has left gets nothing more: the answer is the next that it hears.
    let publish = json!({ "channel": "room/1", "id": "chat/said" });
    assert_eq!(all[0].asks("tengen/publish", publish).await?["offset"], 5);
    assert!(all[1].asks("tengen/subscriptions", Value::Null).await?.is_object());
    assert_eq!(gateway.gateway.stats()["channels"], 0);
    gateway.drain().await;
    Ok(())
}

/// A client of our dialect in JSON, as somebody.
async fn as_user(gateway: &gateway::Running, user: &str) -> Result<Client> {
    Client::json(gateway.address(), &format!("/ws?user={user}")).await
}

async fn fault(client: &mut Client, event: &str, channel: &str) -> Result<Value> {
    let data = json!({ "channel": channel, "id": "chat/said", "data": 1 });
    let answer = client.ask(event, data).await?;
    Ok(answer.pointer("/tengen~1error/id").cloned().unwrap_or_default())
}

#[tokio::test]
async fn nobody_takes_the_channel_of_another_user() -> Result<()> {
    let own = ChannelRule { personal: true, ..rule("user/{user}", Who::Owner, Who::Users) };
    let rules = vec![
        own,
        rule("box/{user}/*", Who::Owner, Who::Owner),
        rule("members", Who::Users, Who::Nobody),
        rule("room/*", Who::Any, Who::Any),
    ];
    let gateway = start(rules).await?;
    let (mut ann, mut bob) = (as_user(&gateway, "ann").await?, as_user(&gateway, "bob").await?);
    let mut nobody = Client::json(gateway.address(), "/ws").await?;
    let list = ann.ask("tengen/subscriptions", Value::Null).await?;
    assert_eq!(list, json!({ "channels": ["user/ann"] }), "it begins there");
    let list = nobody.ask("tengen/subscriptions", Value::Null).await?;
    assert_eq!(list, json!({ "channels": [] }));

    let (allowed, refused) = (&Value::Null, &json!("not-allowed"));
    for (channel, of_ann, of_bob, of_nobody) in [
        ("user/ann", allowed, refused, refused),
        ("user/bob", refused, allowed, refused),
        ("box/ann/1", allowed, refused, refused),
        ("box/bob/ann/", refused, allowed, refused),
        ("members", allowed, allowed, refused),
        ("room/1", allowed, allowed, allowed),
        ("user/", refused, refused, refused),
        ("elsewhere", refused, refused, refused),
    ] {
        for (client, expected) in [(&mut ann, of_ann), (&mut bob, of_bob), (&mut nobody, of_nobody)]
        {
            let id = fault(client, "tengen/subscribe", channel).await?;
            assert_eq!(&id, expected, "{channel}");
        }
    }
    assert_eq!(&fault(&mut bob, "tengen/publish", "user/ann").await?, allowed);
    let heard = ann.next_event("tengen/publication").await?;
    assert_eq!(heard["from"]["user"], "bob", "{heard}");
    assert_eq!(&fault(&mut nobody, "tengen/publish", "user/ann").await?, refused);
    for channel in ["box/ann/1", "members"] {
        assert_eq!(&fault(&mut bob, "tengen/publish", channel).await?, refused, "{channel}");
    }
    let refused = gateway.gateway.stats()["requests"]["refused"].clone();
    assert_eq!(refused["subscribe"]["not-allowed"], 15, "{refused}");
    assert_eq!(refused["publish"]["not-allowed"], 3, "{refused}");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn subscriptions_have_a_bound_that_is_told_and_end_with_their_connection() -> Result<()> {
    let limits = Limits { subscriptions: 3, ..Limits::default() };
    let gateway = gateway::start(Settings { limits, ..settings(open_room())? }).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for room in 1..=3 {
        let channel = format!("room/{room}");
        assert!(fault(&mut client, "tengen/subscribe", &channel).await?.is_null());
        assert!(fault(&mut client, "tengen/subscribe", &channel).await?.is_null(), "twice is once");
    }
    assert_eq!(fault(&mut client, "tengen/subscribe", "room/4").await?, "limit-reached");
    assert!(fault(&mut client, "tengen/unsubscribe", "room/1").await?.is_null());
    assert_eq!(fault(&mut client, "tengen/unsubscribe", "room/1").await?, "not-found");
    assert!(fault(&mut client, "tengen/subscribe", "room/4").await?.is_null());
    let long = "r".repeat(300);
    assert_eq!(fault(&mut client, "tengen/subscribe", &long).await?, "malformed");
    assert_eq!(gateway.gateway.stats()["channels"], 3);
    client.close().await?;
    let mut other = Client::json(gateway.address(), "/ws").await?;
    let told = other.ask("tengen/subscribe", json!({ "channel": "room/2" })).await?;
    assert_eq!(told["offset"], 0);
    gateway.drain().await;
    Ok(())
}

/// What a client publishes to more than its own turn takes arrives, in order, and is answered.
#[tokio::test]
async fn publications_to_many_arrive_in_order() -> Result<()> {
    const MANY: usize = 80;
    const SAID: usize = 200;
    let gateway = start(open_room()).await?;
    let room = json!({ "channel": "room/1" });
    let mut listeners = Vec::new();
    for _ in 0..MANY {
        let mut listener = Client::json(gateway.address(), "/ws").await?;
        listener.ask("tengen/subscribe", room.clone()).await?;
        listeners.push(listener);
    }
    let mut sender = Client::json(gateway.address(), "/ws").await?;
    // More than may wait at one time: it is not read for a while, and nothing is lost by that.
    for number in 1..=SAID {
        let data = json!({ "channel": "room/1", "id": "chat/said", "data": number });
        sender
            .send_text(&json!([["tengen/publish", data], number.to_string()]).to_string())
            .await?;
    }
    for number in 1..=SAID {
        let answer = sender.next_json().await?;
        assert_eq!(answer[0]["offset"], number, "{answer}");
        assert_eq!(answer[1], number.to_string(), "{answer}");
    }
    for listener in &mut listeners {
        for number in 1..=SAID {
            let heard = listener.next_event("tengen/publication").await?;
            assert_eq!((&heard["data"], &heard["offset"]), (&json!(number), &json!(number)));
        }
    }
    gateway.drain().await;
    Ok(())
}

/// Sente's clients use the same events as they are.
#[tokio::test]
async fn a_sente_client_and_a_sente_lite_client_talk_in_one_room() -> Result<()> {
    let rules = vec![rule("room/*", Who::Any, Who::Any), rule(":room/*", Who::Any, Who::Any)];
    let gateway = start(rules).await?;
    let mut sente = Client::open(gateway.address(), "/chsk?client-id=c&user=ann", &[]).await?;
    let mut lite = Client::open(gateway.address(), "/lite", &[]).await?;
    sente.next_text().await?;
    let first = lite.next_text().await?;
    let uid = first.split('"').nth(1).context("a user")?.to_owned();

    sente.send_text(r#"[[:tengen/subscribe {:channel "room/1"}] "aaaaaa"]"#).await?;
    let told = sente.next_text().await?;
    assert!(told.starts_with(r#"[{"#) && told.ends_with(r#"} "aaaaaa"]"#), "{told}");
    assert!(told.contains(r#":channel "room/1""#) && told.contains(":recovered nil"), "{told}");
    lite.send_text(r#"[:sente-lite/subscribe {:channel-id "room/1"}]"#).await?;
    let subscribed = r#"[:sente-lite/subscribed {:channel-id "room/1" :success true}]"#;
    assert_eq!(lite.next_text().await?, subscribed);
    lite.send_text(r#"[:sente-lite/subscribe {:channel-id "room/1"}]"#).await?;
    assert_eq!(lite.next_text().await?, subscribed, "twice is a success");

    lite.send_text(r#"[:sente-lite/publish {:channel-id "room/1", :data {:text #{"hello"}}, :exclude-sender? false}]"#).await?;
    let own = format!(
        r#"[:sente-lite/channel-msg {{:channel-id "room/1" :data {{:text #{{"hello"}}}} :from "{uid}"}}]"#
    );
    assert_eq!(lite.next_text().await?, own);
    let heard = sente.next_text().await?;
    let expected = format!(
        r#"[[[:tengen/publication {{:channel "room/1" :id :sente-lite/channel-msg :data {{:text #{{"hello"}}}} :offset 1 :from {{:user nil :connection "{uid}"}}}}]] nil]"#
    );
    assert_eq!(heard, expected);

    sente.send_text(r#"[[:tengen/publish {:channel "room/1" :id :chat/said :data {:text [1]} :echo false}] "bbbbbb"]"#).await?;
    let place = sente.next_text().await?;
    assert!(place.contains(":offset 2") && place.ends_with(r#" "bbbbbb"]"#), "{place}");
    let heard = lite.next_text().await?;
    assert_eq!(
        heard,
        r#"[:sente-lite/channel-msg {:channel-id "room/1" :data {:text [1]} :from "ann" :id :chat/said}]"#
    );
    lite.send_text(
        r#"[:sente-lite/publish {:channel-id "room/1", :data "not to me", :exclude-sender? true}]"#,
    )
    .await?;
    let heard = sente.next_text().await?;
    assert!(heard.contains("not to me") && heard.contains(":offset 3"), "{heard}");

    // The sender was left out: what it hears next is what it asks next.
    lite.send_text(r#"[:sente-lite/subscribe {:channel-id :room/kw}]"#).await?;
    assert_eq!(
        lite.next_text().await?,
        "[:sente-lite/subscribed {:channel-id :room/kw :success true}]"
    );
    lite.send_text("[:sente-lite/publish {:channel-id :room/kw, :data 1}]").await?;
    let heard = lite.next_text().await?;
    assert!(heard.starts_with("[:sente-lite/channel-msg {:channel-id :room/kw :data 1"), "{heard}");
    lite.send_text(r#"[:sente-lite/unsubscribe {:channel-id "room/1"}]"#).await?;
    assert_eq!(lite.next_text().await?, subscribed, "its servers say so, too");
    lite.send_text(r#"[:sente-lite/unsubscribe {:channel-id "room/1"}]"#).await?;
    let answer = lite.next_text().await?;
    let starts =
        r#"[:sente-lite/subscribed {:channel-id "room/1" :success nil :error :not-subscribed"#;
    assert!(answer.starts_with(starts), "{answer}");

    sente.send_text(r#"[[:tengen/subscribe {:channel "hall"}] "cccccc"]"#).await?;
    let why = sente.next_text().await?;
    assert!(why.starts_with(r#"[[[:tengen/error {:id "not-allowed""#), "{why}");
    assert_eq!(sente.next_text().await?, r#"[:chsk/error "cccccc"]"#);
    gateway.drain().await;
    Ok(())
}

/// A plugin and a client mean the same channels.
#[tokio::test]
async fn a_plugin_hears_of_the_channels_that_clients_come_to() -> Result<()> {
    let mut settings = settings(vec![rule("watched/*", Who::Any, Who::Any)])?;
    let mut channels = guests::plugin("handler_channels")?;
    channels.grant.publish.push(tengen_settings::Pattern("watched/*".into()));
    gateway::route_everything(&mut settings, "channels", channels);
    let gateway = gateway::start(settings).await?;
    let mut listener = Client::json(gateway.address(), "/ws").await?;
    listener.ask("channels/listen", Value::Null).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    let room = json!({ "channel": "watched/1" });
    client.ask("tengen/subscribe", room.clone()).await?;
    assert_eq!(listener.next_event("channels/heard").await?, "+watched/1");
    listener.ask("channels/publish", room.clone()).await?;
    let heard = client.next_event("tengen/publication").await?;
    assert_eq!((&heard["offset"], heard.get("from")), (&json!(1), None), "a plugin said it");
    client.ask("tengen/unsubscribe", room).await?;
    assert_eq!(listener.next_event("channels/heard").await?, "-watched/1");
    gateway.drain().await;
    Ok(())
}
