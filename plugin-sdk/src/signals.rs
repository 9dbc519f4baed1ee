//! What a plugin has to say about itself: signals, counters and histograms.
//!
//! Use the macros: they ask first whether anybody listens, and format only then.
//!
//! ```
//! # use std::io;
//! let (room, members, why) = ("tea", 3, io::Error::other("no seat"));
//! tengen_plugin::info!("chat/joined", room = room, members = members; "somebody came into {room}");
//! tengen_plugin::error!("chat/refused", error: &why, room = room; "nobody can come in");
//! tengen_plugin::debug!("free text about {room}");
//! ```
//!
//! A signal bears by itself where in the source it was said, the event in hand with its trace, its connection and its user,
//! and the work that it is a part of: what [`timed`] was given, or a [`Timed`].

use crate::Attribute;
use std::{cell::Cell, error::Error, panic::Location};

pub use crate::bindings::plugin_role::tengen::gateway::{
    signal_types::{Level, Value},
    signals::Said,
};
pub use timed::{Timed, timed};

mod timed;

thread_local! {
    /// The event in hand.
    static EVENT: Cell<Option<u32>> = const { Cell::new(None) };
}

/// Whether a signal of this level and id would go anywhere.
pub fn enabled(level: Level, id: &str) -> bool {
    target::enabled(level, id)
}

/// Sends a signal with a level, an id, a sentence and facts; [`say`] sends one with more.
#[track_caller]
pub fn emit(level: Level, id: &str, message: &str, data: &[(String, Value)]) {
    say(Said { message: message.to_owned(), data: data.to_vec(), ..said(level, id) });
}

/// A signal with nothing but this, and the caller's place in the source.
#[track_caller]
pub fn said(level: Level, id: &str) -> Said {
    Said {
        level,
        id: (!id.is_empty()).then(|| id.to_owned()),
        message: String::new(),
        data: Vec::new(),
        error: Vec::new(),
        location: Some(place(Location::caller())),
        parent: None,
        took_ms: None,
        by: None,
        more: Vec::new(),
    }
}

/// Sends a signal. It gets the event in hand, and the timed work that it is a part of, where it does not name others.
pub fn say(mut what: Said) {
    what.by = what.by.or_else(|| EVENT.get());
    what.parent = what.parent.or_else(timed::parent);
    target::say(&what);
}

/// An error and its causes, from the nearest to the first, as a signal has them.
pub fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    let causes = std::iter::successors(error.source(), |&error| error.source());
    std::iter::once(error.to_string()).chain(causes.map(ToString::to_string)).collect()
}

fn place(at: &Location<'_>) -> String {
    format!("{}:{}", at.file(), at.line())
}

/// While this works, what is said is about this event of the call.
pub(crate) fn about<T>(event: u32, work: impl FnOnce() -> T) -> T {
    EVENT.set(Some(event));
    let done = work();
    EVENT.set(None);
    done
}

/// Adds to a counter. Attributes make series: keep their values few.
pub fn count(counter: &str, by: u32, attributes: &[(&str, &str)]) {
    target::add(counter, by, &attributes_of(attributes));
}

/// Adds a measured value to a histogram. Attributes make series: keep their values few.
pub fn observe(histogram: &str, value: f64, attributes: &[(&str, &str)]) {
    target::observe(histogram, value, &attributes_of(attributes));
}

/// Sets a gauge: a value that goes up and down. Attributes make series: keep their values few.
pub fn gauge(gauge: &str, value: f64, attributes: &[(&str, &str)]) {
    target::set_gauge(gauge, value, &attributes_of(attributes));
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
        let location = panic.location().map(place);
        let message = panic.to_string();
        say(Said { location, message, ..said(Level::Fatal, "plugin/panicked") });
    }));
}

#[cfg(target_family = "wasm")]
mod target {
    pub(super) use crate::bindings::plugin_role::tengen::gateway::signals::{
        add, elapsed_ms, enabled, observe, say, set_gauge,
    };
}

