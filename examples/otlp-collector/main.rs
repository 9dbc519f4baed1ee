//! Takes traces and logs by OTLP and prints them, traces as trees. For looking, not for keeping: see README.md beside this file.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks on both"
)]

use anyhow::Context as _;
use std::{collections::BTreeMap, convert::Infallible, net::SocketAddr, process::ExitCode};
use support::otlp::{Collector, Record, Span, Value};

/// Attributes that say the same of every span.
const DULL: [&str; 2] = ["messaging.system", "messaging.operation.name"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Err(error) = run().await;
    eprintln!("otlp-collector: {error:#}");
    ExitCode::FAILURE
}

async fn run() -> anyhow::Result<Infallible> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:4317".to_owned());
    let address: SocketAddr = address.parse().context("the argument is an address and a port")?;
    let collector = Collector::grpc_at(address).await?;
    println!("taking traces and logs by gRPC; in another terminal run");
    println!("  OTEL_EXPORTER_OTLP_ENDPOINT={} cargo xtask demo", collector.endpoint());
    loop {
        // An error only says that nothing has come for a while.
        let has_come = |spans: &[Span]| !spans.is_empty() || !collector.records().is_empty();
        if collector.wait_for(has_come).await.is_ok() {
            collector.take_records().iter().for_each(told);
            for (trace, spans) in by_trace(collector.take()) {
                print(&trace, &spans);
            }
        }
    }
}

fn told(record: &Record) {
    let Record { severity_text, body, attributes, trace_id, .. } = record;
    let facts = attributes.iter().filter(|(key, _)| key.starts_with("data."));
    let facts: String = facts.map(|(key, value)| format!("  {key}={}", text(value))).collect();
    let trace = if trace_id.is_empty() { String::new() } else { format!("  trace {trace_id}") };
    println!("\nlog {severity_text} {body}{facts}{trace}");
}

fn by_trace(spans: Vec<Span>) -> BTreeMap<String, Vec<Span>> {
    let mut traces = BTreeMap::<String, Vec<Span>>::new();
    for span in spans {
        traces.entry(span.trace_id.clone()).or_default().push(span);
    }
    traces
}

fn print(trace: &str, spans: &[Span]) {
    println!("\ntrace {trace}");
    let is_here = |id: &str| spans.iter().any(|span| span.span_id == id);
    for root in spans.iter().filter(|span| !span.parent.as_deref().is_some_and(is_here)) {
        print_below(root, spans, 1);
    }
}

fn print_below(span: &Span, spans: &[Span], depth: usize) {
    println!("{:indent$}{}", "", line(span), indent = 2 * depth);
    let mut children: Vec<_> = spans.iter().filter(|child| child.is_child_of(span)).collect();
    children.sort_by_key(|child| child.start);
    for child in children {
        print_below(child, spans, depth + 1);
    }
}

fn line(span: &Span) -> String {
    let micros = span.end.saturating_sub(span.start) / 1000;
    let failed = if span.failed { "  FAILED" } else { "" };
    let links = span.links.iter().map(|(trace, _)| format!("  links to {trace}"));
    let facts = span.attributes.iter().filter(|(key, _)| !DULL.contains(&key.as_str()));
    let facts = facts.map(|(key, value)| format!("  {key}={}", text(value)));
    let more: String = links.chain(facts).collect();
    format!("{}  {micros} µs{failed}{more}", span.name)
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Other => "…".to_owned(),
    }
}
