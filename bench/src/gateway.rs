//! Configurations of the gateway under measurement: its defaults, free ports, and the plugins of the bench.

use std::path::Path;

/// What every configuration begins with. Nothing that changes what a message costs.
const HEAD: &str = "[server]\nlisten = \"127.0.0.1:0\"\n\n[admin]\nlisten = \"off\"\n";

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

/// An endpoint that lets in who has a token.
pub(crate) fn with_token_auth(file: &Path, secret: &str) -> String {
    let (head, file) = (plain(), file.display());
    format!(
        "{head}\n[plugin.token-auth]\nfile = '{file}'\nconfig = {{ secret = \"{secret}\", without-expiry = \"allow\" }}\n\n\
         [[endpoint]]\npath = \"/ws\"\nauthenticator = \"token-auth\"\n"
    )
}

/// Records a share of all traces and sends them to a collector.
pub(crate) fn traced(config: &str, collector: &str, share: f64) -> String {
    format!(
        "{config}\n[telemetry.otlp]\nendpoint = \"http://{collector}\"\nprotocol = \"http/protobuf\"\nsample = {share:?}\n"
    )
}
