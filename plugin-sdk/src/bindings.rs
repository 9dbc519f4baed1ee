//! What wit-bindgen generates from `wit/`: one role per module, so that a plugin exports just the roles it has.
//!
//! All roles share the types of `plugin_role`. Imports that a plugin does not call do not end up in its component.

pub mod plugin_role {
    wit_bindgen::generate!({
        inline: "
            package tengen:sdk-plugin;
            world plugin-role {
                import tengen:gateway/types@0.1.0;
                import tengen:gateway/signal-types@0.1.0;
                import tengen:gateway/signals@0.1.0;
                import tengen:gateway/config@0.1.0;
                import tengen:gateway/key-value@0.1.0;
                import tengen:gateway/outgoing@0.1.0;
                import tengen:gateway/directory@0.1.0;
                export tengen:gateway/plugin@0.1.0;
            }
        ",
        path: "../wit",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_plugin",
        default_bindings_module: "tengen_plugin::__private::plugin_role",
    });
}

pub mod handler_role {
    wit_bindgen::generate!({
        inline: "
            package tengen:sdk-handler;
            world handler-role { export tengen:gateway/handler@0.1.0; }
        ",
        path: "../wit",
        with: { "tengen:gateway/types@0.1.0": crate::bindings::plugin_role::tengen::gateway::types },
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_handler",
        default_bindings_module: "tengen_plugin::__private::handler_role",
    });
}

pub mod snapshot_role {
    wit_bindgen::generate!({
        inline: "
            package tengen:sdk-snapshot;
            world snapshot-role { export tengen:gateway/snapshot@0.1.0; }
        ",
        path: "../wit",
        generate_all,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_snapshot",
        default_bindings_module: "tengen_plugin::__private::snapshot_role",
    });
}

pub mod authenticator_role {
    wit_bindgen::generate!({
        inline: "
            package tengen:sdk-authenticator;
            world authenticator-role { export tengen:gateway/authenticator@0.1.0; }
        ",
        path: "../wit",
        with: { "tengen:gateway/types@0.1.0": crate::bindings::plugin_role::tengen::gateway::types },
        generate_all,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_authenticator",
        default_bindings_module: "tengen_plugin::__private::authenticator_role",
    });
}

pub mod sink_role {
    wit_bindgen::generate!({
        inline: "
            package tengen:sdk-sink;
            world sink-role { export tengen:gateway/telemetry-sink@0.1.0; }
        ",
        path: "../wit",
        with: { "tengen:gateway/signal-types@0.1.0": crate::bindings::plugin_role::tengen::gateway::signal_types },
        generate_all,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_sink",
        default_bindings_module: "tengen_plugin::__private::sink_role",
    });
}
