//! docs/telemetry.md names the spans and metrics that a collector gets, and nothing else.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use support::{
    client::Client,
    gateway, guests,
    otlp::{Collector, Kind, Span},
    repository::{read, root},
};
use tengen_core::{meter::Metric, security};
use tengen_settings::{Grants, Otlp, Pattern, Settings};

const DOCUMENT: &str = "docs/telemetry.md";

/// What stands between the marks of this name, and around them.
fn parts<'a>(text: &'a str, mark: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let (begins, ends) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let (before, rest) = text.split_once(&begins)?;
    let (table, after) = rest.split_once(&ends)?;
    Some((before, table, after))
}

#[test]
fn the_document_has_the_table_of_metrics_as_the_source_has_it() {
    let text = read(DOCUMENT).unwrap();
    let (before, table, after) = parts(&text, "metrics").expect("both marks");
    let expected = format!("\n{}\n", Metric::dotted_table());
    if table != expected && std::env::var_os("TENGEN_UPDATE").is_some() {
        let text = format!("{before}<!-- metrics -->\n{expected}<!-- /metrics -->{after}");
        std::fs::write(root().join(DOCUMENT), text).unwrap();
        return;
    }
    assert!(
        table == expected,
        "the table in {DOCUMENT} is not `Metric::dotted_table()`: run the tests with `TENGEN_UPDATE=1`"
    );
}

#[test]
fn the_document_has_the_ids_of_security_as_the_source_has_them() {
    const SIGNALS: &str = "docs/signals.md";
    let text = read(SIGNALS).unwrap();
    let (before, table, after) = parts(&text, "security").expect("both marks");
    let expected = format!("\n{}\n", security::table());
    if table != expected && std::env::var_os("TENGEN_UPDATE").is_some() {
        let text = format!("{before}<!-- security -->\n{expected}<!-- /security -->{after}");
        std::fs::write(root().join(SIGNALS), text).unwrap();
        return;
    }
    assert!(table == expected, "run the tests with `TENGEN_UPDATE=1`");
}

/// Of a span: by the first word of its name, its kind and all attributes that it may have.
type Spans = BTreeMap<String, (String, BTreeSet<String>)>;

fn documented() -> Result<Spans> {
    let text = read(DOCUMENT)?;
    let (_, table, _) = parts(&text, "spans").context("both marks")?;
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| row(line).with_context(|| line.to_owned())).collect()
}

fn row(line: &str) -> Option<(String, (String, BTreeSet<String>))> {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [name, kind, _, attributes] = cells.try_into().ok()?;
    let bare = |name: &str| name.trim().trim_matches('`').to_owned();
    let attributes = attributes.split(',').map(bare).collect();
    Some((bare(name).split(' ').next()?.to_owned(), (kind.to_owned(), attributes)))
}

fn exported(spans: &[Span]) -> Spans {
    let mut all = Spans::new();
    for span in spans {
        let name = span.name.split(' ').next().unwrap_or_default();
        let kind = match span.kind {
            Kind::Server => "server",
            Kind::Consumer => "consumer",
            Kind::Producer => "producer",
            Kind::Internal => "internal",
            Kind::Client | Kind::Unspecified => "none of ours",
        };
        let its = all.entry(name.to_owned()).or_insert_with(|| (kind.to_owned(), BTreeSet::new()));
        its.1.extend(span.attributes.keys().cloned());
    }
    all
}

/// An authenticator that lets in and refuses, a plugin that answers, publishes and traps.
fn settings(collector: &Collector) -> Result<Settings> {
    let mut settings = Settings::default();
    settings.telemetry.otlp = Some(Otlp::new(collector.endpoint()));
    let mut relay = guests::plugin("handler_relay")?;
    relay.grant = Grants { publish: vec![Pattern("relay/*".into())], ..Grants::default() };
    gateway::route_everything(&mut settings, "relay", relay);
    settings.plugins.insert("hostile".into(), guests::plugin("handler_hostile")?);
    settings.routes.insert(
        0,
        tengen_settings::Route {
            event: Pattern("hostile/*".into()),
            plugin: "hostile".into(),
            endpoint: None,
            mode: tengen_settings::Mode::First,
        },
    );
    settings.plugins.insert("door".into(), guests::plugin("authenticator_says")?);
    for endpoint in &mut settings.endpoints {
        std::sync::Arc::make_mut(endpoint).authenticator = Some("door".into());
    }
    Ok(settings)
}

#[tokio::test]
async fn no_span_has_a_secret() -> Result<()> {
    const MARK: &str = "0SECRET";
    let collector = Collector::grpc().await?;
    let gateway = gateway::start(settings(&collector)?).await?;
    let (bearer, cookie) = (format!("Bearer {MARK}-header"), format!("session={MARK}-cookie"));
    let protocols = format!("tengen.v1.json, tengen.token.{MARK}-protocol");
    let headers = [
        ("sec-websocket-protocol", protocols.as_str()),
        ("authorization", bearer.as_str()),
        ("cookie", cookie.as_str()),
    ];
    for (query, lets_in) in [("user=ann", true), ("status=401", false)] {
        let path = format!("/ws?{query}&token={MARK}-query");
        let opened = Client::try_open(gateway.address(), &path, &headers).await?;
        ensure!(opened.is_ok() == lets_in, "{opened:?}");
        if let Ok(mut client) = opened {
            client.next_json().await?;
            client.ask("relay/say", json!({ "password": format!("{MARK}-payload") })).await?;
            client.ask("hostile/trap", json!(format!("{MARK}-trap"))).await?;
            client.close().await?;
        }
    }
    gateway.drain().await;
    let spans = format!("{:?}", collector.spans());
    assert!(spans.contains("authenticate") && !spans.contains(MARK), "{spans}");
    Ok(())
}

#[tokio::test]
async fn every_span_and_attribute_that_is_exported_is_in_the_document_and_the_other_way_round()
-> Result<()> {
    let collector = Collector::grpc().await?;
    let gateway = gateway::start(settings(&collector)?).await?;
    let headers = [("sec-websocket-protocol", "tengen.v1.json"), ("user-agent", "a test")];
    let mut client = Client::open(gateway.address(), "/ws?user=ann", &headers).await?;
    client.next_json().await?;
    client.ask("relay/join", Value::Null).await?;
    client.send("relay/say", json!("hello")).await?;
    client.next_json().await?;
    client.ask("hostile/trap", Value::Null).await?;
    client.close().await?;
    let refused = Client::try_open(gateway.address(), "/ws?status=403", &headers).await?;
    ensure!(refused.is_err(), "let in");
    gateway.drain().await;
    let (exported, documented) = (exported(&collector.spans()), documented()?);
    assert_eq!(exported.keys().collect::<Vec<_>>(), documented.keys().collect::<Vec<_>>());
    for (name, said) in &documented {
        assert_eq!(Some(said), exported.get(name), "{name}");
    }
    Ok(())
}
