//! Values on their way between clients of different formats, through a channel: the conversion table, row by row.

use anyhow::Result;
use support::{client::Client, gateway, guests};
use tengen_settings::{Grants, Pattern, Settings};

/// What an EDN client says, and what a JSON client gets of it.
const EDN_TO_JSON: [(&str, &str); 19] = [
    (":a", r#""a""#),
    (":a/b", r#""a/b""#),
    ("{:a/b 1, :c 2}", r#"{"a/b":1,"c":2}"#),
    ("sym", r#""sym""#),
    (r"\x", r#""x""#),
    (
        r#"#uuid "f81d4fae-7dec-11d0-a765-00a0c91e6bf6""#,
        r#""f81d4fae-7dec-11d0-a765-00a0c91e6bf6""#,
    ),
    (r#"#inst "2026-01-02T03:04:05.678-00:00""#, r#""2026-01-02T03:04:05.678Z""#),
    ("#{7}", "[7]"),
    ("(1 2)", "[1,2]"),
    ("[1 [2 nil true]]", "[1,[2,null,true]]"),
    ("1/3", r#""1/3""#),
    ("12345678901234567890N", r#""12345678901234567890""#),
    ("9007199254740993", r#""9007199254740993""#),
    ("9007199254740992", "9007199254740992"),
    ("2.5", "2.5"),
    (r#"#my/tag {:x 1}"#, r##"{"#my/tag":{"x":1}}"##),
    ("##NaN", "null"),
    ("##-Inf", "null"),
    (r#"{"text" 1, 2 3, sym 4}"#, r#"{"text":1,"2":3,"sym":4}"#),
];

/// What a JSON client says, and what an EDN client gets of it.
const JSON_TO_EDN: [(&str, &str); 8] = [
    (r#"{"a":1}"#, "{:a 1}"),
    (r#"{"a/b":1}"#, "{:a/b 1}"),
    (r#"{"not a keyword":1}"#, r#"{"not a keyword" 1}"#),
    (r#"{"1st":1}"#, r#"{"1st" 1}"#),
    (r#"":not/keyword""#, r#"":not/keyword""#),
    (r#"[1,2.5,null,true,"é\"q\""]"#, r#"[1 2.5 nil true "é\"q\""]"#),
    ("{}", "{}"),
    ("null", "nil"),
];

struct Members {
    gateway: gateway::Running,
    json: Client,
    sente: Client,
}

async fn join() -> Result<Members> {
    let mut settings = Settings { echo: false, ..Settings::default() };
    let mut relay = guests::plugin("handler_relay")?;
    relay.grant = Grants { publish: vec![Pattern("relay/*".into())], ..Grants::default() };
    gateway::route_everything(&mut settings, "relay", relay);
    let gateway = gateway::start(settings).await?;
    let mut json = Client::json(gateway.address(), "/ws").await?;
    json.ask("relay/join", serde_json::Value::Null).await?;
    let mut sente = Client::open(gateway.address(), "/chsk?client-id=c1", &[]).await?;
    sente.next_text().await?;
    sente.send_text(r#"[[:relay/join nil] "join01"]"#).await?;
    assert_eq!(sente.next_text().await?, r#"[nil "join01"]"#);
    Ok(Members { gateway, json, sente })
}

#[tokio::test]
async fn what_an_edn_client_says_reaches_a_json_client_by_the_table() -> Result<()> {
    let mut members = join().await?;
    for (number, (said, heard)) in (1..).zip(EDN_TO_JSON) {
        members.sente.send_text(&format!("[[:relay/say {said}] nil]")).await?;
        let frame = members.json.next_text().await?;
        let expected = format!(r#""data":{heard}"#,);
        assert!(frame.contains(&expected), "{said} arrived as {frame}, wanted {heard}");
        assert!(frame.contains(&format!(r#""offset":{number}"#)), "{frame}");
        assert!(frame.starts_with(r#"[[["tengen/publication",{"#), "{frame}");
        // The sender is a subscriber too, and gets its own value without loss.
        let own = members.sente.next_text().await?;
        assert!(own.contains(&format!(":data {said}")), "{said} came back as {own}");
    }
    members.gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn what_a_json_client_says_reaches_an_edn_client_by_the_table() -> Result<()> {
    let mut members = join().await?;
    for (said, heard) in JSON_TO_EDN {
        members.json.send_text(&format!(r#"[["relay/say",{said}],null]"#)).await?;
        let frame = members.sente.next_text().await?;
        assert!(
            frame.contains(&format!(":data {heard}")),
            "{said} arrived as {frame}, wanted {heard}"
        );
        assert!(frame.contains(":id :relay/said"), "{frame}");
        let own = members.json.next_text().await?;
        assert!(own.contains(&format!(r#""data":{said}"#)), "{said} came back as {own}");
    }
    members.gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_value_that_json_cannot_hold_is_left_out_and_counted() -> Result<()> {
    let mut members = join().await?;
    members.sente.send_text("[[:relay/say {[1 2] 3}] nil]").await?;
    let own = members.sente.next_text().await?;
    assert!(own.contains(":data {[1 2] 3}"), "{own}");
    members.sente.send_text("[[:relay/say :next] nil]").await?;
    let frame = members.json.next_text().await?;
    assert!(frame.contains(r#""data":"next""#), "the value before was left out: {frame}");
    assert_eq!(members.gateway.gateway.stats()["outbox"]["unsupported"], 1);
    members.gateway.drain().await;
    Ok(())
}
