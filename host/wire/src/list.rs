//! Enumerations that know their members, so that each is written down once.

/// An enumeration with `ALL`: its members in their order.
macro_rules! listed {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$about:meta])* $member:ident,)+ }) => {
        $(#[$meta])*
        pub enum $name {
            $($(#[$about])* $member,)+
        }

        impl $name {
            /// All of them, in their order: each stands at its own number.
            pub const ALL: [Self; [$(stringify!($member)),+].len()] = [$(Self::$member),+];
        }
    };
}

pub(crate) use listed;
