//! A whole gateway in this process, on free ports.

use anyhow::Result;
use std::net::SocketAddr;
use tengen_server::gateway::{Drained, Gateway, Options};
use tengen_settings::{Mode, Pattern, Plugin, Route, Settings};

/// A running gateway; drained at the end of a test by [`Running::drain`].
#[derive(Debug)]
pub struct Running {
    pub gateway: Gateway,
}

/// Starts a gateway with these settings, on ports that the system chooses.
pub async fn start(settings: Settings) -> Result<Running> {
    start_with(settings, Options::default()).await
}

pub async fn start_with(mut settings: Settings, options: Options) -> Result<Running> {
    settings.server.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    if let Some(admin) = &mut settings.admin {
        admin.listen = SocketAddr::from(([127, 0, 0, 1], 0));
    }
    Ok(Running { gateway: Gateway::start(settings, options).await? })
}

impl Running {
    pub fn address(&self) -> SocketAddr {
        self.gateway.address()
    }

    pub async fn drain(self) -> Drained {
        self.gateway.drain().await
    }
}

/// Adds a plugin that gets every event.
pub fn route_everything(settings: &mut Settings, name: &str, plugin: Plugin) {
    settings.echo = false;
    settings.plugins.insert(name.into(), plugin);
    settings.routes.push(Route {
        event: Pattern("*".into()),
        plugin: name.into(),
        endpoint: None,
        mode: Mode::First,
    });
}
