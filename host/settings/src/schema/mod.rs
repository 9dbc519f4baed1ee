//! How a key of the configuration file is declared: once, beside the setting that it sets.
//!
//! A struct of settings is written inside [`settings!`], each field with its text, its type, how it is written in a file,
//! and what it is where the file says nothing:
//!
//! ```text
//! settings! {
//!     /// What waits to be written to one connection.
//!     #[derive(Debug, Clone, PartialEq, Eq)]
//!     pub struct Outbox {
//!         /// most events that wait
//!         events: NonZeroUsize = count().within(1..=9000).or(at_least_one(1000));
//!     }
//! }
//! ```
//!
//! From that come the struct, its defaults, its reader with every mistake, the words for a key that is mistyped, the
//! README's table, `tengen config default`, and what a reload says of a change. To add a key is to add such a line, and to
//! use the field.
//!
//! - The text is the field's documentation up to its first empty line, without a dot at its end; what follows is for
//!   programmers alone.
//! - [`Kind`]s (`kind.rs`) say how a value is written: `count()`, `size()`, `duration()`, `words([…])`, or a `Kind` of the
//!   module's own. `.list()` and `.within(…)` make one of another.
//! - A kind becomes a [`Key`] (`key.rs`) by what holds without the key: `.or(value)`; `.absent(example)`, a field that is an
//!   `Option`; `.unsaid(value)`, the same where somebody else decides, and this is what it comes to;
//!   `.required(placeholder, example, remedy)`. `.at_once()` says that a change needs neither a restart nor a reload, and
//!   `.by_hand()` that the module's own code reads the key, after the others (`then`).
//! - A field may be a table of its own: `table()`, or `table_if_there()` for an `Option`.
//! - `also { … }` has keys without a field, `later […]` those that the file format has and this version does not carry out:
//!   they are refused, for a setting that is silently ignored is a lie. `in name { … }` has fields of this struct that stand
//!   in a table below it.
//! - `then f;` names what checks the struct as a whole.
//!
//! A new table of the file is a struct and its lines in `config/root.rs`.

pub(crate) mod document;
mod environment;
pub(crate) mod key;
pub(crate) mod kind;
pub(crate) mod mistakes;
pub(crate) mod section;
pub(crate) mod table;
pub(crate) mod units;
pub(crate) mod value;

pub use environment::Variables;
pub(crate) use kind::Kind;

use section::{At, Changed, Path, Section};
use table::Table;

/// A struct of settings that a table of the file is read into. [`settings!`] makes it one.
pub(crate) trait Part: Sized {
    /// The settings of a table with nothing in it.
    fn usual() -> Self;

    /// Takes over what stands in the table; mistakes are noted there.
    fn read(&mut self, table: &Table<'_>);

    /// Adds its table, and those below.
    fn declare(at: &At, sections: &mut Vec<Section>);

    /// Adds the keys in which the new settings differ.
    fn compare(&self, new: &Self, path: &Path, changes: &mut Vec<Changed>);

    fn of(table: &Table<'_>) -> Self {
        let mut part = Self::usual();
        part.read(table);
        part
    }

    /// None: a key that must be there is not, or cannot be read.
    fn whole(table: &Table<'_>) -> Option<Self> {
        let part = Self::of(table);
        table.is_whole().then_some(part)
    }
}

/// What a field is declared with: a key, or a table.
pub(crate) trait Entry {
    type Of;

    fn usual(self) -> Self::Of;

    fn read(&self, name: &'static str, table: &Table<'_>, slot: &mut Self::Of);

    /// Adds a key to its section, or the sections of a table below it.
    fn declare(
        &self,
        name: &'static str,
        about: String,
        section: &mut Section,
        below: &mut Vec<Section>,
    );

    fn compare(
        &self,
        name: &'static str,
        values: (&Self::Of, &Self::Of),
        path: &Path,
        changes: &mut Vec<Changed>,
    );
}

/// The entry of a field with this type.
pub(crate) fn field<T, E: Entry<Of = T>>(entry: E) -> E {
    entry
}

/// Declares a struct of settings and its keys, see the module's documentation.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        #[derive($($derive:ident),+)]
        pub struct $part:ident {
            $( $(#[doc = $text:literal])+ $field:ident: $type:ty = $entry:expr; )*
        }
        $( also { $( $(#[doc = $also_text:literal])+ $also:ident = $also_entry:expr; )* } )?
        $( later [$($later:literal),*] )?
        $(
            $(#[doc = $under_about:literal])+
            in $under:ident {
                $( $(#[doc = $under_text:literal])+ $under_field:ident: $under_type:ty = $under_entry:expr; )*
            }
            $( later [$($under_later:literal),*] )?
        )*
        $( then $check:path; )?
    ) => {
        $(#[doc = $about])+
        #[derive($($derive),+)]
        pub struct $part {
            $( $(#[doc = $text])+ pub $field: $type, )*
            $($( $(#[doc = $under_text])+ pub $under_field: $under_type, )*)*
        }

        impl $crate::schema::Part for $part {
            fn usual() -> Self {
                use $crate::schema::{Entry, field};
                Self {
                    $( $field: field::<$type, _>($entry).usual(), )*
                    $($( $under_field: field::<$under_type, _>($under_entry).usual(), )*)*
                }
            }

            fn read(&mut self, table: &$crate::schema::table::Table<'_>) {
                use $crate::schema::{Entry, field};
                $( field::<$type, _>($entry).read(stringify!($field), table, &mut self.$field); )*
                $($( $also_entry.read(stringify!($also), table, &mut $also_entry.usual()); )*)?
                $(
                    if let Some(table) = table.table(stringify!($under)) {
                        $( field::<$under_type, _>($under_entry).read(stringify!($under_field), &table, &mut self.$under_field); )*
                    }
                )*
                $( $check(self, table); )?
            }

            fn declare(
                at: &$crate::schema::section::At,
                sections: &mut Vec<$crate::schema::section::Section>,
            ) {
                use $crate::schema::{Entry, field, section::{Section, about}};
                let mut section = Section::new(at, about(&[$($about),+]), &[$($($later),*)?]);
                let mut below = Vec::new();
                $( field::<$type, _>($entry).declare(stringify!($field), about(&[$($text),+]), &mut section, &mut below); )*
                $($( $also_entry.declare(stringify!($also), about(&[$($also_text),+]), &mut section, &mut below); )*)?
                sections.push(section);
                sections.append(&mut below);
                $(
                    let at = at.below(stringify!($under));
                    let mut section = Section::new(&at, about(&[$($under_about),+]), &[$($($under_later),*)?]);
                    $( field::<$under_type, _>($under_entry).declare(stringify!($under_field), about(&[$($under_text),+]), &mut section, &mut below); )*
                    sections.push(section);
                )*
            }

            fn compare(
                &self,
                new: &Self,
                path: &$crate::schema::section::Path,
                changes: &mut Vec<$crate::schema::section::Changed>,
            ) {
                use $crate::schema::{Entry, field};
                $( field::<$type, _>($entry).compare(stringify!($field), (&self.$field, &new.$field), path, changes); )*
                $(
                    let path = &path.below(stringify!($under));
                    $( field::<$under_type, _>($under_entry).compare(stringify!($under_field), (&self.$under_field, &new.$under_field), path, changes); )*
                )*
            }
        }
    };
}
pub(crate) use settings;

/// Structs of settings that are whole without a file.
macro_rules! with_defaults {
    ($($part:ident),+) => {
        $(
            impl Default for $part {
                fn default() -> Self {
                    $crate::schema::Part::usual()
                }
            }
        )+
    };
}
pub(crate) use with_defaults;
