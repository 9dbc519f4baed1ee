//! docs/operations.md names what a gateway says of itself, all of it and nothing else.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use support::{gateway, guests, repository::read};
use tengen_settings::Settings;
use tengen_wire::close::Reason;

/// Objects whose members are names that come with what happens.
const BY_NAME: [&str; 16] = [
    "client-signals",
    "connections.ended",
    "connections.failed-by",
    "connections.refused-posts-by",
    "connections.rejected-by",
    "effects.refused-by-reason",
    "events.declined",
    "notable",
    "plugins",
    "telemetry.metrics",
    "telemetry.no_metrics",
    "telemetry.no_spans",
    "telemetry.signals",
    "telemetry.sinks",
    "telemetry.spans",
    "requests.refused",
];

/// What stands in the first columns of the table behind a heading, each name without its quotes.
fn named(page: &str, heading: &str) -> BTreeSet<String> {
    let (_, part) = page.split_once(heading).expect("the page has the part");
    let rows = part.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let columns = rows.filter_map(|row| row.split('|').nth(1));
    columns.flat_map(|column| column.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// The paths of all that has no parts.
fn paths(value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match value.as_object().filter(|_| !BY_NAME.contains(&path)) {
        Some(members) => {
            for (name, member) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                paths(member, &path, found);
            }
        }
        None => {
            found.insert(path.to_owned());
        }
    }
}

#[tokio::test]
async fn the_page_for_operators_names_every_field_that_a_gateway_shows() -> Result<()> {
    let page = read("docs/operations.md")?;
    let mut settings = Settings::default();
    gateway::route_everything(&mut settings, "echo", guests::plugin("handler_echo")?);
    let gateway = gateway::start(settings).await?;
    let mut shown = BTreeSet::new();
    paths(&gateway.gateway.stats(), "", &mut shown);
    assert_eq!(named(&page, "## What `/stats` says"), shown);
    let plugins = gateway.gateway.plugins();
    let plugin = plugins.get(0).and_then(Value::as_object).context("a plugin runs")?;
    let shown: BTreeSet<_> = plugin.keys().cloned().collect();
    assert_eq!(named(&page, "## What `/plugins` says"), shown);
    gateway.drain().await;
    Ok(())
}

#[test]
fn the_page_for_operators_names_every_end_of_a_connection_with_its_code() -> Result<()> {
    let page = read("docs/operations.md")?;
    let ours = [
        Reason::Protocol,
        Reason::NotUtf8,
        Reason::TooLarge,
        Reason::HeartbeatMissed,
        Reason::SlowConsumer,
        Reason::Memory,
        Reason::Unfinished,
        Reason::Unpolled,
        Reason::Replaced,
        Reason::Violation,
        Reason::Overloaded,
        Reason::TokenEnded,
        Reason::Drained,
        Reason::Internal,
    ];
    for reason in ours {
        let row = format!("| `{}` | {} |", Reason::KINDS[reason.kind()], reason.code());
        assert!(page.contains(&row), "{row}");
    }
    let named = named(&page, "How connections ended");
    assert_eq!(named, Reason::KINDS.iter().map(|&kind| kind.to_owned()).collect());
    Ok(())
}