/// Outside of a gateway nobody listens but a test that says so.
#[cfg(not(target_family = "wasm"))]
pub(crate) mod target {
    use super::{Attribute, Level, Said};
    use std::{cell::RefCell, time::Instant};

    thread_local! {
        /// What was said since a test listens.
        pub(crate) static HEARD: RefCell<Option<Vec<Said>>> = const { RefCell::new(None) };
        static BEGAN: Instant = Instant::now();
    }

    pub(super) fn enabled(_: Level, _: &str) -> bool {
        HEARD.with_borrow(Option::is_some)
    }

    pub(super) fn say(what: &Said) {
        HEARD.with_borrow_mut(|heard| heard.iter_mut().for_each(|heard| heard.push(what.clone())));
    }

    pub(super) fn elapsed_ms() -> f64 {
        BEGAN.with(|began| began.elapsed().as_secs_f64() * 1e3)
    }

    pub(super) fn add(_: &str, _: u32, _: &[Attribute]) {}

    pub(super) fn observe(_: &str, _: f64, _: &[Attribute]) {}

    pub(super) fn set_gauge(_: &str, _: f64, _: &[Attribute]) {}
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
    f64 => number => Number(number);
    bool => truth => Boolean(truth);
    Vec<u8> => bytes => Bytes(bytes);
}

/// Sends a signal of a level: `signal!(Level::Info, "chat/joined", room = room; "{name} joined")`, with an error after the id
/// where there is one (`error: &why`), or free text alone: `signal!(Level::Info, "{name} joined")`.
#[macro_export]
macro_rules! signal {
    ($level:expr, $id:expr, error: $error:expr $(, $key:ident = $value:expr)* ; $($message:tt)+) => {
        $crate::__signal!($level, $id, $crate::signals::causes($error), [$($key = $value),*], $($message)+)
    };
    ($level:expr, $id:expr $(, $key:ident = $value:expr)* ; $($message:tt)+) => {
        $crate::__signal!($level, $id, ::std::vec::Vec::new(), [$($key = $value),*], $($message)+)
    };
    ($level:expr, $($message:tt)+) => {
        $crate::__signal!($level, "", ::std::vec::Vec::new(), [], $($message)+)
    };
}

/// What [`signal!`] comes to.
#[doc(hidden)]
#[macro_export]
macro_rules! __signal {
    ($level:expr, $id:expr, $error:expr, [$($key:ident = $value:expr),*], $($message:tt)+) => {{
        let (level, id) = ($level, $id);
        if $crate::signals::enabled(level, id) {
            $crate::signals::say($crate::signals::Said {
                message: ::std::format!($($message)+),
                data: ::std::vec![
                    $((::std::stringify!($key).to_owned(), $crate::signals::Value::from($value)),)*
                ],
                error: $error,
                ..$crate::signals::said(level, id)
            });
        }
    }};
}

/// Sends a signal for those who look very closely.
#[macro_export]
macro_rules! trace { ($($rest:tt)+) => { $crate::signal!($crate::signals::Level::Trace, $($rest)+) }; }

/// Sends a signal for those who look for a mistake.
#[macro_export]
macro_rules! debug { ($($rest:tt)+) => { $crate::signal!($crate::signals::Level::Debug, $($rest)+) }; }

/// Sends a signal about the ordinary course of things.
#[macro_export]
macro_rules! info { ($($rest:tt)+) => { $crate::signal!($crate::signals::Level::Info, $($rest)+) }; }

/// Sends a signal about what somebody should look at.
#[macro_export]
macro_rules! warn { ($($rest:tt)+) => { $crate::signal!($crate::signals::Level::Warn, $($rest)+) }; }

/// Sends a signal about what went wrong.
#[macro_export]
macro_rules! error { ($($rest:tt)+) => { $crate::signal!($crate::signals::Level::Error, $($rest)+) }; }

/// Sends a signal about what cannot go on.
#[macro_export]
macro_rules! fatal { ($($rest:tt)+) => { $crate::signal!($crate::signals::Level::Fatal, $($rest)+) }; }

#[cfg(test)]
mod tests;
