//! What went wrong in a guest, in one line: the reason first, then where it was, the plugin's own functions before those
//! of the libraries that it is built with.
//!
//! Guests choose the names of their functions, and a short name can stand for a text without end: manglings refer back to
//! themselves. So wasmtime is built without its own way to make them readable, its picture of the stack is never drawn,
//! and whatever is written here is cut while it is written.

mod dwarf;
pub(super) mod lines;
pub(super) mod story;

use std::{
    error::Error,
    fmt::{self, Write},
};
use story::Story;
use wasmtime::{FrameInfo, WasmBacktrace};

/// Functions that are named, of the plugin's own,
const OWN: usize = 8;
/// and of others.
const OTHERS: usize = 4;
/// Frames that are looked at; deeper ones are hardly ever read. An engine keeps one more, which tells that there are some.
pub(super) const FRAMES: usize = 24;
/// A longer name is not made readable, in bytes.
const NAME: usize = 1024;
/// How a function is called that has no name, before its number.
const NAMELESS: &str = "function ";
/// What is shown of a readable name, in bytes: the longest that people write are shorter.
const SHOWN: usize = 256;
/// What is told of the reason, in bytes.
const REASON: usize = 1024;

/// How names of functions begin that no plugin's author has written.
const LIBRARIES: [&str; 36] = [
    "std::",
    "core::",
    "alloc::",
    "hashbrown::",
    "dlmalloc::",
    "serde",
    "itoa::",
    "ryu::",
    "tengen_plugin::",
    "wit_bindgen::",
    "__rust",
    "__rdl",
    "__rg",
    "_rust",
    "rust_",
    "__wasi",
    "__wasm",
    "__stack",
    "__cabi",
    "cabi_",
    "_start",
    "abort",
    "dispose",
    "malloc",
    "realloc",
    "tengen:gateway/",
    // Go's, and those of interpreters.
    "runtime.",
    "internal/",
    "wit_component/wit_runtime.",
    "Py",
    "_Py",
    "pyo3::",
    "method_vectorcall",
    "cfunction_",
    "wit_dylib",
    "JS_",
];

/// The story of an error.
pub(super) fn told(error: &wasmtime::Error) -> String {
    Story::of(error).to_string()
}

/// Whether a level of an error is this stack. The levels do not show their types; but the one that holds the stack holds it
/// within itself.
fn holds(level: &(dyn Error + 'static), trace: &WasmBacktrace) -> bool {
    let start = std::ptr::from_ref(level).addr();
    let end = start + size_of_val(level);
    (start..end).contains(&std::ptr::from_ref(trace).addr())
}

/// A function's name as its author wrote it, where the component has names.
fn name(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) if name.len() <= NAME => readable(name),
        _ => format!("{NAMELESS}{}", frame.func_index()),
    }
}

/// The beginning of what a mangled name stands for. No more of it is made than is shown.
fn readable(name: &str) -> String {
    let mut shown = Bounded::new(SHOWN);
    // It fails where there is no more room, and what fits is shown.
    write!(shown, "{:#}", rustc_demangle::demangle(name)).ok();
    shown.text
}

/// Takes so many bytes of text and an ellipsis. More is an error, which ends whoever writes it.
struct Bounded {
    text: String,
    room: usize,
    is_cut: bool,
}

impl Bounded {
    fn new(room: usize) -> Self {
        Self { text: String::new(), room, is_cut: false }
    }
}

impl Write for Bounded {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if self.is_cut {
            return Err(fmt::Error);
        }
        let fits = more.get(..more.floor_char_boundary(self.room)).unwrap_or_default();
        self.text.push_str(fits);
        self.room -= fits.len();
        self.is_cut = fits.len() < more.len();
        if self.is_cut {
            self.text.push('…');
            return Err(fmt::Error);
        }
        Ok(())
    }
}

/// `, in a < b; through core::x < std::y and 3 more`: who called whom, the innermost first; each with whether it is of a
/// library. `deeper`: there are frames that nobody looked at.
fn places(names: impl Iterator<Item = (String, bool)>, deeper: bool) -> String {
    let (others, own): (Vec<_>, Vec<_>) = names.partition(|(_, is_of_a_library)| *is_of_a_library);
    let through = if own.is_empty() { ", in" } else { "; through" };
    let mut text = listed(", in", &own, OWN);
    text.push_str(&listed(through, &others, OTHERS));
    if deeper {
        text.push_str("; and more");
    }
    text
}

/// A word and the first of these names; nothing where there are none.
fn listed(word: &str, names: &[(String, bool)], most: usize) -> String {
    let shown: Vec<_> = names.iter().take(most).map(|(name, _)| name.as_str()).collect();
    match names.len() - shown.len() {
        _ if shown.is_empty() => String::new(),
        0 => format!("{word} {}", shown.join(" < ")),
        more => format!("{word} {} and {more} more", shown.join(" < ")),
    }
}

