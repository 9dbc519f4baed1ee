//! What is known of a call that broke: why, in which functions, and what the guest wrote itself.

use super::{
    Bounded, FRAMES, NAMELESS, REASON, SHOWN,
    dwarf::{Found, Place},
    holds, is_of_a_library, name, places,
};
use crate::text::plain;
use std::fmt::{self, Write as _};
use wasmtime::WasmBacktrace;

/// What is shown of where it was, in bytes.
const PLACES: usize = 2048;
/// What is shown of a file's name, in bytes: its end.
const FILE: usize = 96;
/// How wasmtime begins what it says of a trap.
const TRAP: &str = "wasm trap: ";
/// What is part of the names of files that no plugin's author has written: Rust's library, packages, zig's, and our SDK.
const ELSEWHERE: [&str; 6] = [
    "/rustc/",
    "/rustlib/",
    "/.cargo/registry/",
    "/.cargo/git/",
    "ziglang/lib/",
    "plugin-sdk/src/",
];

/// The story of one error.
#[derive(Debug, Default)]
pub(crate) struct Story {
    /// One clause, plain and bounded.
    pub(crate) reason: String,
    /// The guest's own word for it, where it gave one: the message of a panic, and its place.
    pub(crate) panic: Option<String>,
    frames: Vec<Frame>,
    /// Whether there are frames that nobody looked at.
    deeper: bool,
    /// Why lines are missing, where there might be some.
    pub(super) unlocated: Option<&'static str>,
    /// What the guest wrote to standard error in that call, plain and bounded.
    pub(crate) wrote: String,
}

#[derive(Debug)]
struct Frame {
    name: String,
    /// Where in the component its code is.
    at: Option<u32>,
    located: Vec<Place>,
}

impl Story {
    /// That of an error of wasmtime's.
    pub(crate) fn of(error: &wasmtime::Error) -> Self {
        let trace = error.downcast_ref::<WasmBacktrace>();
        let mut reason = Bounded::new(REASON);
        let levels = error.chain().filter(|level| trace.is_none_or(|trace| !holds(*level, trace)));
        for (place, level) in levels.enumerate() {
            let between = if place == 0 { "" } else { ": " };
            // It fails where there is no more room, and what fits is told.
            if write!(reason, "{between}{level}").is_err() {
                break;
            }
        }
        let frames = trace.map(WasmBacktrace::frames).unwrap_or_default();
        let frame =
            |frame| Frame { name: plain(&name(frame), SHOWN), at: at(frame), located: Vec::new() };
        Self {
            frames: frames.iter().take(FRAMES).map(frame).collect(),
            deeper: frames.len() > FRAMES,
            ..Self::because(&reason.text)
        }
    }

    /// One without a stack.
    pub(crate) fn because(reason: &str) -> Self {
        let reason = reason.strip_prefix(TRAP).unwrap_or(reason);
        Self { reason: plain(reason, REASON), ..Self::default() }
    }

    /// Where in the component its frames are.
    pub(crate) fn places(&self) -> impl Iterator<Item = u32> {
        self.frames.iter().filter_map(|frame| frame.at)
    }

    /// Takes what was found of its frames.
    pub(super) fn locate(&mut self, found: &Found) {
        for frame in &mut self.frames {
            let found = frame.at.and_then(|at| found.get(&at));
            frame.located = found.cloned().unwrap_or_else(|| std::mem::take(&mut frame.located));
        }
    }

    /// `, in a (src/lib.rs:3) < b; through core::x`, and what the guest wrote.
    pub(crate) fn told(&self) -> String {
        let frames = self.frames.iter().flat_map(Frame::told);
        let mut told = plain(&places(frames, self.deeper), PLACES);
        if let Some(why) = self.unlocated {
            told.push_str("; without lines, as ");
            told.push_str(why);
        }
        if !self.wrote.is_empty() {
            told.push_str("; it wrote: ");
            told.push_str(&self.wrote);
        }
        told
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.reason, self.told())
    }
}

fn at(frame: &wasmtime::FrameInfo) -> Option<u32> {
    u32::try_from(frame.module_offset()?).ok()
}

impl Frame {
    /// Its functions, the innermost first: several where the compiler made one of them. And whether each is of a library.
    fn told(&self) -> Vec<(String, bool)> {
        if self.located.is_empty() {
            return vec![(self.name.clone(), is_of_a_library(&self.name))];
        }
        let last = self.located.len() - 1;
        self.located.iter().enumerate().map(|(at, place)| self.placed(place, at == last)).collect()
    }

    fn placed(&self, place: &Place, is_outermost: bool) -> (String, bool) {
        let function = place.function.as_deref().map(|name| plain(name, SHOWN));
        // The component's own name for it has its module before it.
        let is_named = !self.name.starts_with(NAMELESS);
        let name = match function {
            Some(name) if !(is_outermost && is_named) => name,
            None if !is_outermost => "a function".to_owned(),
            _ => self.name.clone(),
        };
        let file = place.file.as_deref().unwrap_or_default();
        let is_elsewhere = ELSEWHERE.iter().any(|part| file.contains(part));
        match place.line {
            _ if is_elsewhere || is_of_a_library(&name) => (name, true),
            _ if file.is_empty() => (name, false),
            Some(line) => (format!("{name} ({}:{line})", shortened(file)), false),
            None => (format!("{name} ({})", shortened(file)), false),
        }
    }
}

/// The end of a file's name: what is cut off is the way there.
fn shortened(file: &str) -> String {
    let file = plain(file, 2 * FILE);
    match file.len() > FILE {
        true => {
            let from = file.ceil_char_boundary(file.len() - FILE);
            format!("…{}", file.get(from..).unwrap_or_default())
        }
        false => file,
    }
}
