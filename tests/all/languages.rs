//! The room example in every language: the same script, the same answers; and many large messages, none lost.
//!
//! Each component is built by `cargo xtask guests`. One whose tools are not on this machine is left out, and said.

mod broken;
mod load;
mod play;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::{collections::VecDeque, path::Path, time::Duration};
use support::{client::Client, gateway, guests, skip::skip};
use tengen_settings::{Cache, Grants, Pattern, Plugin, Settings};

/// The languages of `examples/room`, with what would bring each in.
const LANGUAGES: [(&str, &str); 5] = [
    ("rust", "run `cargo xtask guests`"),
    ("c", "`apt-get install python3-pip`, then run `cargo xtask guests`"),
    ("js", "`apt-get install nodejs npm`, then run `cargo xtask guests`"),
    ("python", "`apt-get install python3-pip`, then run `cargo xtask guests`"),
    ("go", "install Go 1.26 or newer, then run `cargo xtask guests`"),
];

/// Those whose component is there.
fn languages() -> Result<Vec<&'static str>> {
    let mut there = Vec::new();
    for (language, remedy) in LANGUAGES {
        let missing = format!("no component in {language}");
        if guests::path(&guest(language)).is_ok() {
            there.push(language);
        } else if language == "go" {
            // No package that a machine without Go could be told to install has a Go that is new enough.
            println!("the room in go: {missing}: {remedy}");
        } else {
            skip(&format!("the room in {language}"), &missing, remedy)?;
        }
    }
    Ok(there)
}

/// The name of a language's component.
fn guest(language: &str) -> String {
    format!("room_{language}")
}

/// A gateway whose one plugin is in this file, with default settings and the rooms granted.
async fn start(file: &Path) -> Result<gateway::Running> {
    let mut plugin = Plugin::new(file);
    plugin.grant = Grants { publish: vec![Pattern("room/*".into())], ..Grants::default() };
    let mut settings = Settings::default();
    // The first time, a component is compiled for longer than clients keep still.
    settings.heartbeat.ping_every = Duration::from_secs(1000);
    settings.heartbeat.give_up_after = Duration::from_secs(2000);
    // Kept from one test to the next, and from one run to the next: Python's takes half a minute in a test's build.
    let guests = guests::path(&guest("rust"))?;
    let target = guests.ancestors().nth(2).context("no target folder")?;
    settings.server.cache = Cache::Folder(target.join("guests-cache"));
    gateway::route_everything(&mut settings, "room", plugin);
    gateway::start(settings).await
}

/// What the gateway says of the plugin, under a key.
fn status(gateway: &gateway::Running, key: &str) -> Result<u64> {
    let plugins = gateway.gateway.plugins();
    plugins[0][key].as_u64().with_context(|| format!("no `{key}` in {plugins}"))
}

/// A client that takes what comes one thing at a time, however many of them came in a frame.
struct Player {
    client: Client,
    got: VecDeque<Value>,
}

impl Player {
    async fn connect(gateway: &gateway::Running) -> Result<Self> {
        let client = Client::json(gateway.address(), "/ws").await?;
        Ok(Self { client, got: VecDeque::new() })
    }

    /// The next event as `[ID, DATA]`, or reply as `["=", VALUE, CALLBACK]`.
    async fn next(&mut self) -> Result<Value> {
        loop {
            if let Some(next) = self.got.pop_front() {
                return Ok(next);
            }
            let frame = self.client.next_json().await?;
            match (&frame[0], &frame[1]) {
                (Value::Array(events), Value::Null) => self.got.extend(events.iter().cloned()),
                (value, callback) => self.got.push_back(json!(["=", value, callback])),
            }
        }
    }
}
