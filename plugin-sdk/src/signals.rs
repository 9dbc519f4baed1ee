//! What a plugin has to say about itself: log records, counters and histograms.
//!
//! Use the macros: they ask first whether anybody listens, and format only then.
//!
//! ```
//! let (room, members) = ("tea", 3);
//! tengen_plugin::info!("chat/joined", room = room, members = members; "somebody came into {room}");
//! tengen_plugin::warn!("chat/full"; "no seats are left");
//! ```

use crate::Attribute;

pub use crate::bindings::plugin_role::tengen::gateway::signal_types::{Level, Value};

/// Whether a signal of this level and id would go anywhere.
pub fn enabled(level: Level, id: &str) -> bool {
    target::enabled(level, id)
}

/// Sends a log record. A text that comes last and is called `location` is the place in the plugin's source that says this;
/// the macros name it.
pub fn emit(level: Level, id: &str, message: &str, data: &[(String, Value)]) {
    target::emit(level, id, message, data);
}

/// The place in the source that a macro stands at, as the last of a record's facts.
#[doc(hidden)]
pub fn place(place: &str) -> (String, Value) {
    ("location".to_owned(), place.into())
}

/// Adds to a counter. Attributes make series: keep their values few.
pub fn count(counter: &str, by: u32, attributes: &[(&str, &str)]) {
    target::add(counter, by, &attributes_of(attributes));
}

/// Adds a measured value to a histogram. Attributes make series: keep their values few.
pub fn observe(histogram: &str, value: f64, attributes: &[(&str, &str)]) {
    target::observe(histogram, value, &attributes_of(attributes));
}

fn attributes_of(pairs: &[(&str, &str)]) -> Vec<Attribute> {
    pairs
        .iter()
        .map(|&(key, value)| Attribute { key: key.to_owned(), value: value.to_owned() })
        .collect()
}

/// Lets a panic say why before it becomes a trap, which has no words.
pub(crate) fn report_panics() {
    #[cfg(target_family = "wasm")]
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(|at| place(&format!("{}:{}", at.file(), at.line())));
        emit(Level::Fatal, "plugin/panicked", &panic.to_string(), at.as_slice());
    }));
}

#[cfg(target_family = "wasm")]
mod target {
    pub(super) use crate::bindings::plugin_role::tengen::gateway::signals::{
        add, emit, enabled, observe,
    };
}

/// Outside of a gateway nobody listens.
#[cfg(not(target_family = "wasm"))]
mod target {
    use super::{Attribute, Level, Value};

    pub(super) fn enabled(_: Level, _: &str) -> bool {
        false
    }

    pub(super) fn emit(_: Level, _: &str, _: &str, _: &[(String, Value)]) {}

    pub(super) fn add(_: &str, _: u32, _: &[Attribute]) {}

    pub(super) fn observe(_: &str, _: f64, _: &[Attribute]) {}
}

macro_rules! values {
    ($($from:ty => $value:ident => $variant:ident($into:expr);)*) => {
        $(impl From<$from> for Value {
            fn from($value: $from) -> Self {
                Self::$variant($into)
            }
        })*
    };
}

values! {
    &str => text => Text(text.to_owned());
    &String => text => Text(text.clone());
    String => text => Text(text);
    i32 => number => Integer(number.into());
    u32 => number => Integer(number.into());
    i64 => number => Integer(number);
    f64 => number => Float(number);
    bool => truth => Boolean(truth);
    Vec<u8> => bytes => Bytes(bytes);
}

/// Sends a log record of a level: `signal!(Level::Info, "chat/joined", room = room; "{name} joined")`.
#[macro_export]
macro_rules! signal {
    ($level:expr, $id:expr $(, $key:ident = $value:expr)* ; $($message:tt)+) => {{
        let (level, id) = ($level, $id);
        if $crate::signals::enabled(level, id) {
            $crate::signals::emit(level, id, &::std::format!($($message)+), &[
                $((::std::stringify!($key).to_owned(), $crate::signals::Value::from($value)),)*
                $crate::signals::place(::std::concat!(::std::file!(), ":", ::std::line!())),
            ]);
        }
    }};
}

/// Sends a log record for those who look very closely.
#[macro_export]
macro_rules! trace { ($($rest:tt)+) => { $crate::signal!($crate::signals::Level::Trace, $($rest)+) }; }

/// Sends a log record for those who look for a mistake.
#[macro_export]
macro_rules! debug { ($($rest:tt)+) => { $crate::signal!($crate::signals::Level::Debug, $($rest)+) }; }

/// Sends a log record about the ordinary course of things.
#[macro_export]
macro_rules! info { ($($rest:tt)+) => { $crate::signal!($crate::signals::Level::Info, $($rest)+) }; }

/// Sends a log record about what somebody should look at.
#[macro_export]
macro_rules! warn { ($($rest:tt)+) => { $crate::signal!($crate::signals::Level::Warn, $($rest)+) }; }

/// Sends a log record about what went wrong.
#[macro_export]
macro_rules! error { ($($rest:tt)+) => { $crate::signal!($crate::signals::Level::Error, $($rest)+) }; }
