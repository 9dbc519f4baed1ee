//! What is shown is what happened, wherever one looks: `/stats`, `/plugins` and `/metrics` after random load.

use super::{json, quiet, scrape, start};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use support::{client::Client, frames::Frame, gateway, openmetrics::Exposition, peer::Peer};
use tokio::task::JoinSet;

/// The same load for the same seed (xorshift).
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }
}

/// What somebody did: how often, by what it must be counted as.
type Done = BTreeMap<&'static str, u64>;

/// Events, what they are counted as, and how often they may come: a plugin that breaks again and again is left out.
const EVENTS: [(&str, &[&str]); 7] = [
    ("beside/it", &["received", "beside"]),
    ("beside/that", &["received", "beside"]),
    ("hostile/well", &["received", "hostile"]),
    ("wants/a-subscription", &["received", "wants", "refused-subscribe"]),
    ("wants/to-read", &["received", "wants"]),
    ("wants/to-fail", &["received", "wants", "failed"]),
    ("nobodys/own", &["received", "unrouted"]),
];

const CODES: [u16; 5] = [1000, 1001, 3456, 4000, 4777];

async fn visit(gateway: std::net::SocketAddr, mut dice: Dice) -> Result<Done> {
    let mut done = Done::new();
    let mut client = Client::json(gateway, "/ws").await?;
    for _ in 0..20 {
        let (event, counted) = EVENTS[dice.roll(EVENTS.len())];
        match event {
            // It is not answered.
            "wants/a-subscription" => client.send(event, json!(1)).await?,
            _ => drop(client.ask(event, json!(1)).await?),
        }
        counted.iter().for_each(|what| *done.entry(what).or_default() += 1);
        if event == "wants/to-fail" {
            // It asks for a close with its failure.
            client.closed().await?;
            client = Client::json(gateway, "/ws").await?;
            *done.entry("closed-plugin").or_default() += 1;
        }
        if dice.roll(5) == 0 {
            client.send_text("[[").await?;
            *done.entry("malformed").or_default() += 1;
        }
    }
    // Events of one connection are decided in their order: so are all before this one.
    client.ask("wants/to-read", json!(1)).await?;
    ["received", "wants"].iter().for_each(|what| *done.entry(what).or_default() += 1);
    client.close().await?;
    Ok(done)
}

/// Connections that only end, and requests that never become one.
async fn come_and_go(gateway: std::net::SocketAddr, mut dice: Dice) -> Result<Done> {
    let mut done = Done::new();
    for _ in 0..10 {
        let code = CODES[dice.roll(CODES.len())];
        let mut peer = Peer::open(gateway, "/ws").await?;
        peer.frame(Frame::close(code, b"")).await?;
        peer.closed().await?;
        *done.entry(label_of(code)).or_default() += 1;
        let (header, what) = match dice.roll(2) {
            0 => (("origin", "https://evil.example"), "refused-origin"),
            _ => (("sec-websocket-protocol", "nobody.speaks.this"), "refused-subprotocol"),
        };
        ensure!(Client::try_open(gateway, "/ws", &[header]).await?.is_err(), "{what}");
        *done.entry(what).or_default() += 1;
    }
    Ok(done)
}

fn label_of(code: u16) -> &'static str {
    match code {
        1000 => "1000",
        1001 => "1001",
        3456 => "3xxx",
        4000 => "4000",
        _ => "4xxx",
    }
}

#[tokio::test]
async fn stats_plugins_and_metrics_agree_with_each_other_and_with_what_was_done() -> Result<()> {
    for seed in [0x9E37_79B9, 0xDEAD_BEEF] {
        let gateway = start().await?;
        let mut visits = JoinSet::new();
        for visitor in 1..=6 {
            let dice = Dice(seed * visitor);
            visits.spawn(visit(gateway.address(), dice.clone()));
            visits.spawn(come_and_go(gateway.address(), dice));
        }
        let mut done = traps(&gateway).await?;
        while let Some(visit) = visits.join_next().await {
            for (what, times) in visit?? {
                *done.entry(what).or_default() += times;
            }
        }
        quiet(&gateway).await?;
        let (stats, plugins) = (json(&gateway, "/stats").await?, json(&gateway, "/plugins").await?);
        let metrics = scrape(&gateway).await?;
        as_it_was(&done, &metrics)?;
        as_stats(&stats, &metrics)?;
        for plugin in plugins.as_array().context("a list")? {
            as_listed(plugin, &metrics)?;
        }
        gateway.drain().await;
    }
    Ok(())
}

