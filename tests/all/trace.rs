//! One event as an OpenTelemetry backend sees it: from the upgrade request to the write, over both protocols.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use support::{
    client::Client,
    gateway, guests,
    otlp::{Collector, Kind, Span},
};
use tengen::settings::{Grants, Otlp, Pattern, Protocol, Settings};

/// The parents that a page's own tracing would send: one for the upgrade, one for the event.
const OF_UPGRADE: (&str, &str) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
const OF_EVENT: (&str, &str) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");

fn traceparent((trace, span): (&str, &str)) -> String {
    format!("00-{trace}-{span}-01")
}

async fn start(collector: &Collector, protocol: Protocol) -> Result<gateway::Running> {
    let mut settings = Settings::default();
    settings.telemetry.otlp =
        Some(Otlp { endpoint: collector.endpoint().to_owned(), protocol, sample: 1.0 });
    let mut relay = guests::plugin("handler_relay")?;
    relay.grant = Grants { publish: vec![Pattern("relay/*".into())], ..Grants::default() };
    gateway::route_everything(&mut settings, "relay", relay);
    gateway::start(settings).await
}

fn named<'a>(spans: &'a [Span], name: &str) -> Result<&'a Span> {
    spans.iter().find(|span| span.name == name).with_context(|| {
        let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
        format!("no span `{name}` among {names:?}")
    })
}

async fn one_event_is_a_tree_of_spans(collector: Collector, protocol: Protocol) -> Result<()> {
    let gateway = start(&collector, protocol).await?;
    let headers =
        [("sec-websocket-protocol", "tengen.v1.json"), ("traceparent", &*traceparent(OF_UPGRADE))];
    let mut client = Client::open(gateway.address(), "/ws", &headers).await?;
    client.next_json().await?;
    client.ask("relay/join", Value::Null).await?;
    let meta = json!({ "traceparent": traceparent(OF_EVENT), "unknown": 1 });
    client.send_text(&json!([["relay/say", "hello"], "cb", meta]).to_string()).await?;
    let publication = client.next_json().await?;
    let reply = client.next_json().await?;
    assert_eq!((&reply[0], &reply[1]), (&json!("hello"), &json!("cb")));

    let spans = collector
        .wait_for(|spans| spans.iter().filter(|span| span.trace_id == OF_EVENT.0).count() == 4)
        .await?;
    let upgrade = named(&spans, "GET /ws")?;
    assert_eq!(upgrade.kind, Kind::Server);
    assert_eq!((&*upgrade.trace_id, upgrade.parent.as_deref()), (OF_UPGRADE.0, Some(OF_UPGRADE.1)));

    let process = named(&spans, "process relay/say")?;
    assert_eq!(process.kind, Kind::Consumer);
    assert_eq!((&*process.trace_id, process.parent.as_deref()), (OF_EVENT.0, Some(OF_EVENT.1)));
    assert!(process.links_to(upgrade), "{:?}", process.links);
    assert!(process.start >= upgrade.start && process.end >= process.start);

    let of_event: Vec<_> =
        spans.iter().filter(|span| span.trace_id == OF_EVENT.0).cloned().collect();
    let call = named(&of_event, "call relay.handle")?;
    assert_eq!(call.kind, Kind::Internal);
    assert!(call.is_child_of(process));
    assert_eq!(call.text("tengen.plugin.name"), Some("relay"));
    let published = named(&of_event, "send relay/said")?;
    assert_eq!(published.kind, Kind::Producer);
    assert!(published.is_child_of(process));
    assert!(published.end >= call.end, "the delivery ends with the write, after the call");
    let replied = named(&of_event, "send relay/say")?;
    assert!(replied.is_child_of(process));

    // The receiver can go on with the trace: what it got names the delivery's span.
    let place = |span: &Span| json!(format!("00-{}-{}-01", span.trace_id, span.span_id));
    assert_eq!(publication[2]["traceparent"], place(published));
    assert_eq!(reply[2]["traceparent"], place(replied));

    // An event without a parent of its own has a trace of its own, linked to the upgrade too.
    let join = named(&spans, "process relay/join")?;
    assert_eq!(join.parent, None);
    assert_ne!(join.trace_id, upgrade.trace_id);
    assert!(join.links_to(upgrade));
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn one_event_is_a_tree_of_spans_over_grpc() -> Result<()> {
    one_event_is_a_tree_of_spans(Collector::grpc().await?, Protocol::Grpc).await
}

#[tokio::test]
async fn one_event_is_a_tree_of_spans_over_http() -> Result<()> {
    one_event_is_a_tree_of_spans(Collector::http().await?, Protocol::HttpProtobuf).await
}

#[tokio::test]
async fn a_refused_upgrade_is_a_failed_span_without_secrets() -> Result<()> {
    let collector = Collector::grpc().await?;
    let gateway = start(&collector, Protocol::Grpc).await?;
    let headers = [("origin", "https://evil.example"), ("authorization", "Bearer s3cret")];
    let refused = Client::try_open(gateway.address(), "/ws?token=s3cret", &headers).await?;
    assert_eq!(refused.err().map(|refused| refused.status), Some(403));
    let spans = collector.wait_for(|spans| !spans.is_empty()).await?;
    let upgrade = named(&spans, "GET /ws")?;
    assert!(upgrade.failed);
    assert_eq!(upgrade.text("error.type"), Some("origin"));
    assert!(!format!("{spans:?}").contains("s3cret"), "secrets stay out of spans: {spans:?}");
    gateway.drain().await;
    Ok(())
}