fn is_of_a_library(name: &str) -> bool {
    // `<chat::Chat as tengen_plugin::Handler>::message` is the chat's.
    let path = name.trim_start_matches(['<', '&', '[']);
    let path = path.strip_prefix("mut ").unwrap_or(path);
    LIBRARIES.iter().any(|library| path.starts_with(library))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::{Config, Engine, Instance, Module, Store};

    #[track_caller]
    fn check(names: &[&str], deeper: bool, expected: &str) {
        let named = names.iter().map(|&name| (name.to_owned(), is_of_a_library(name)));
        assert_eq!(places(named, deeper), expected);
    }

    #[test]
    fn a_plugins_own_functions_come_before_those_of_libraries() {
        let panicked = [
            "__rustc::rust_panic",
            "std::panicking::begin_panic_handler",
            "core::panicking::panic_fmt",
            "core::option::unwrap_failed",
            "<alloc::vec::Vec<T> as core::ops::index::Index<I>>::index",
            "chat::rooms::Rooms::join",
            "<chat::Chat as tengen_plugin::handler::Handler>::message",
            "tengen_plugin::handler::dispatch",
            "tengen:gateway/handler@0.1.0#handle",
        ];
        let expected = ", in chat::rooms::Rooms::join < <chat::Chat as tengen_plugin::handler::Handler>::message; through \
                        __rustc::rust_panic < std::panicking::begin_panic_handler < core::panicking::panic_fmt < \
                        core::option::unwrap_failed and 3 more";
        check(&panicked, false, expected);
        check(&["core::x"], false, ", in core::x");
        check(&["a::b", "c::d"], true, ", in a::b < c::d; and more");
        check(&["a::b", "core::x"], true, ", in a::b; through core::x; and more");
        check(&["function 3"], false, ", in function 3");
        check(&[], false, "");
    }

    /// `_RINvC1a1f(first)(second)…E`: `a::f` of pairs, each of them twice the pair before.
    fn doubling(pairs: usize) -> String {
        const DIGITS: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let mut name = "INvC1a1f".to_owned();
        let mut before = name.len();
        name.push_str("TjjE");
        for _ in 0..pairs {
            let [high, low] =
                [(before - 1) / 62, (before - 1) % 62].map(|it| char::from(DIGITS[it]));
            before = name.len();
            name.push_str(&format!("TB{high}{low}_B{high}{low}_E"));
        }
        format!("_R{name}E")
    }

    #[test]
    fn no_more_of_a_name_is_made_than_is_shown() {
        assert_eq!(
            readable(&doubling(1)),
            "a::f::<(usize, usize), ((usize, usize), (usize, usize))>"
        );
        let name = doubling(18);
        assert!(name.len() < 250, "{name}");
        let shown = readable(&name);
        assert!(shown.starts_with("a::f::<(usize, usize), ("), "{shown}");
        assert_eq!((shown.len(), shown.ends_with('…')), (SHOWN + '…'.len_utf8(), true), "{shown}");
        assert_eq!(readable("_ZN4chat4joinE"), "chat::join");
    }

    #[test]
    fn a_text_is_cut_between_characters_and_ends_who_writes_it() {
        let mut text = Bounded::new(4);
        write!(text, "abc").expect("it fits");
        assert!(write!(text, "üx").is_err() && write!(text, "y").is_err());
        assert_eq!(text.text, "abc…");
    }

    /// The error of a module's function `f`, which traps.
    fn trapped(text: &str) -> wasmtime::Error {
        let mut config = Config::new();
        config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(FRAMES + 1));
        let engine = Engine::new(&config).expect("an engine");
        let module = Module::new(&engine, wat::parse_str(text).expect("it parses")).expect("valid");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("instantiated");
        let f = instance.get_typed_func::<(), ()>(&mut store, "f").expect("exported");
        f.call(&mut store, ()).expect_err("it traps").context("at work")
    }

    #[test]
    fn the_stack_is_told_once_and_in_our_words() {
        let error = trapped("(module (func $_ZN4chat4joinE (export \"f\") unreachable))");
        let told = told(&error);
        assert!(
            told.starts_with("at work: wasm trap: ") && told.ends_with(", in chat::join"),
            "{told}"
        );
        assert!(!told.contains("backtrace"), "{told}");
    }

    #[test]
    fn wasmtime_itself_makes_no_name_readable() {
        let error = trapped("(module (func $_ZN4chat4joinE (export \"f\") unreachable))");
        let drawn = error.downcast_ref::<WasmBacktrace>().expect("its stack").to_string();
        assert!(drawn.contains("_ZN4chat4joinE") && !drawn.contains("chat::join"), "{drawn}");
    }

    #[test]
    fn of_a_deep_stack_the_innermost_is_told_and_that_there_is_more() {
        let deep = |calls: usize| {
            told(&trapped(&format!(
                "(module (global $left (mut i32) (i32.const {calls}))
                   (func $down (export \"f\")
                     (if (i32.eqz (global.get $left)) (then unreachable))
                     (global.set $left (i32.sub (global.get $left) (i32.const 1)))
                     (call $down)))"
            )))
        };
        let of_own = format!(", in {}", ["down"; OWN].join(" < "));
        let more = format!("{of_own} and {} more", FRAMES - OWN);
        assert!(deep(FRAMES - 1).ends_with(&more), "{}", deep(FRAMES - 1));
        assert!(deep(100).ends_with(&format!("{more}; and more")), "{}", deep(100));
    }
}
