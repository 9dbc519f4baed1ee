//! `docs/metrics.md` names what there is, and nothing else.

use super::{scrape, start};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::{
    client::Client,
    openmetrics::Family,
    repository::{read, root},
};
use tengen_core::meter::Metric;

const DOCUMENT: &str = "docs/metrics.md";
const BEGINS: &str = "<!-- metrics -->\n";
const ENDS: &str = "<!-- /metrics -->";

/// A row of the document's table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    name: String,
    kind: String,
    unit: String,
    labels: BTreeSet<String>,
    meaning: String,
}

/// What stands between the marks, and around them.
fn parts(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once(BEGINS)?;
    let (table, after) = rest.split_once(ENDS)?;
    Some((before, table, after))
}

fn documented() -> Result<Vec<Row>> {
    let text = read(DOCUMENT)?;
    let (_, table, _) = parts(&text).context("both marks")?;
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| row(line).with_context(|| line.to_owned())).collect()
}

fn row(line: &str) -> Option<Row> {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [name, kind, unit, labels, meaning] = cells.try_into().ok()?;
    let bare = |name: &str| name.trim().trim_matches('`').to_owned();
    Some(Row {
        name: bare(name),
        kind: kind.to_owned(),
        unit: unit.to_owned(),
        labels: labels.split(',').map(bare).filter(|label| !label.is_empty()).collect(),
        meaning: meaning.to_owned(),
    })
}

/// What is exported, but for the labels, which samples alone have.
fn exported(family: &Family) -> Row {
    let end = match family.kind.as_str() {
        "counter" => "_total",
        "info" => "_info",
        _ => "",
    };
    Row {
        name: format!("{}{end}", family.name),
        kind: family.kind.clone(),
        unit: family.unit.clone(),
        labels: BTreeSet::new(),
        meaning: family.help.clone(),
    }
}

#[test]
fn the_document_has_the_table_of_the_source() {
    let text = read(DOCUMENT).unwrap();
    let (before, table, after) = parts(&text).expect("both marks");
    let expected = format!("\n{}\n", Metric::table());
    if table != expected && std::env::var_os("TENGEN_UPDATE").is_some() {
        let text = format!("{before}{BEGINS}{expected}{ENDS}{after}");
        std::fs::write(root().join(DOCUMENT), text).unwrap();
        return;
    }
    assert!(
        table == expected,
        "the table in {DOCUMENT} is not `Metric::table()`: run the tests with `TENGEN_UPDATE=1`"
    );
}

#[tokio::test]
async fn every_name_that_is_exported_is_in_the_document_and_the_other_way_round() -> Result<()> {
    let gateway = start().await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for event in ["beside/it", "hostile/trap", "wants/to-know", "nobodys/own"] {
        client.ask(event, json!(1)).await?;
    }
    client.send("wants/a-subscription", Value::Null).await?;
    client.send_text("this is no frame").await?;
    client.ask("beside/last", json!(2)).await?;
    let refused = Client::try_open(gateway.address(), "/ws", &[("origin", "https://a.example")]);
    assert!(refused.await?.is_err());
    let exposition = scrape(&gateway).await?;
    let documented = documented()?;
    let without_labels =
        documented.iter().map(|row| Row { labels: BTreeSet::new(), ..row.clone() });
    let (shown, said): (BTreeSet<_>, BTreeSet<_>) =
        (exposition.0.iter().map(exported).collect(), without_labels.collect());
    let only = |these: &BTreeSet<Row>, those| {
        these.difference(those).map(|row| row.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(only(&shown, &said), [""; 0], "exported, and not in the document as it is");
    assert_eq!(only(&said, &shown), [""; 0], "in the document, and not exported as it says");
    labels_are_documented(&exposition.0, &documented);
    gateway.drain().await;
    Ok(())
}

/// Every sample has the labels that its row names. Most families have a sample here; a few need a failure that no test makes
/// on the way.
fn labels_are_documented(families: &[Family], documented: &[Row]) {
    let mut with_samples = 0;
    for family in families {
        let row = documented.iter().find(|row| row.name == exported(family).name).expect("a row");
        with_samples += usize::from(!family.samples.is_empty());
        for sample in &family.samples {
            let labels = sample.labels.keys().filter(|name| *name != "le").cloned().collect();
            assert_eq!(row.labels, labels, "{}", row.name);
        }
    }
    assert!(with_samples > 50, "only {with_samples} families have samples");
}
