//! The macro that makes a component out of a type and its roles.

/// Exports a type as a plugin: `export!(Chat: Handler, Snapshot)`.
///
/// The roles are the traits of this crate's root. Without `Plugin` among them (it comes first) the type starts by its
/// `Default`. The plugin's name and version are those of its package. Once per crate.
#[macro_export]
macro_rules! export {
    ($plugin:ty: Plugin $(, $role:ident)+ $(,)?) => {
        $crate::__export!($plugin; $($role),+);
    };
    ($plugin:ty: $($role:ident),+ $(,)?) => {
        impl $crate::Plugin for $plugin {
            fn start(_: $crate::StartReason) -> ::std::result::Result<Self, ::std::string::String> {
                ::std::result::Result::Ok(<Self as ::std::default::Default>::default())
            }
        }
        $crate::__export!($plugin; $($role),+);
    };
}

/// The part of [`export!`] that all plugins share. Off WebAssembly it only checks that the roles are there.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ty; $($role:ident),+) => {
        const _: () = {
            fn has_roles<T: $crate::Plugin $(+ $crate::$role)+>() {}
            let _ = has_roles::<$plugin>;
        };

        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code, reason = "the component's exports are raw functions")]
        const _: () = {
            use $crate::__private as sdk;

            struct Exported;

            ::std::thread_local! {
                static INSTANCE: sdk::Instance<$plugin> = const { sdk::Instance::new() };
            }

            impl sdk::plugin_role::exports::tengen::gateway::plugin::Guest for Exported {
                fn describe() -> $crate::Description {
                    #[allow(unused_mut, reason = "not every role adds to it")]
                    let mut description =
                        sdk::describe::<$plugin>(::std::env!("CARGO_PKG_NAME"), ::std::env!("CARGO_PKG_VERSION"));
                    $($crate::__describe!($role, $plugin, description);)+
                    description
                }

                fn start(reason: $crate::StartReason) -> ::std::result::Result<(), ::std::string::String> {
                    INSTANCE.with(|instance| instance.start(reason))
                }

                fn stop() {
                    INSTANCE.with(sdk::Instance::stop);
                }
            }

            sdk::export_plugin!(Exported with_types_in sdk::plugin_role);
            $($crate::__role!($role);)+
        };
    };
}

/// What a role adds to the plugin's description.
#[doc(hidden)]
#[macro_export]
macro_rules! __describe {
    (Snapshot, $plugin:ty, $description:ident) => {
        sdk::describe_snapshot::<$plugin>(&mut $description)
    };
    ($role:ident, $plugin:ty, $description:ident) => {};
}

/// The exports of one role; `sdk`, `Exported` and `INSTANCE` are those of [`__export!`].
#[doc(hidden)]
#[macro_export]
macro_rules! __role {
    (Handler) => {
        impl sdk::handler_role::exports::tengen::gateway::handler::Guest for Exported {
            fn handle(
                events: ::std::vec::Vec<$crate::Event>,
            ) -> ::std::result::Result<::std::vec::Vec<$crate::Decision>, ::std::string::String> {
                INSTANCE.with(|instance| instance.with(|plugin| sdk::dispatch(plugin, events)))
            }
        }
        sdk::export_handler!(Exported with_types_in sdk::handler_role);
    };
    (Authenticator) => {
        impl sdk::authenticator_role::exports::tengen::gateway::authenticator::Guest for Exported {
            fn authenticate(request: $crate::Upgrade) -> $crate::Verdict {
                INSTANCE.with(|instance| sdk::authenticate(instance, request))
            }
        }
        sdk::export_authenticator!(Exported with_types_in sdk::authenticator_role);
    };
    (Sink) => {
        impl sdk::sink_role::exports::tengen::gateway::telemetry_sink::Guest for Exported {
            fn deliver(
                signals: ::std::vec::Vec<$crate::Signal>,
                dropped_before: u32,
            ) -> ::std::result::Result<u32, $crate::Refusal> {
                let taken = INSTANCE
                    .with(|instance| instance.with(|plugin| $crate::Sink::deliver(plugin, signals, dropped_before)));
                taken.unwrap_or_else(|why| ::std::result::Result::Err($crate::Refusal::Fatal(why)))
            }

            fn flush() -> ::std::result::Result<(), ::std::string::String> {
                INSTANCE.with(|instance| instance.with($crate::Sink::flush))?
            }
        }
        sdk::export_sink!(Exported with_types_in sdk::sink_role);
    };
    (Snapshot) => {
        ::std::thread_local! {
            static HANDING: ::std::cell::RefCell<sdk::Handing> = ::std::default::Default::default();
        }

        impl sdk::snapshot_role::exports::tengen::gateway::snapshot::Guest for Exported {
            fn save(number: u32) -> ::std::result::Result<
                sdk::snapshot_role::exports::tengen::gateway::snapshot::Piece,
                ::std::string::String,
            > {
                INSTANCE.with(|instance| instance.with(|plugin| sdk::save(plugin, number)))?
            }

            fn load(
                piece: sdk::snapshot_role::exports::tengen::gateway::snapshot::Piece,
                place: sdk::snapshot_role::exports::tengen::gateway::snapshot::Place,
            ) -> ::std::result::Result<(), ::std::string::String> {
                HANDING.with_borrow_mut(|handing| {
                    INSTANCE
                        .with(|instance| instance.with(|plugin| sdk::load(plugin, handing, piece, &place)))?
                })
            }
        }
        sdk::export_snapshot!(Exported with_types_in sdk::snapshot_role);
    };
}
