//! All that a gateway runs on, put together.

use crate::{
    channels::ChannelRule,
    endpoint::Endpoint,
    limits::{Limits, Outbox},
    plugins::{Plugin, Route},
    server::{Admin, Heartbeat, Server, Static},
    store::Store,
    telemetry::Telemetry,
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tengen_wire::{dialect::Dialect, id::PluginName};

/// The settings. What each part means stands with that part.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub server: Server,
    pub admin: Option<Admin>,
    pub heartbeat: Heartbeat,
    pub outbox: Outbox,
    pub limits: Limits,
    pub store: Store,
    pub endpoints: Vec<Arc<Endpoint>>,
    pub plugins: BTreeMap<PluginName, Plugin>,
    pub routes: Vec<Route>,
    pub channels: Vec<ChannelRule>,
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
            store: Store::default(),
            endpoints: [
                ("/ws", Dialect::Tengen),
                ("/chsk", Dialect::Sente),
                ("/raw", Dialect::Raw),
            ]
            .map(|(path, dialect)| Arc::new(Endpoint::new(path, dialect)))
            .to_vec(),
            plugins: BTreeMap::new(),
            routes: Vec::new(),
            channels: Vec::new(),
            telemetry: Telemetry::default(),
            statics: Vec::new(),
            plugin_folder: None,
            echo: true,
        }
    }
}
