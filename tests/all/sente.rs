//! Sente's wire, with the frames that unmodified clients of each generation send (EDN packer).

use anyhow::{Context, Result};
use support::{client::Client, gateway};
use tengen_settings::{Endpoint, Settings};
use tengen_wire::dialect::Dialect;

/// What one generation of clients sends.
struct Generation {
    name: &'static str,
    /// An event that wants no answer; its data comes back by the built-in echo.
    noreply: &'static str,
    bare: &'static str,
    ask: &'static str,
    callback: &'static str,
    /// The client's ping, and the answer that it waits for (1.17 waits for none).
    ping: &'static str,
    pong: Option<&'static str>,
    /// The client's answer to our ping (1.17 sends none).
    answers_ping: Option<&'static str>,
}

const GENERATIONS: [Generation; 4] = [
    Generation {
        name: "1.17",
        noreply: r#"+[[:my/noreply {:x 1, :s "é\"q\""}]]"#,
        bare: "+[[:my/bare]]",
        ask: r#"+[[:my/ask {:q [1 2.5 :k nil true]}] "5063ce"]"#,
        callback: "5063ce",
        ping: "+[[:chsk/ws-ping]]",
        pong: None,
        answers_ping: None,
    },
    Generation {
        name: "1.19",
        noreply: r#"[[:my/noreply {:x 1, :s "é\"q\""}]]"#,
        bare: "[[:my/bare]]",
        ask: r#"[[:my/ask {:q [1 2.5 :k nil true]}] "39fabd"]"#,
        callback: "39fabd",
        ping: r#"[[:chsk/ws-ping] "0a1b2c"]"#,
        pong: Some(r#"["pong" "0a1b2c"]"#),
        answers_ping: Some("[[:chsk/ws-pong]]"),
    },
    Generation {
        name: "1.21",
        noreply: r#"[[:my/noreply {:x 1, :s "é\"q\""}] nil]"#,
        bare: "[[:my/bare] nil]",
        ask: r#"[[:my/ask {:q [1 2.5 :k nil true]}] "615287"]"#,
        callback: "615287",
        ping: r#"[[:chsk/ws-ping] "07abf7"]"#,
        pong: Some(r#"["pong" "07abf7"]"#),
        answers_ping: Some("[[:chsk/ws-pong] nil]"),
    },
    Generation {
        name: "1.22",
        noreply: r#"[[:my/noreply {:x 1, :s "é\"q\""}] nil]"#,
        bare: "[[:my/bare] nil]",
        ask: r#"[[:my/ask {:q [1 2.5 :k nil true]}] "615288"]"#,
        callback: "615288",
        ping: r#"[[:chsk/ws-ping] "07abf8"]"#,
        pong: Some(r#"["pong" "07abf8"]"#),
        answers_ping: Some("[[:chsk/ws-pong] nil]"),
    },
];

const PATH: &str = "/chsk?uid=alice&client-id=client-1&csrf-token=csrf-tok-1";

async fn open(gateway: &gateway::Running) -> Result<Client> {
    let mut client = Client::open(gateway.address(), PATH, &[]).await?;
    let handshake = client.next_text().await?;
    assert!(handshake.starts_with("[[:chsk/handshake [:sente/nil-uid nil {"), "{handshake}");
    assert!(handshake.ends_with("}]] nil]"), "{handshake}");
    Ok(client)
}

#[tokio::test]
async fn clients_of_every_generation_send_ask_and_ping() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    for generation in &GENERATIONS {
        talk(&gateway, generation)
            .await
            .with_context(|| format!("as Sente {}", generation.name))?;
    }
    gateway.drain().await;
    Ok(())
}

async fn talk(gateway: &gateway::Running, generation: &Generation) -> Result<()> {
    let mut client = open(gateway).await?;
    client.send_text(generation.noreply).await?;
    assert_eq!(client.next_text().await?, r#"[[[:my/noreply {:x 1, :s "é\"q\""}]] nil]"#);
    client.send_text(generation.bare).await?;
    assert_eq!(client.next_text().await?, "[[[:my/bare nil]] nil]");
    client.send_text(generation.ask).await?;
    let reply = format!(r#"[{{:q [1 2.5 :k nil true]}} "{}"]"#, generation.callback);
    assert_eq!(client.next_text().await?, reply);
    client.send_text(generation.ping).await?;
    if let Some(pong) = generation.pong {
        assert_eq!(client.next_text().await?, pong);
    }
    if let Some(answer) = generation.answers_ping {
        client.send_text(answer).await?;
    }
    // Neither the ping of 1.17 nor a pong is answered or taken for an event: the next frame is the next reply.
    client.send_text(generation.ask).await?;
    assert_eq!(client.next_text().await?, reply);
    client.close().await
}

#[tokio::test]
async fn a_malformed_event_is_answered_and_the_connection_stays() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let mut client = open(&gateway).await?;
    for malformed in
        ["[[:no-namespace 1] nil]", "[[\"text/id\" 1] nil]", "[[:my/x 1", "nonsense", "[]"]
    {
        client.send_text(malformed).await?;
        let answer = client.next_text().await?;
        assert!(answer.starts_with("[[[:tengen/error {"), "{malformed} was answered {answer}");
        assert!(answer.contains(r#":id "malformed""#), "{malformed} was answered {answer}");
    }
    client.send_text(r#"[[:no-namespace 1] "abc123"]"#).await?;
    let pushed = client.next_text().await?;
    assert!(pushed.contains(r#":callback "abc123""#), "{pushed}");
    assert_eq!(client.next_text().await?, r#"[:chsk/error "abc123"]"#);
    client.send_text(r#"[[:my/ask 1] "def456"]"#).await?;
    assert_eq!(client.next_text().await?, r#"[1 "def456"]"#);
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused_before_the_upgrade() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let headers = [("origin", "https://evil.example")];
    let refused = Client::try_open(gateway.address(), PATH, &headers)
        .await?
        .err()
        .context("it was let in")?;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("origin"), "{}", refused.body);
    let own = format!("http://{}", gateway.address());
    Client::open(gateway.address(), PATH, &[("origin", &own)]).await?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_client_without_a_client_id_is_told_so() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let refused = Client::try_open(gateway.address(), "/chsk?uid=alice", &[])
        .await?
        .err()
        .context("it was let in")?;
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("client-id"), "{}", refused.body);
    gateway.drain().await;
    Ok(())
}

// As Sente's own server, which lets the older connection live while it lives (see also `identity::tabs`).
#[tokio::test]
async fn a_client_that_comes_back_leaves_its_live_connection_alone() -> Result<()> {
    let gateway = gateway::start(Settings::default()).await?;
    let mut old = open(&gateway).await?;
    let mut new = open(&gateway).await?;
    assert_eq!(old.next_text().await?, "[:chsk/ws-ping nil]", "it is asked whether it lives");
    old.send_text("[[:chsk/ws-pong] nil]").await?;
    for client in [&mut old, &mut new] {
        client.send_text("[[:my/bare] nil]").await?;
        assert_eq!(client.next_text().await?, "[[[:my/bare nil]] nil]");
    }
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_drain_tells_a_sente_client_to_come_back() -> Result<()> {
    let settings = Settings {
        endpoints: vec![Endpoint::new("/chsk", Dialect::Sente).into()],
        ..Settings::default()
    };
    let gateway = gateway::start(settings).await?;
    let mut client = open(&gateway).await?;
    let drained = tokio::join!(gateway.drain(), async {
        let hint = client.next_text().await?;
        assert!(hint.starts_with("[[[:tengen/reconnect {"), "{hint}");
        assert!(hint.contains(":after-ms 0") && hint.contains(r#":reason "drain""#), "{hint}");
        assert_eq!(client.closed().await?.code, 1012);
        anyhow::Ok(())
    });
    drained.1?;
    assert_eq!(drained.0.connections, 1);
    assert_eq!(drained.0.cut_off, 0);
    Ok(())
}
