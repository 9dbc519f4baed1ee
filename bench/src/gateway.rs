//! Configurations of the gateway under measurement: its defaults, free ports, and the plugins of the bench.

use anyhow::Result;
use std::path::{Path, PathBuf};

/// What every configuration begins with. Nothing that changes what a message costs.
const HEAD: &str = "[server]\nlisten = \"127.0.0.1:0\"\n\n[admin]\nlisten = \"off\"\n\n[limits]\nconnections = 19000\n";

/// No plugin: the built-in echo.
pub(crate) fn plain() -> String {
    HEAD.to_owned()
}

/// Plugins by name and file; the first gets every event.
pub(crate) fn with_plugins(plugins: &[(&str, &Path)]) -> String {
    let mut config = plain();
    for (name, file) in plugins {
        let file = file.display();
        config += &format!("\n[plugin.{name}]\nfile = '{file}'\ngrant = {{ publish = [\"*\"] }}\n");
    }
    if let Some((name, _)) = plugins.first() {
        config += &format!("\n[[route]]\nevent = \"*\"\nplugin = \"{name}\"\n");
    }
    config
}

/// As [`with_plugins`], each frame being an event.
pub(crate) fn raw(plugins: &[(&str, &Path)]) -> String {
    format!("{}\n[[endpoint]]\npath = \"/ws\"\ndialect = \"raw\"\n", with_plugins(plugins))
}

/// An endpoint that lets in who has a token.
pub(crate) fn with_token_auth(file: &Path, secret: &str) -> String {
    let (head, plugin) = (plain(), token_auth(file, secret));
    format!("{head}{plugin}\n[[endpoint]]\npath = \"/ws\"\nauthenticator = \"token-auth\"\n")
}

/// All four plugins that are shipped, each with what it needs.
pub(crate) fn with_all(
    guest: impl Fn(&str) -> Result<PathBuf>,
    secret: &str,
    logs: &Path,
) -> Result<String> {
    let handlers = with_plugins(&[("chat", &guest("chat")?), ("echo", &guest("echo")?)]);
    let token_auth = token_auth(&guest("token-auth")?, secret);
    let (sink, logs) = (guest("log-sink")?, logs.display());
    Ok(format!(
        "{handlers}{token_auth}\n[[endpoint]]\npath = \"/ws\"\nauthenticator = \"token-auth\"\n\n\
         [plugin.log-sink]\nfile = '{}'\n\
         grant = {{ dirs = [{{ host = '{logs}', guest = \"/logs\", writable = true }}] }}\n\n\
         [[sink]]\nkind = \"plugin\"\nplugin = \"log-sink\"\n",
        sink.display()
    ))
}

fn token_auth(file: &Path, secret: &str) -> String {
    let file = file.display();
    format!(
        "\n[plugin.token-auth]\nfile = '{file}'\nconfig = {{ secret = \"{secret}\", without-expiry = \"allow\" }}\n"
    )
}

/// Records a share of all traces and sends them to a collector.
pub(crate) fn traced(config: &str, collector: &str, share: f64) -> String {
    format!(
        "{config}\n[telemetry.otlp]\nendpoint = \"http://{collector}\"\nprotocol = \"http/protobuf\"\nsample = {share:?}\n"
    )
}
