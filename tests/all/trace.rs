//! One event as an OpenTelemetry backend sees it: from the upgrade request to the write, over both protocols.

use crate::fetch::backend::{Backend, header};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::sync::Arc;
use support::{
    client::Client,
    gateway, guests,
    otlp::{Collector, Kind, Span},
};
use tengen_settings::{Endpoint, Grants, Host, Otlp, Pattern, Protocol, Settings, Traceparent};

/// The parents that a page's own tracing would send: one for the upgrade, one for the event.
const OF_UPGRADE: (&str, &str) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
const OF_EVENT: (&str, &str) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");

fn own((trace, span): (&str, &str)) -> String {
    format!("00-{trace}-{span}-01")
}

async fn start(collector: &Collector, protocol: Protocol) -> Result<gateway::Running> {
    taking(collector, protocol, Traceparent::Parent, 1.0).await
}

/// A gateway that takes its clients' trace contexts for this, and records such a share by itself.
async fn taking(
    collector: &Collector,
    protocol: Protocol,
    traceparent: Traceparent,
    share: f64,
) -> Result<gateway::Running> {
    let mut settings = Settings::default();
    for endpoint in &mut settings.endpoints {
        Arc::make_mut(endpoint).traceparent = traceparent;
    }
    settings.telemetry.otlp = Some(Otlp {
        protocol: Some(protocol),
        sample: Some(share),
        ..Otlp::new(collector.endpoint())
    });
    let mut relay = guests::plugin("handler_relay")?;
    relay.grant = Grants { publish: vec![Pattern("relay/*".into())], ..Grants::default() };
    gateway::route_everything(&mut settings, "relay", relay);
    gateway::start(settings).await
}

/// A client that forwards its own traces, in the upgrade and in an event, and what of it is recorded.
async fn recorded(
    collector: &Collector,
    traceparent: Traceparent,
    share: f64,
) -> Result<Vec<Span>> {
    let gateway = taking(collector, Protocol::Grpc, traceparent, share).await?;
    let headers =
        [("sec-websocket-protocol", "tengen.v1.json"), ("traceparent", &*own(OF_UPGRADE))];
    let mut client = Client::open(gateway.address(), "/ws", &headers).await?;
    client.next_json().await?;
    let meta = json!({ "traceparent": own(OF_EVENT) });
    client.send_text(&json!([["relay/join", null], "cb", meta]).to_string()).await?;
    client.next_json().await?;
    drop(client);
    gateway.drain().await;
    Ok(collector.take())
}

// Anybody could have everything recorded.
#[tokio::test]
async fn a_strangers_trace_is_linked_to_and_decides_nothing() -> Result<()> {
    let collector = Collector::grpc().await?;
    let spans = recorded(&collector, Traceparent::Link, 0.0).await?;
    assert!(spans.is_empty(), "the share is nothing, whatever the client says: {spans:?}");

    let spans = recorded(&collector, Traceparent::Link, 1.0).await?;
    let of = |(trace, span): (&str, &str)| (trace.to_owned(), span.to_owned());
    let upgrade = named(&spans, "GET /ws")?;
    assert_eq!((&upgrade.parent, &upgrade.links), (&None, &vec![of(OF_UPGRADE)]));
    assert_eq!(upgrade.remote_links, upgrade.links, "the client is another process");
    let join = named(&spans, "process relay/join")?;
    assert_eq!(join.parent, None);
    assert!(join.links_to(upgrade) && join.links.contains(&of(OF_EVENT)), "{:?}", join.links);
    assert_eq!(join.remote_links, [of(OF_EVENT)], "the upgrade was here");
    for span in &spans {
        assert!(![OF_UPGRADE.0, OF_EVENT.0].contains(&&*span.trace_id), "{span:?}");
    }
    Ok(())
}

#[tokio::test]
async fn where_clients_are_believed_their_traces_are_recorded() -> Result<()> {
    let collector = Collector::grpc().await?;
    let spans = recorded(&collector, Traceparent::Parent, 0.0).await?;
    assert_eq!(named(&spans, "GET /ws")?.trace_id, OF_UPGRADE.0);
    assert_eq!(named(&spans, "process relay/join")?.trace_id, OF_EVENT.0);
    Ok(())
}

