//! The dashboard and the alerts of `examples/grafana` ask for what a gateway shows, and nothing else.

use crate::metrics::{scrape, start};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use support::{openmetrics::Family, repository::read};
use tengen_core::meter::{Kind, Metric};

/// Labels that Prometheus itself gives.
const GIVEN: [&str; 2] = ["instance", "le"];

/// Words of the query language that stand where a label or a metric could.
const WORDS: [&str; 7] =
    ["sum", "max", "by", "rate", "increase", "histogram_quantile", "label_values"];

/// Every text under this key, however deep.
fn texts(value: &Value, key: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(text) if name == key => found.push(text.clone()),
                    member => texts(member, key, found),
                }
            }
        }
        Value::Array(members) => members.iter().for_each(|member| texts(member, key, found)),
        _ => {}
    }
}

fn queries() -> Result<Vec<String>> {
    let dashboard: Value = serde_json::from_str(&read("examples/grafana/dashboard.json")?)?;
    let mut queries = Vec::new();
    texts(&dashboard, "expr", &mut queries);
    // Of the dashboard's variables; the data source's is the name of its kind.
    texts(&dashboard, "query", &mut queries);
    queries.retain(|query| query != "prometheus");
    let rules = read("examples/grafana/alerts.yml")?;
    let of_rules = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
    let of_dashboard = queries.len();
    queries.extend(of_rules.map(str::to_owned));
    let of_rules = queries.len() - of_dashboard;
    ensure!(of_dashboard > 25 && of_rules > 8, "{of_dashboard} and {of_rules} queries");
    Ok(queries)
}

/// The words of a query outside of quotes and of what stands in square brackets; numbers are none.
fn words(query: &str) -> Vec<String> {
    let outside: String = query.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let mut words = Vec::new();
    for part in outside.split('[').enumerate() {
        let text = match part {
            (0, text) => text,
            (_, text) => text.split_once(']').map_or("", |(_, rest)| rest),
        };
        let signs = |sign: char| !sign.is_ascii_alphanumeric() && sign != '_';
        let found = text.split(signs).filter(|word| word.starts_with(|c: char| c.is_alphabetic()));
        words.extend(found.map(str::to_owned));
    }
    words
}

/// The metric whose samples have this name.
fn metric(sample: &str) -> Option<Metric> {
    let its = |metric: &&Metric| match metric.kind() {
        Kind::Histogram => ["_bucket", "_sum", "_count"]
            .iter()
            .any(|end| sample.strip_suffix(end) == Some(metric.full_name().as_str())),
        _ => metric.full_name() == sample,
    };
    Metric::ALL.iter().find(its).copied()
}

/// A query against what is shown: its metrics are there, and have the labels that it names.
fn check(query: &str, families: &[Family]) -> Result<()> {
    let words: BTreeSet<_> = words(query).into_iter().collect();
    let (samples, others): (Vec<_>, Vec<_>) =
        words.iter().partition(|word| word.starts_with("tengen_"));
    ensure!(!samples.is_empty(), "it asks for nothing of ours");
    let mut labels: BTreeSet<&str> = GIVEN.into();
    for sample in samples {
        let metric = metric(sample).with_context(|| format!("there is no `{sample}`"))?;
        let shown = families.iter().any(|family| sample.starts_with(&family.name));
        ensure!(shown, "`{sample}` is not shown");
        labels.extend(metric.labels());
    }
    for word in others {
        let known = WORDS.contains(&word.as_str()) || labels.contains(word.as_str());
        ensure!(known, "no metric in it has the label `{word}`");
    }
    Ok(())
}

#[tokio::test]
async fn every_query_of_the_dashboard_and_the_alerts_asks_for_what_is_shown() -> Result<()> {
    let gateway = start().await?;
    let exposition = scrape(&gateway).await?;
    for query in queries()? {
        check(&query, &exposition.0).with_context(|| query.clone())?;
    }
    gateway.drain().await;
    Ok(())
}

#[test]
fn a_query_for_what_there_is_not_is_found() {
    let family = |name: &str| Family { name: name.into(), ..Family::default() };
    let families = [family("tengen_plugin_errors"), family("tengen_plugin_call_seconds")];
    let is_well = |query: &str| check(query, &families).is_ok();
    assert!(is_well(
        "sum by (plugin, reason) (rate(tengen_plugin_errors_total{instance=~\"a\"}[5m]))"
    ));
    assert!(is_well("histogram_quantile(0.9, rate(tengen_plugin_call_seconds_bucket[1m]))"));
    assert!(!is_well("tengen_plugin_errors"), "a counter's sample has an end");
    assert!(!is_well("tengen_plugin_call_seconds"), "so has a histogram's");
    assert!(!is_well("sum by (kind) (tengen_plugin_errors_total)"), "it has no such label");
    assert!(!is_well("tengen_open_connections"), "it is not shown here");
    assert!(!is_well("up == 0"), "it is nobody's");
}
