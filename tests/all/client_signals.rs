//! Signals that clients send, in every dialect and format, over real sockets: into a file for each connection.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::Path;
use support::{client::Client, gateway, guests};
use tengen_settings::{ClientSignals, Endpoint, Per, Settings, Sink, SinkKind};
use tengen_wire::{
    dialect::Dialect,
    fault::Fault,
    payload::{Encoding, Payload, transcode},
};
use tokio_tungstenite::tungstenite::Message;

const FORMATS: [Encoding; 4] =
    [Encoding::Json, Encoding::Edn, Encoding::Transit, Encoding::Msgpack];

/// A gateway whose endpoint `/ws` takes signals, which are in files when they are answered.
fn settings(folder: &Path, endpoint: Endpoint, sink: &str) -> Settings {
    let mut sink = Sink {
        name: Some(sink.into()),
        path: Some(folder.to_owned()),
        per: Some(Per::Connection),
        synchronous: true,
        ..Sink::new(SinkKind::File)
    };
    sink.filter.namespaces.allow = vec!["browser.*".into()];
    let mut settings = Settings { endpoints: vec![endpoint.into()], ..Settings::default() };
    settings.telemetry.sinks.push(sink);
    settings
}

fn endpoint(dialect: Dialect) -> Endpoint {
    Endpoint { telemetry: Some(ClientSignals::new()), ..Endpoint::new("/ws", dialect) }
}