async fn traps(gateway: &gateway::Running) -> Result<Done> {
    let mut client = Client::json(gateway.address(), "/ws").await?;
    for _ in 0..3 {
        client.ask("hostile/trap", Value::Null).await?;
    }
    client.close().await?;
    Ok(Done::from([("received", 3), ("hostile", 3), ("trapped", 3)]))
}

/// What was done, and under which name it must be found.
fn as_it_was(done: &Done, metrics: &Exposition) -> Result<()> {
    for (what, times) in done {
        let labels: &[(&str, &str)] = &[("plugin", what)];
        let found = match *what {
            "received" => metrics.sum("tengen_received_events_total", &[]),
            "malformed" => metrics.sum("tengen_malformed_messages_total", &[]),
            "unrouted" => metrics.sum("tengen_unrouted_events_total", &[]),
            // How long each of its events took until it was decided.
            "beside" | "wants" | "hostile" => {
                metrics.sum("tengen_plugin_event_seconds_count", labels)
            }
            "refused-subscribe" => metrics.sum(
                "tengen_refused_effects_total",
                &[("effect", "subscribe"), ("reason", "not-allowed")],
            ),
            "failed" => metrics.sum("tengen_plugin_errors_total", &[("plugin", "wants")]),
            "trapped" => metrics.sum("tengen_plugin_errors_total", &[("reason", "plugin-failed")]),
            "closed-plugin" => {
                metrics.sum("tengen_closed_connections_total", &[("reason", "plugin")])
            }
            "refused-origin" => refused(metrics, "origin", "403"),
            "refused-subprotocol" => refused(metrics, "subprotocol", "400"),
            code => metrics
                .sum("tengen_closed_connections_total", &[("reason", "peer"), ("code", code)]),
        };
        ensure!(found == *times as f64, "{what}: {times} times, and counted {found} times");
    }
    Ok(())
}

fn refused(metrics: &Exposition, reason: &str, status: &str) -> f64 {
    metrics.sum("tengen_refused_upgrades_total", &[("reason", reason), ("status", status)])
}

/// Places of `/stats`, and the samples that must come to the same.
fn as_stats(stats: &Value, metrics: &Exposition) -> Result<()> {
    for (place, sample, labels) in [
        ("/connections/opened", "tengen_opened_connections_total", &[][..]),
        ("/connections/open", "tengen_open_connections", &[]),
        ("/connections/limit", "tengen_limit_connections", &[]),
        ("/connections/rejected", "tengen_refused_upgrades_total", &[]),
        (
            "/connections/rejected-by/origin",
            "tengen_refused_upgrades_total",
            &[("reason", "origin")],
        ),
        ("/connections/ended/peer", "tengen_closed_connections_total", &[("reason", "peer")]),
        ("/connections/ended/plugin", "tengen_closed_connections_total", &[("reason", "plugin")]),
        ("/connections/ended/lost", "tengen_closed_connections_total", &[("reason", "lost")]),
        ("/memory/held", "tengen_held_bytes", &[]),
        ("/memory/limit", "tengen_held_limit_bytes", &[]),
        ("/channels", "tengen_channels", &[]),
        ("/events/received", "tengen_received_events_total", &[]),
        ("/events/malformed", "tengen_malformed_messages_total", &[]),
        ("/events/unrouted", "tengen_unrouted_events_total", &[]),
        ("/replies/sent", "tengen_sent_replies_total", &[]),
        ("/replies/waiting", "tengen_waiting_requests", &[]),
        ("/replies/unanswered", "tengen_unanswered_requests_total", &[]),
        ("/outbox/enqueued", "tengen_queued_frames_total", &[]),
        ("/outbox/dropped", "tengen_dropped_frames_total", &[]),
        ("/effects/refused", "tengen_refused_effects_total", &[]),
        ("/timers/fired", "tengen_fired_timers_total", &[]),
        (
            "/effects/refused-by-reason/not-allowed/subscribe",
            "tengen_refused_effects_total",
            &[("reason", "not-allowed"), ("effect", "subscribe")],
        ),
        ("/plugins/wants/calls", "tengen_plugin_calls_total", &[("plugin", "wants")]),
        ("/plugins/wants/events", "tengen_plugin_events_total", &[("plugin", "wants")]),
        ("/plugins/wants/errors", "tengen_plugin_errors_total", &[("plugin", "wants")]),
        (
            "/plugins/hostile/failed-calls/trap",
            "tengen_plugin_failed_calls_total",
            &[("kind", "trap")],
        ),
    ] {
        let said = stats.pointer(place).and_then(Value::as_f64);
        let shown = metrics.sum(sample, labels);
        ensure!(said == Some(shown), "{place} is {said:?}, {sample} {labels:?} is {shown}");
    }
    Ok(())
}

