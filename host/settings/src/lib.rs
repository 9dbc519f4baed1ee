//! Checked settings: what the gateway runs on. `config` reads them from a file; nothing past it checks them again.

pub mod config;
mod endpoint;
pub mod file;
mod instances;
mod limits;
pub mod origin;
mod plugins;
mod server;
mod telemetry;

pub use crate::origin::{Origin, Origins};
pub use endpoint::{Endpoint, Traceparent};
pub use instances::Instances;
pub use limits::{Limits, Memory, Outbox, Rate, WhenFull};
pub use plugins::{Directory, Grants, Mode, OnFailure, Pattern, Plugin, Route};
pub use server::{Admin, Cache, Drain, Heartbeat, Secret, Server, Static};
pub use telemetry::{Otlp, Protocol, SinkPlugin, Telemetry};

use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf, sync::Arc};
use tengen_wire::{dialect::Dialect, id::PluginName};

#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub server: Server,
    pub admin: Option<Admin>,
    pub heartbeat: Heartbeat,
    pub outbox: Outbox,
    pub limits: Limits,
    pub endpoints: Vec<Arc<Endpoint>>,
    pub plugins: BTreeMap<PluginName, Plugin>,
    pub routes: Vec<Route>,
    pub telemetry: Telemetry,
    pub statics: Vec<Static>,
    /// A folder whose components are all plugins (`serve --plugins DIR`); everything is routed to what is in it.
    pub plugin_folder: Option<PathBuf>,
    /// Answer every event ourselves: what a gateway without plugins does.
    pub echo: bool,
}

impl Default for Settings {
    /// A gateway with nothing configured: ours on `/ws`, Sente in EDN on `/chsk`, raw frames on `/raw`, and the echo.
    fn default() -> Self {
        Self {
            server: Server::default(),
            admin: Some(Admin::default()),
            heartbeat: Heartbeat::default(),
            outbox: Outbox::default(),
            limits: Limits::default(),
            endpoints: [
                ("/ws", Dialect::Tengen),
                ("/chsk", Dialect::Sente),
                ("/raw", Dialect::Raw),
            ]
            .map(|(path, dialect)| Arc::new(Endpoint::new(path, dialect)))
            .to_vec(),
            plugins: BTreeMap::new(),
            routes: Vec::new(),
            telemetry: Telemetry::default(),
            statics: Vec::new(),
            plugin_folder: None,
            echo: true,
        }
    }
}

/// Defaults are written as numbers; zero is not one of them.
fn at_least_one(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}
