//! What a component imports and exports, by name: what of it this gateway offers, and of which version it is.

use crate::{
    error::PluginError,
    guest::bindings::{PACKAGE, VERSION},
    text::plain,
};
use tengen_core::security;

/// Checks the names alone: what they say wrong is said better here than by the linker.
pub(super) fn check_names(imports: &[String], exports: &[String]) -> Result<(), PluginError> {
    for name in imports.iter().chain(exports) {
        if interface_of(name).is_some_and(|(_, version)| !is_of_our_track(version)) {
            return Err(PluginError::Version { wanted: shown(name), offered: VERSION });
        }
    }
    if !exports.iter().any(|export| interface_of(export).is_some_and(|(name, _)| name == "plugin"))
    {
        return Err(other_world(exports));
    }
    check_imports(imports)
}

/// Checks the names of imports: of which version they are, and whether they are offered.
pub(super) fn check_imports(imports: &[impl AsRef<str>]) -> Result<(), PluginError> {
    for name in imports.iter().map(AsRef::as_ref) {
        if interface_of(name).is_some_and(|(_, version)| !is_of_our_track(version)) {
            return Err(PluginError::Version { wanted: shown(name), offered: VERSION });
        }
        if let Some(why) = refusal(name) {
            let import = shown(name);
            tracing::warn!(name: security::IMPORT, import, "a component imports what it is not offered: {why}");
            return Err(PluginError::Import { name: import, why });
        }
    }
    Ok(())
}

/// What an import that is not offered is answered.
fn refusal(import: &str) -> Option<&'static str> {
    let name = import.split('@').next().unwrap_or(import);
    match name.split_once('/') {
        Some((
            "tengen:gateway",
            "types" | "signal-types" | "signals" | "config" | "key-value" | "outgoing"
            | "directory",
        )) => None,
        Some((
            "tengen:gateway",
            "plugin" | "handler" | "authenticator" | "telemetry-sink" | "snapshot",
        )) => Some("plugins export this interface, the gateway does not offer it"),
        Some(("tengen:gateway", _)) => Some(
            "this gateway does not offer it yet; `config`, `key-value`, `directory` and `signals` are offered",
        ),
        Some(("wasi:http", _)) => Some(
            "this gateway does not offer it: a handler asks servers by the effect `fetch`, an authenticator by `tengen:gateway/outgoing`",
        ),
        Some((package, _)) if package.starts_with("wasi:") && is_wasi_0_2(package, import) => None,
        Some((package, _)) if package.starts_with("wasi:") => Some(
            "of WASI this gateway offers version 0.2 (cli, clocks, filesystem, io, random, sockets), with nothing granted",
        ),
        _ => Some("this gateway knows no such interface"),
    }
}

fn is_wasi_0_2(package: &str, import: &str) -> bool {
    let offered =
        ["wasi:cli", "wasi:clocks", "wasi:filesystem", "wasi:io", "wasi:random", "wasi:sockets"];
    offered.contains(&package) && import.contains("@0.2.")
}

/// The interface and the version of a name in our package.
pub(super) fn interface_of(name: &str) -> Option<(&str, &str)> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.strip_prefix('/')?.split_once('@')?;
    Some((interface, version))
}

/// `0.1.7` fits `0.1.0`; `0.2.0` and `0.1.0-rc` do not.
fn is_of_our_track(version: &str) -> bool {
    let track = |version: &str| version.rsplit_once('.').map(|(track, _)| track.to_owned());
    track(version) == track(VERSION) && !version.contains('-')
}

/// A name for a message: whoever made the component chose it, and its length.
fn shown(name: &str) -> String {
    plain(name, 128)
}

pub(super) fn other_world(exports: &[String]) -> PluginError {
    PluginError::OtherWorld { exports: listed(exports), offered: VERSION }
}

pub(super) fn listed(exports: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut shown =
        exports.iter().take(SHOWN).map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>();
    match exports.len().saturating_sub(SHOWN) {
        0 if shown.is_empty() => return "nothing".into(),
        0 => {}
        more => shown.push(format!("{more} more")),
    }
    plain(&shown.join(", "), 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(import: &str, expected: Option<&str>) {
        let said = refusal(import);
        match expected {
            None => assert_eq!(said, None, "{import}"),
            Some(part) => {
                assert!(said.is_some_and(|said| said.contains(part)), "{import}: {said:?}")
            }
        }
    }

    #[test]
    fn imports_that_are_not_offered_are_refused_with_a_reason() {
        check("tengen:gateway/signals@0.1.0", None);
        check("wasi:io/streams@0.2.6", None);
        check("tengen:gateway/key-value@0.1.0", None);
        check("tengen:gateway/outgoing@0.1.0", None);
        check("tengen:gateway/directory@0.1.0", None);
        check("tengen:gateway/history@0.1.0", Some("yet"));
        check("wasi:http/outgoing-handler@0.2.6", Some("effect `fetch`"));
        check("wasi:cli/stdout@0.3.0", Some("version 0.2"));
        check("wasi:nn/graph@0.2.0", Some("version 0.2"));
        check("acme:db/store@1.0.0", Some("no such interface"));
        check("log", Some("no such interface"));
    }
}
