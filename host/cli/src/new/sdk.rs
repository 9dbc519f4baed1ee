//! The SDK for plugins in Rust, as it was when this program was built: so no registry has to have it.

macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../plugin-sdk/src/", $name)))),+]
    };
}

/// Its sources by their paths, but for its own tests.
pub(super) const FILES: &[(&str, &str)] = files![
    "authenticator.rs",
    "bindings.rs",
    "config.rs",
    "content.rs",
    "context.rs",
    "context/data.rs",
    "context/sent.rs",
    "context/stored.rs",
    "directory.rs",
    "export.rs",
    "fetch.rs",
    "handler.rs",
    "instance.rs",
    "kv.rs",
    "lib.rs",
    "plugin.rs",
    "signals.rs",
    "signals/timed.rs",
    "sink.rs",
    "snapshot.rs",
    "testing.rs",
];