/// What the file of a connection has.
fn signals(folder: &Path, connection: &str) -> Result<Vec<Value>> {
    let file = folder.join(format!("{connection}.jsonl"));
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    text.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// A client that knows its connection's name.
async fn open(
    gateway: &gateway::Running,
    path: &str,
    format: Encoding,
) -> Result<(Client, String)> {
    let word = format!("tengen.v1.{}", format.word());
    let mut client =
        Client::open(gateway.address(), path, &[("sec-websocket-protocol", &word)]).await?;
    let first = hear(&mut client, format).await?;
    let connection = first.pointer("/0/1/2/connection").and_then(Value::as_str);
    let connection = connection.with_context(|| first.to_string())?.to_owned();
    Ok((client, connection))
}

/// A frame that is written in JSON here, in this format; its id is a keyword where there are some.
async fn say(client: &mut Client, frame: &Value, format: Encoding) -> Result<()> {
    let said = |why: Fault| anyhow::anyhow!(why.message);
    if format == Encoding::Json {
        return client.send_text(&frame.to_string()).await;
    }
    let edn = transcode(&Payload::json(frame), Encoding::Edn).map_err(said)?;
    let edn = String::from_utf8(edn.body.to_vec())?;
    let edn = edn.replacen("\"tengen/telemetry\"", ":tengen/telemetry", 1);
    let written = transcode(&Payload::new(Encoding::Edn, edn), format).map_err(said)?;
    match format.is_text() {
        true => client.send_text(std::str::from_utf8(&written.body)?).await,
        false => client.send_binary(&written.body).await,
    }
}

/// The next frame, in JSON.
async fn hear(client: &mut Client, format: Encoding) -> Result<Value> {
    let body = match client.next().await? {
        Message::Text(text) => text.as_bytes().to_vec(),
        Message::Binary(bytes) => bytes.to_vec(),
        other => anyhow::bail!("{other:?}"),
    };
    let json = transcode(&Payload::new(format, body), Encoding::Json);
    Ok(serde_json::from_slice(&json.map_err(|why| anyhow::anyhow!(why.message))?.body)?)
}

#[tokio::test]
async fn a_batch_comes_in_every_format_and_is_in_the_file_of_its_connection() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = settings(folder.path(), endpoint(Dialect::Tengen), "pages-formats");
    let gateway = gateway::start(settings).await?;
    for format in FORMATS {
        let (mut client, connection) = open(&gateway, "/ws", format).await?;
        let batch = json!([["tengen/telemetry", { "sent": 1000, "signals": [
            { "level": "error", "kind": "error", "namespace": "shop", "message": "it broke", "at": 750,
              "error": { "message": "no net", "stack": "at f" } },
            { "level": "info", "kind": "action", "message": "paid", "data": { "items": 3, "token": "s3cret" } },
        ] }], "t1"]);
        say(&mut client, &batch, format).await?;
        let answer = hear(&mut client, format).await?;
        assert_eq!(
            answer,
            json!([{ "accepted": 2, "filtered": 0, "dropped": 0 }, "t1"]),
            "{format:?}"
        );
        let got = signals(folder.path(), &connection)?;
        assert_eq!(got.len(), 2, "{format:?}");
        assert_eq!(got[0]["namespace"], "browser.shop");
        assert_eq!(
            (&got[0]["error"], &got[0]["data"]["stack"]),
            (&json!("no net"), &json!("at f"))
        );
        assert_eq!(got[0]["data"]["client_at"], 750);
        assert_eq!(got[1]["connection"], connection.as_str());
        assert_eq!(got[1]["data"]["endpoint"], "/ws");
        assert_eq!(
            (&got[1]["data"]["items"], &got[1]["data"]["token"]),
            (&json!(3), &json!("***"))
        );
    }
    assert_eq!(gateway.gateway.stats()["client-signals"], json!({ "accepted": 8 }));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn who_a_client_is_says_its_authentication_and_not_the_client() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let endpoint = Endpoint { authenticator: Some("door".into()), ..endpoint(Dialect::Tengen) };
    let mut settings = settings(folder.path(), endpoint, "pages-users");
    settings.plugins.insert("door".into(), guests::plugin("authenticator_says")?);
    let gateway = gateway::start(settings).await?;
    let (mut client, connection) = open(&gateway, "/ws?user=ann", Encoding::Json).await?;
    let lie = json!([{ "message": "m", "user": "root", "connection": "other", "trace_id": "1" }]);
    client.ask("tengen/telemetry", lie).await?;
    let got = signals(folder.path(), &connection)?;
    assert_eq!((&got[0]["user"], &got[0]["connection"]), (&json!("ann"), &json!(connection)));
    assert_eq!(got[0]["trace_id"], Value::Null);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn clients_of_sente_lite_send_tel_batch() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = settings(folder.path(), endpoint(Dialect::SenteLite), "pages-lite");
    let gateway = gateway::start(settings).await?;
    let mut client = Client::open(gateway.address(), "/ws", &[]).await?;
    let first = client.next_text().await?;
    let connection = first.split('"').nth(1).context("no name")?.to_owned();
    // As the project's seed has it.
    client.send_text(r#"[:tel/batch [{:level :error :msg "Client error" :inst #inst "2026-01-01T00:00:00.000Z"} {:level :info :msg "User action" :ns "app.core" :line 3}]]"#).await?;
    client.send_text("[:chsk/ws-ping]").await?;
    assert_eq!(client.next_text().await?, "[:chsk/ws-pong]", "a batch wants no answer");
    let got = signals(folder.path(), &connection)?;
    assert_eq!((&got[0]["message"], &got[0]["level"]), (&json!("Client error"), &json!("error")));
    assert_eq!(
        (&got[1]["namespace"], &got[1]["data"]["line"]),
        (&json!("browser.app.core"), &json!(3))
    );
    client.send_text(r#"[:tel/batch [{:msg "m"} 7 {:level :info}]]"#).await?;
    let told = client.next_text().await?;
    assert!(
        told.starts_with("[:tengen/error {:id \"malformed\" :message \"2 of 3 signals"),
        "{told}"
    );
    assert!(told.ends_with(":event :tel/batch}]"), "{told}");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn clients_of_sente_send_tel_batch_where_the_endpoint_says_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = "/ws?client-id=c1";
    for (tel_batch, name) in [(Some(true), "pages-sente"), (None, "pages-sente-not")] {
        let signals_of = ClientSignals { tel_batch, ..ClientSignals::new() };
        let endpoint = Endpoint { telemetry: Some(signals_of), ..endpoint(Dialect::Sente) };
        let gateway = gateway::start(settings(folder.path(), endpoint, name)).await?;
        let mut client = Client::open(gateway.address(), path, &[]).await?;
        client.next_text().await?;
        client.send_text(r#"[[:tel/batch [{:level :warn :msg "m"}]] "cb1"]"#).await?;
        let answer = client.next_text().await?;
        match tel_batch {
            Some(_) => assert_eq!(answer, r#"[{:accepted 1 :dropped 0 :filtered 0} "cb1"]"#),
            // It is an event like others, and the echo's.
            None => assert_eq!(answer, r#"[[{:level :warn :msg "m"}] "cb1"]"#),
        }
        client.send_text(r#"[[:tengen/telemetry 7] "cb2"]"#).await?;
        let pushed = client.next_text().await?;
        assert!(pushed.starts_with("[[[:tengen/error {:id \"malformed\""), "{pushed}");
        assert_eq!(client.next_text().await?, r#"[:chsk/error "cb2"]"#);
        gateway.drain().await;
    }
    Ok(())
}

#[tokio::test]
async fn nobody_sends_signals_where_the_endpoint_does_not_allow_it() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    let answer = client.ask("tengen/telemetry", json!([{ "message": "m" }])).await?;
    assert_eq!(answer["tengen/error"]["id"], "not-allowed");
    let answer = client.ask("tel/batch", json!([1])).await?;
    assert_eq!(answer, json!([1]), "it is the echo's");
    assert_eq!(gateway.gateway.stats()["requests"]["refused"]["telemetry"]["not-allowed"], 1);
    client.close().await?;
    gateway.drain().await;
    Ok(())
}

/// The id of the error that a batch is answered with.
async fn refused(client: &mut Client, batch: Value) -> Result<Value> {
    let answer = client.ask("tengen/telemetry", batch).await?;
    let error = answer.get("tengen/error").with_context(|| answer.to_string())?;
    Ok(error.clone())
}

#[tokio::test]
async fn what_is_more_than_a_client_may_send_is_refused_and_the_client_stays() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let some = |number| std::num::NonZeroUsize::new(number).unwrap();
    let limits = ClientSignals {
        batch: some(10),
        batch_bytes: some(2048),
        signals_per_second: some(1),
        bytes_per_second: some(1 << 20),
        ..ClientSignals::new()
    };
    let endpoint = Endpoint { telemetry: Some(limits), ..endpoint(Dialect::Tengen) };
    let gateway = gateway::start(settings(folder.path(), endpoint, "pages-limits")).await?;
    let (mut client, connection) = open(&gateway, "/ws", Encoding::Json).await?;
    let batch = |count| Value::from(vec![json!({ "message": "m" }); count]);
    assert_eq!(refused(&mut client, batch(11)).await?["id"], "too-large");
    let long = json!([{ "message": "x".repeat(3000) }]);
    assert_eq!(refused(&mut client, long).await?["id"], "too-large");
    let answer = client.ask("tengen/telemetry", batch(10)).await?;
    assert_eq!(answer["accepted"], 10);
    let error = refused(&mut client, batch(5)).await?;
    assert_eq!(error["id"], "rate-limited");
    let wait = error["retry-after-ms"].as_u64().context("no time")?;
    ensure!((3000..=5000).contains(&wait), "{wait}");
    assert_eq!(signals(folder.path(), &connection)?.len(), 10);
    let stats = gateway.gateway.stats();
    assert_eq!(
        stats["client-signals"],
        json!({ "accepted": 10, "too-large": 11, "rate-limited": 5 })
    );
    assert_eq!(
        stats["requests"]["refused"]["telemetry"],
        json!({ "too-large": 2, "rate-limited": 1 })
    );
    assert_eq!(client.ask("chat/say", json!(1)).await?, json!(1), "it is still there");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn hostile_batches_cost_their_senders_only() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let limits = ClientSignals {
        signals_per_second: std::num::NonZeroUsize::new(1000).unwrap(),
        bytes_per_second: std::num::NonZeroUsize::new(1 << 20).unwrap(),
        ..ClientSignals::new()
    };
    let endpoint = Endpoint { telemetry: Some(limits), ..endpoint(Dialect::Tengen) };
    let gateway = gateway::start(settings(folder.path(), endpoint, "pages-hostile")).await?;
    let (mut client, connection) = open(&gateway, "/ws", Encoding::Json).await?;
    let nested = format!(
        r#"[["tengen/telemetry",[{{"message":"m","data":{}{}}}]],"n"]"#,
        "[".repeat(500_000),
        "]".repeat(500_000)
    );
    client.send_text(&nested).await?;
    let answer = client.next_json().await?;
    assert!(answer.to_string().contains("malformed"), "{answer}");
    let mut deep = json!(1);
    for _ in 0..50 {
        deep = json!([deep]);
    }
    let answer = client
        .ask("tengen/telemetry", json!([{ "message": "deep", "data": { "a": deep } }]))
        .await?;
    assert_eq!(answer["accepted"], 1);
    let many = Value::from(vec![json!({}); 100_000]);
    assert_eq!(refused(&mut client, many).await?["id"], "too-large");
    let wild = json!({ "sent": -1e300, "signals": [
        { "message": "\u{1b}[31mred\r\n\u{0}", "namespace": "tengen.security\n", "id": "tengen.security.origin",
          "level": ["fatal"], "kind": {}, "at": "never", "error": [1], "data": { "\u{7}": "\u{202e}" } },
        { "message": { "a": 1 }, "namespace": "plugin.door", "at": 9e99, "level": "fatal" },
    ] });
    let answer = client.ask("tengen/telemetry", wild).await?;
    assert_eq!(answer["accepted"], 2);
    let got = signals(folder.path(), &connection)?;
    assert_eq!(got.len(), 3, "a line each");
    assert_eq!(got[0]["data"]["omitted"], 1);
    assert_eq!(got[1]["namespace"], "browser.tengen.security_");
    assert_eq!(got[1]["id"], "browser.tengen.security.origin");
    assert_eq!(
        (&got[1]["data"]["clock"], &got[1]["data"]["_"]),
        (&json!("absurd"), &json!("\u{202e}"))
    );
    assert_eq!(
        (&got[2]["namespace"], &got[2]["level"]),
        (&json!("browser.plugin.door"), &json!("error"))
    );
    assert_eq!(client.ask("chat/say", json!(1)).await?, json!(1), "it is still there");
    gateway.drain().await;
    Ok(())
}