/// The instances of its handler.
fn each_as_listed(plugin: &Value, metrics: &Exposition) -> Result<()> {
    let name = plugin["name"].as_str().context("a name")?;
    for each in plugin["each"].as_array().context("a list")? {
        let number = each["instance"].to_string();
        let labels = [("plugin", name), ("plugin_instance", number.as_str())];
        for (key, sample) in [
            ("waiting", "tengen_plugin_instance_waiting_events"),
            ("connections", "tengen_plugin_instance_connections"),
            ("memory_bytes", "tengen_plugin_instance_memory_bytes"),
        ] {
            let shown = metrics.sum(sample, &labels);
            ensure!(each[key].as_f64() == Some(shown), "{name}: {sample} is {shown} of {each}");
        }
        let runs = f64::from(u8::from(each["state"] == "running"));
        ensure!(metrics.sum("tengen_plugin_instance_running", &labels) == runs, "{name}: {each}");
    }
    Ok(())
}

/// A plugin as `tengen plugin list` has it.
fn as_listed(plugin: &Value, metrics: &Exposition) -> Result<()> {
    let name = plugin["name"].as_str().context("a name")?;
    let of = |key: &str, sample: &str, more: &[(&str, &str)]| {
        let listed = plugin[key].as_f64();
        let labels: Vec<_> = more.iter().copied().chain([("plugin", name)]).collect();
        let shown = metrics.sum(sample, &labels);
        match listed == Some(shown) {
            true => Ok(shown),
            false => bail!("{name}: {key} is {listed:?}, {sample} {more:?} is {shown}"),
        }
    };
    let calls = of("calls", "tengen_plugin_calls_total", &[])?;
    of("calls", "tengen_plugin_call_seconds_count", &[])?;
    for (key, sample) in [
        ("events", "tengen_plugin_events_total"),
        ("errors", "tengen_plugin_errors_total"),
        ("refused_effects", "tengen_plugin_refused_effects_total"),
        ("declined_events", "tengen_plugin_declined_events_total"),
        ("restarts", "tengen_plugin_restarts_total"),
        ("breaker_opened", "tengen_plugin_breaker_openings_total"),
        ("lost_states", "tengen_plugin_lost_states_total"),
        ("instances", "tengen_plugin_instances"),
        ("memory_bytes", "tengen_plugin_memory_bytes"),
        ("waiting", "tengen_plugin_waiting_events"),
        ("generation", "tengen_plugin_generation"),
    ] {
        of(key, sample, &[])?;
    }
    of("reloads", "tengen_plugin_reloads_total", &[("outcome", "ok")])?;
    of("failed_reloads", "tengen_plugin_reloads_total", &[("outcome", "failed")])?;
    each_as_listed(plugin, metrics)?;
    let traps =
        metrics.sum("tengen_plugin_failed_calls_total", &[("plugin", name), ("kind", "trap")]);
    ensure!(plugin["traps"].as_f64() == Some(traps), "{name}: {traps} traps in {plugin}");
    for (key, sample, label) in
        [("state", "tengen_plugin_state", "state"), ("breaker", "tengen_plugin_breaker", "phase")]
    {
        let word = plugin[key].as_str().context("a word")?;
        let (is, all) = (
            metrics.sum(sample, &[("plugin", name), (label, word)]),
            metrics.sum(sample, &[("plugin", name)]),
        );
        ensure!((is, all) == (1.0, 1.0), "{name}: {sample} is not {word} alone");
    }
    let seconds = metrics.sum("tengen_plugin_call_seconds_sum", &[("plugin", name)]);
    let most = Duration::from_secs(60).as_secs_f64() * calls;
    ensure!(seconds > 0.0 && seconds < most, "{name}: {calls} calls took {seconds} s");
    Ok(())
}
