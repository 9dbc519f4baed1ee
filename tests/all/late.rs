//! Events that nobody chose and that failed, were refused or took long: their traces come whole, after the fact, and no others.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};
use support::{
    client::Client,
    gateway, guests,
    otlp::{Collector, Span},
};
use tengen_settings::{Otlp, Pattern, Settings};

/// Less than the guest needs for what is slow, more than all else usually takes.
const SLOW: Duration = Duration::from_millis(2);
const GOOD: usize = 1000;
/// Replies that a connection may wait for at a time.
const REPLIES: usize = 256;
/// Nanoseconds; the time of day and the clock that does not jump are read one after the other.
const TOLERANCE: u64 = 1_000_000;

async fn start(collector: &Collector, failures_per_second: usize) -> Result<gateway::Running> {
    start_with(collector, failures_per_second, Settings::default()).await
}

async fn start_with(
    collector: &Collector,
    failures_per_second: usize,
    mut settings: Settings,
) -> Result<gateway::Running> {
    settings.telemetry.slow = SLOW;
    settings.telemetry.otlp =
        Some(Otlp { sample: Some(0.0), failures_per_second, ..Otlp::new(collector.endpoint()) });
    let mut hostile = guests::plugin("handler_hostile")?;
    hostile.deadline = Duration::from_secs(5);
    gateway::route_everything(&mut settings, "hostile", hostile);
    for route in &mut settings.routes {
        route.event = Pattern("hostile/*".into());
    }
    gateway::start(settings).await
}

/// The spans of each trace.
fn traces(spans: Vec<Span>) -> BTreeMap<String, Vec<Span>> {
    let mut traces = BTreeMap::<_, Vec<_>>::new();
    for span in spans {
        traces.entry(span.trace_id.clone()).or_default().push(span);
    }
    traces
}

fn root(trace: &[Span]) -> Result<&Span> {
    trace.iter().find(|span| span.parent.is_none()).context("a trace without a root")
}

#[track_caller]
fn is_within(inner: &Span, outer: &Span) {
    let is_before = |a: u64, b: u64| a <= b + TOLERANCE;
    assert!(inner.is_child_of(outer), "{inner:?} is not below {outer:?}");
    assert!(is_before(outer.start, inner.start) && is_before(inner.start, inner.end), "{inner:?}");
    assert!(is_before(inner.end, outer.end), "{inner:?} ends after {outer:?}");
}

/// That a trace tells what its event has been through.
fn is_whole(trace: &[Span], error: Option<&str>) -> Result<()> {
    let process = root(trace)?;
    let below = |operation: &str| {
        let mut found = trace.iter().filter(|span| span.name.split(' ').next() == Some(operation));
        let (first, second) = (found.next(), found.next());
        anyhow::ensure!(second.is_none(), "two of {operation} in {trace:?}");
        first.with_context(|| format!("no {operation} in {trace:?}"))
    };
    let (wait, call) = (below("wait")?, below("call")?);
    is_within(wait, process);
    is_within(call, process);
    assert!(call.start.abs_diff(wait.end) <= TOLERANCE, "a gap between {wait:?} and {call:?}");
    assert_eq!(call.text("error.type"), error, "{call:?}");
    assert_eq!((wait.text("tengen.plugin.name"), call.failed), (Some("hostile"), error.is_some()));
    Ok(())
}

#[tokio::test]
async fn of_a_thousand_events_those_that_matter_are_told_whole_and_no_others() -> Result<()> {
    let collector = Collector::grpc().await?;
    let gateway = start(&collector, 10_000).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for number in 0..GOOD {
        let id = match number % 100 {
            50 => "hostile/slow",
            70 => "nobody/has-it",
            _ => "hostile/well",
        };
        client.ask(id, json!(number)).await?;
    }
    // Calls that break are so few, and of so many senders, that no breaker opens.
    for _ in 0..3 {
        let mut other = Client::json(gateway.address(), "/ws").await?;
        other.ask("hostile/trap", Value::Null).await?;
    }
    let mut patient = Client::json(gateway.address(), "/ws").await?;
    for number in 0..REPLIES {
        patient
            .send_text(&json!([["hostile/ignore", null], format!("i{number}")]).to_string())
            .await?;
    }
    patient.ask("hostile/one-too-many", Value::Null).await?;
    drop((client, patient));
    let stats = gateway.gateway.stats();
    gateway.drain().await;

    let (mut slow, mut unknown, mut trapped, mut refused) = (0, 0, 0, 0);
    for trace in traces(collector.take()).into_values() {
        let process = root(&trace)?;
        match (&*process.name, process.text("error.type")) {
            ("process nobody/has-it", Some("unknown-event")) => unknown += 1,
            ("process hostile/trap", Some("plugin-failed")) => {
                is_whole(&trace, Some("trap"))?;
                trapped += 1;
            }
            ("process hostile/one-too-many", Some(why)) => {
                assert!(["overloaded", "limit-reached"].contains(&why), "{why}");
                refused += 1;
            }
            (name, None) => {
                is_whole(&trace, None)?;
                let took = Duration::from_nanos(process.end - process.start + TOLERANCE);
                assert!(took >= SLOW, "{process:?} was not slow");
                slow += usize::from(name == "process hostile/slow");
            }
            other => anyhow::bail!("nobody expected {other:?}"),
        }
    }
    assert_eq!((slow, unknown, trapped, refused), (GOOD / 100, GOOD / 100, 3, 1));
    let spans = &stats["telemetry"]["spans"];
    assert_eq!(spans["late_over_limit"], 0, "{spans}");
    Ok(())
}

#[tokio::test]
async fn what_finds_no_room_is_told_as_often_as_it_is_answered_so() -> Result<()> {
    let collector = Collector::grpc().await?;
    let mut settings = Settings::default();
    settings.limits.waiting_events = 1;
    settings.limits.wait = Duration::from_millis(1);
    let gateway = start_with(&collector, 10_000, settings).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for number in 0..20 {
        client
            .send_text(&json!([["hostile/slow", null], format!("c{number}")]).to_string())
            .await?;
    }
    let (mut answered, mut overloaded) = (0, 0);
    while answered < 20 {
        let frame = client.next_json().await?;
        answered += 1;
        overloaded += usize::from(frame.to_string().contains("overloaded"));
    }
    drop(client);
    gateway.drain().await;
    let told = traces(collector.take()).into_values();
    let errors = told.map(|trace| Ok(root(&trace)?.text("error.type").map(str::to_owned)));
    let errors = errors.collect::<Result<Vec<_>>>()?;
    let refused = errors.iter().filter(|error| error.as_deref() == Some("overloaded")).count();
    assert!(overloaded > 0, "there was room for all");
    assert_eq!(refused, overloaded, "{errors:?}");
    Ok(())
}

#[tokio::test]
async fn what_fails_all_the_time_is_told_so_often_a_second_and_the_rest_is_counted() -> Result<()> {
    let collector = Collector::grpc().await?;
    let gateway = start(&collector, 5).await?;
    let began = SystemTime::now();
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for number in 0..300 {
        client.ask("nobody/has-it", json!(number)).await?;
    }
    let seconds = began.elapsed()?.as_secs() + 2;
    let stats = gateway.gateway.stats();
    drop(client);
    gateway.drain().await;
    let told = traces(collector.take()).len() as u64;
    assert!((1..=5 * seconds).contains(&told), "{told} in {seconds} s");
    let spans = &stats["telemetry"]["spans"];
    let counts = (spans["late"].as_u64(), spans["late_over_limit"].as_u64());
    assert_eq!(counts, (Some(told), Some(300 - told)), "{spans}");
    Ok(())
}
