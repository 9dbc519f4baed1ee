//! Clients of every dialect, format and transport in one room.

use crate::sente_ajax::Ajax;
use anyhow::{Context, Result, bail, ensure};
use data_encoding::HEXLOWER;
use support::{
    client::Client,
    gateway,
    pages::{quoted, rows, section},
    repository::read,
};
use tengen_settings::{ChannelName, ChannelRule, Endpoint, Settings, Who};
use tengen_wire::{
    dialect::Dialect,
    payload::{Encoding, Payload, transcode},
};
use tokio_tungstenite::tungstenite::Message;

/// Somebody in the room.
enum Member {
    /// A client of ours, in one of its formats.
    Ours(Encoding, Client),
    Sente(Client),
    Polls(Ajax),
    Lite(Client),
}

/// What a member hears: what was published, in its own words.
struct Heard(Encoding, Vec<u8>);

const JOIN: &str = r#"[:tengen/subscribe {:channel "room/1"}]"#;

fn in_format(edn: &str, format: Encoding) -> Result<Vec<u8>> {
    let payload = Payload::new(Encoding::Edn, edn.to_owned());
    let there = transcode(&payload, format).ok().with_context(|| format!("{edn} can be said"))?;
    Ok(there.body.to_vec())
}

async fn say(client: &mut Client, format: Encoding, frame: &[u8]) -> Result<()> {
    match format.is_text() {
        true => client.send_text(std::str::from_utf8(frame)?).await,
        false => client.send_binary(frame).await,
    }
}

