//! Who a connection belongs to: until when, on how many connections, and what an authenticator may say.

mod ending;
mod jwks;
mod names;
mod tabs;
mod verdicts;

use anyhow::Result;
use serde_json::Value;
use support::{client::Client, gateway, guests};
use tengen_settings::{Endpoint, Plugin, Settings};
use tengen_wire::dialect::Dialect;

/// One endpoint for each dialect, all of them behind the authenticator `auth`.
fn behind(auth: Plugin) -> Settings {
    let endpoints = [("/ws", Dialect::Tengen), ("/chsk", Dialect::Sente), ("/raw", Dialect::Raw)]
        .map(|(path, dialect)| {
            let mut endpoint = Endpoint::new(path, dialect);
            endpoint.authenticator = Some("auth".into());
            endpoint.into()
        });
    let mut settings = Settings { endpoints: endpoints.to_vec(), ..Settings::default() };
    settings.plugins.insert("auth".into(), auth);
    settings
}

/// An authenticator that says what the query tells it to.
fn says() -> Result<Plugin> {
    guests::plugin("authenticator_says")
}

/// The HTTP status of an upgrade: 101, or that of its refusal.
async fn status(gateway: &gateway::Running, path: &str) -> Result<u16> {
    let opened = Client::try_open(gateway.address(), path, &[]).await?;
    Ok(opened.map_or_else(|refused| refused.status, |_| 101))
}

fn stat(gateway: &gateway::Running, pointer: &str) -> Value {
    gateway.gateway.stats().pointer(pointer).cloned().unwrap_or_default()
}
