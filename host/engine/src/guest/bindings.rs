//! The Rust face of `wit/`: every interface that a plugin may import from this gateway or export to it.
//!
//! Two worlds hold them all; a plugin's roles are the interfaces that it exports, so each is looked up by itself.

wasmtime::component::bindgen!({
    path: "../../wit",
    inline: "
        package tengen:host;
        world everything {
            import tengen:gateway/signals@0.1.0;
            import tengen:gateway/config@0.1.0;
            import tengen:gateway/key-value@0.1.0;
            import tengen:gateway/outgoing@0.1.0;
            import tengen:gateway/directory@0.1.0;
            export tengen:gateway/plugin@0.1.0;
            export tengen:gateway/authenticator@0.1.0;
            export tengen:gateway/telemetry-sink@0.1.0;
            export tengen:gateway/snapshot@0.1.0;
        }
    ",
    world: "tengen:host/everything",
    imports: {
        "tengen:gateway/outgoing.fetch": async | trappable,
        default: trappable,
    },
    exports: { default: async },
});

/// The one interface that is called for every event: its records lend what they say instead of copying it.
pub mod handling {
    wasmtime::component::bindgen!({
        path: "../../wit",
        inline: "
            package tengen:host;
            world handling {
                export tengen:gateway/handler@0.1.0;
            }
        ",
        world: "tengen:host/handling",
        exports: { default: async },
        ownership: Borrowing { duplicate_if_necessary: true },
    });

    pub use exports::tengen::gateway::handler;
    pub use tengen::gateway::types;
}

pub use exports::tengen::gateway::{authenticator, plugin, snapshot, telemetry_sink};
pub use tengen::gateway::{config, directory, key_value, outgoing, signal_types, signals, types};

/// The package that plugins are built against.
pub const PACKAGE: &str = "tengen:gateway";
/// Its version here. Components of the same track (`0.1`) fit.
pub const VERSION: &str = "0.1.0";