impl Member {
    async fn ours(gateway: &gateway::Running, format: Encoding) -> Result<Self> {
        let path = format!("/ws?format={}", format.word());
        let mut client = Client::open(gateway.address(), &path, &[]).await?;
        client.next().await?;
        say(&mut client, format, &in_format(&format!(r#"[{JOIN} "cb"]"#), format)?).await?;
        client.next().await?;
        Ok(Self::Ours(format, client))
    }

    async fn sente(gateway: &gateway::Running) -> Result<Self> {
        let mut client = Client::open(gateway.address(), "/chsk?client-id=ws", &[]).await?;
        client.next_text().await?;
        client.send_text(&format!(r#"[{JOIN} "aaaaaa"]"#)).await?;
        ensure!(client.next_text().await?.contains(":epoch"));
        Ok(Self::Sente(client))
    }

    async fn polls(gateway: &gateway::Running) -> Result<Self> {
        let client = Ajax::open(gateway, "client-id=polls").await?;
        ensure!(client.send(&format!("[{JOIN} :ajax]")).await?.contains(":epoch"));
        Ok(Self::Polls(client))
    }

    async fn lite(gateway: &gateway::Running) -> Result<Self> {
        let mut client = Client::open(gateway.address(), "/lite", &[]).await?;
        client.next_text().await?;
        client.send_text(r#"[:sente-lite/subscribe {:channel-id "room/1"}]"#).await?;
        ensure!(client.next_text().await?.contains(":success true"));
        Ok(Self::Lite(client))
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Ours(format, _) => format.word(),
            Self::Sente(_) => "sente",
            Self::Polls(_) => "sente by ajax",
            Self::Lite(_) => "sente-lite",
        }
    }

    /// Publishes a value, which the others hear.
    async fn publish(&mut self, edn: &str) -> Result<()> {
        let event = format!(
            r#"[:tengen/publish {{:channel "room/1" :id :chat/said :data {edn} :echo false}}]"#
        );
        match self {
            Self::Ours(format, client) => {
                say(client, *format, &in_format(&format!("[{event}]"), *format)?).await
            }
            Self::Sente(client) => client.send_text(&format!("[{event}]")).await,
            Self::Polls(client) => client.send(&format!("[{event}]")).await.map(drop),
            Self::Lite(client) => {
                let data = format!(r#"{{:channel-id "room/1" :data {edn} :exclude-sender? true}}"#);
                client.send_text(&format!("[:sente-lite/publish {data}]")).await
            }
        }
    }

    async fn hear(&mut self) -> Result<Heard> {
        let (format, message) = match self {
            Self::Ours(format, client) => (*format, client.next().await?),
            Self::Sente(client) | Self::Lite(client) => (Encoding::Edn, client.next().await?),
            Self::Polls(client) => (Encoding::Edn, Message::text(client.poll().await?)),
        };
        match message {
            Message::Text(text) => Ok(Heard(format, text.as_bytes().to_vec())),
            Message::Binary(bytes) => Ok(Heard(format, bytes.to_vec())),
            other => bail!("{other:?}"),
        }
    }
}

impl Heard {
    /// Whether it is this value, as each format has it. What is heard in Transit is read as EDN.
    fn is(&self, edn: &str, json: &str, msgpack: &str) -> Result<()> {
        let Self(format, bytes) = self;
        let (text, expected) = match format {
            Encoding::Json => {
                (String::from_utf8(bytes.clone())?, format!("\"data\":{json},\"offset\""))
            }
            Encoding::Msgpack => {
                let [data, offset] = ["data", "offset"].map(|key| HEXLOWER.encode(key.as_bytes()));
                (HEXLOWER.encode(bytes), format!("a4{data}{msgpack}a6{offset}"))
            }
            Encoding::Transit => {
                let frame = Payload::new(Encoding::Transit, bytes.clone());
                let frame = transcode(&frame, Encoding::Edn).ok().context("it is Transit")?;
                // The same instant, spelled as Clojure does.
                let edn = edn.replace("Z\"", "-00:00\"");
                (String::from_utf8(frame.body.to_vec())?, format!(":data {edn} :"))
            }
            _ => (String::from_utf8(bytes.clone())?, format!(":data {edn} :")),
        };
        ensure!(text.contains(&expected), "{text} has no {expected}");
        Ok(())
    }
}

async fn start() -> Result<gateway::Running> {
    let endpoints =
        [("/ws", Dialect::Tengen), ("/chsk", Dialect::Sente), ("/lite", Dialect::SenteLite)];
    let endpoints = endpoints.map(|(path, dialect)| Endpoint::new(path, dialect).into());
    let room = ChannelRule {
        name: ChannelName::parse("room/*").map_err(anyhow::Error::msg)?,
        subscribe: Who::Any,
        publish: Who::Any,
        personal: false,
    };
    let channels = vec![room];
    gateway::start(Settings { endpoints: endpoints.to_vec(), channels, ..Settings::default() })
        .await
}

async fn everybody(gateway: &gateway::Running) -> Result<Vec<Member>> {
    let mut all = Vec::new();
    for format in [Encoding::Edn, Encoding::Json, Encoding::Transit, Encoding::Msgpack] {
        all.push(Member::ours(gateway, format).await?);
    }
    all.push(Member::sente(gateway).await?);
    all.push(Member::polls(gateway).await?);
    all.push(Member::lite(gateway).await?);
    Ok(all)
}

/// One of them publishes a value, and all others hear it, each as its format has it.
async fn all_hear(all: &mut [Member], from: usize, value: [&str; 3]) -> Result<()> {
    let [edn, json, msgpack] = value;
    let who = all[from].word();
    all[from].publish(edn).await?;
    for member in all.iter_mut().enumerate().filter(|(place, _)| *place != from) {
        let heard = member.1.hear().await?;
        let is_it = heard.is(edn, json, msgpack);
        is_it.with_context(|| format!("{edn} of {who} to {}", member.1.word()))?;
    }
    Ok(())
}

#[tokio::test]
async fn what_a_member_says_is_heard_by_all_others_whoever_it_is() -> Result<()> {
    let gateway = start().await?;
    let mut all = everybody(&gateway).await?;
    for from in 0..all.len() {
        let said = [r#"{:text "hi" :n 1}"#, r#"{"text":"hi","n":1}"#, "82a474657874a26869a16e01"];
        // What came as JSON or MessagePack has no keywords but for keys: here are only such.
        all_hear(&mut all, from, said).await?;
    }
    drop(all);
    gateway.drain().await;
    Ok(())
}

/// The table of docs/protocol.md.
#[tokio::test]
async fn each_value_of_the_table_is_heard_as_each_format_has_it() -> Result<()> {
    let gateway = start().await?;
    let mut all = everybody(&gateway).await?;
    let page = read("docs/protocol.md")?;
    let mut heard = 0;
    for row in rows(&section(&page, "## Values from one format to another")) {
        let cells: Vec<_> = row.iter().filter_map(|cell| quoted(cell)).collect();
        if let [edn, json, msgpack] = &cells[..] {
            // Of a client of ours, of Sente's, and of Sente's that polls: all three speak EDN.
            for from in [0, 4, 5] {
                let said = all_hear(&mut all, from, [edn, json, msgpack]).await;
                said.with_context(|| format!("row {row:?}"))?;
            }
            heard += 1;
        }
    }
    assert!(heard >= 20, "{heard} rows");
    drop(all);
    gateway.drain().await;
    Ok(())
}