// Only the first line was carried on.
#[tokio::test]
async fn several_lines_of_trace_state_are_one_list() -> Result<()> {
    let collector = Collector::grpc().await?;
    let gateway = start(&collector, Protocol::Grpc).await?;
    let parent = own(OF_UPGRADE);
    let all = [("traceparent", &*parent), ("tracestate", "rojo=1"), ("tracestate", "congo=2")];
    drop(Client::open(gateway.address(), "/ws", &all).await?);
    let twice = [("traceparent", &*parent), ("traceparent", &*own(OF_EVENT))];
    drop(Client::open(gateway.address(), "/raw", &twice).await?);
    gateway.drain().await;
    let spans = collector.take();
    let upgrade = named(&spans, "GET /ws")?;
    assert_eq!((&*upgrade.trace_id, &*upgrade.trace_state), (OF_UPGRADE.0, "rojo=1,congo=2"));
    assert_eq!(named(&spans, "GET /raw")?.parent, None, "two parents are none");
    Ok(())
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
        [("sec-websocket-protocol", "tengen.v1.json"), ("traceparent", &*own(OF_UPGRADE))];
    let mut client = Client::open(gateway.address(), "/ws", &headers).await?;
    client.next_json().await?;
    client.ask("relay/join", Value::Null).await?;
    let meta = json!({ "traceparent": own(OF_EVENT), "unknown": 1 });
    client.send_text(&json!([["relay/say", "hello"], "cb", meta]).to_string()).await?;
    // The answer is sent before the event's effects are carried out.
    let reply = client.next_json().await?;
    let publication = client.next_json().await?;
    assert_eq!((&reply[0], &reply[1]), (&json!("hello"), &json!("cb")));

    let spans = collector
        .wait_for(|spans| spans.iter().filter(|span| span.trace_id == OF_EVENT.0).count() == 5)
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
    let wait = named(&of_event, "wait relay")?;
    assert!(wait.is_child_of(process) && wait.start >= process.start, "{wait:?}");
    let call = named(&of_event, "call relay.handle")?;
    assert!(call.start >= wait.start, "{call:?} began before {wait:?}");
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

#[tokio::test]
async fn a_request_to_a_server_is_a_span_of_its_event_and_the_server_is_told() -> Result<()> {
    let (collector, server) = (Collector::grpc().await?, Backend::start().await?);
    let mut settings = Settings::default();
    settings.telemetry.otlp = Some(Otlp {
        protocol: Some(Protocol::Grpc),
        sample: Some(1.0),
        ..Otlp::new(collector.endpoint())
    });
    let mut fetches = guests::plugin("handler_fetches")?;
    let granted = format!("http://127.0.0.1:{}", server.port());
    fetches.grant.http = vec![Host::read(&granted, true).map_err(anyhow::Error::msg)?];
    gateway::route_everything(&mut settings, "fetches", fetches);
    let gateway = gateway::start(settings).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    let request = json!({ "name": "one", "url": server.url("127.0.0.1") });
    client.ask("fetch/send", request).await?;
    let asked = server.answer("204 No Content", "").await?;
    client.next_event("fetch/done").await?;
    drop(client);
    gateway.drain().await;
    let spans = collector.take();
    let (event, fetch) = (named(&spans, "process fetch/send")?, named(&spans, "fetch")?);
    assert!(fetch.is_child_of(event), "{fetch:?}");
    assert_eq!(fetch.kind, Kind::Client);
    let told = format!("00-{}-{}-01", fetch.trace_id, fetch.span_id);
    assert_eq!(header(&asked, "traceparent")?, told);
    Ok(())
}

#[tokio::test]
async fn a_server_that_an_authenticator_asks_is_told_of_the_upgrades_trace() -> Result<()> {
    let (collector, backend) = (Collector::grpc().await?, Backend::start().await?);
    let mut settings = Settings::default();
    settings.telemetry.otlp = Some(Otlp {
        protocol: Some(Protocol::Grpc),
        sample: Some(1.0),
        ..Otlp::new(collector.endpoint())
    });
    let mut auth = guests::plugin("authenticator_asks")?;
    let address = format!("http://127.0.0.1:{}", backend.port());
    auth.grant.http = vec![Host::read(&address, true).map_err(anyhow::Error::msg)?];
    auth.config.insert("backend".into(), format!("{address}/who"));
    settings.plugins.insert("auth".into(), auth);
    let usual = Endpoint::clone(&settings.endpoints[0]);
    settings.endpoints = vec![Arc::new(Endpoint { authenticator: Some("auth".into()), ..usual })];
    let gateway = gateway::start(settings).await?;
    let (asked, client) =
        tokio::join!(backend.answer("200 OK", "ann"), Client::json(gateway.address(), "/ws"));
    drop(client?);
    gateway.drain().await;
    let spans = collector.take();
    let asking = named(&spans, "authenticate")?;
    let told = format!("00-{}-{}-01", asking.trace_id, asking.span_id);
    assert_eq!(header(&asked?, "traceparent")?, told);
    Ok(())
}
