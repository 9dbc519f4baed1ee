//! What went wrong in a guest, in one line: the reason first, then where it was, the plugin's own functions before those
//! of the libraries that it is built with.

use std::borrow::Cow;
use wasmtime::{FrameInfo, WasmBacktrace};

/// Functions that are named, of the plugin's own,
const OWN: usize = 8;
/// and of others.
const OTHERS: usize = 4;
/// Frames that are looked at; deeper ones are hardly ever read.
const FRAMES: usize = 64;
/// A longer name is not made readable: guests choose theirs.
const NAME: usize = 1024;

/// How names of functions begin that no plugin's author has written.
const LIBRARIES: [&str; 26] = [
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
];

/// The story of an error.
pub(super) fn told(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return format!("{error:#}") };
    // The stack is one of the error's levels, and is told behind the others in other words.
    let stack = trace.to_string();
    let levels = error.chain().map(ToString::to_string).filter(|level| *level != stack);
    let reason = levels.collect::<Vec<_>>().join(": ");
    let (looked_at, deeper) =
        trace.frames().split_at_checked(FRAMES).unwrap_or((trace.frames(), &[]));
    let names = looked_at.iter().map(name);
    format!("{reason}{}", places(names, deeper.len()))
}

/// A function's name as its author wrote it, where the component has names.
fn name(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) if name.len() <= NAME => format!("{:#}", rustc_demangle::demangle(name)),
        _ => format!("function {}", frame.func_index()),
    }
}

/// `, in a < b; through core::x < std::y and 3 more`: who called whom, the innermost first.
fn places(names: impl Iterator<Item = String>, deeper: usize) -> String {
    let (others, own): (Vec<_>, Vec<_>) = names.partition(|name| is_of_a_library(name));
    let mut text = String::new();
    let mut tell = |word: &str, names: &[String], most: usize, deeper: usize| {
        let shown: Vec<_> = names.iter().take(most).map(String::as_str).collect();
        let more = match names.len() - shown.len() + deeper {
            0 => Cow::Borrowed(""),
            more => Cow::Owned(format!(" and {more} more")),
        };
        if !shown.is_empty() {
            text.push_str(&format!("{word} {}{more}", shown.join(" < ")));
        }
    };
    match own.as_slice() {
        [] => tell(", in", &others, OTHERS, deeper),
        own => {
            tell(", in", own, OWN, 0);
            tell("; through", &others, OTHERS, deeper);
        }
    }
    text
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

    #[track_caller]
    fn check(names: &[&str], deeper: usize, expected: &str) {
        assert_eq!(places(names.iter().map(|&name| name.to_owned()), deeper), expected);
    }

    // Issue 10, 12.
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
        check(&panicked, 0, expected);
        check(&["core::x"], 0, ", in core::x");
        check(&["a::b", "c::d"], 3, ", in a::b < c::d");
        check(&["function 3"], 0, ", in function 3");
        check(&[], 0, "");
    }
}
