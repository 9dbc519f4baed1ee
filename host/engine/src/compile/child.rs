//! The child's side of compiling: limits on itself first, then a component in, machine code out.
//!
//! A process of its own: no threads, no environment, no files but its three pipes. What a component does to the
//! compiler ends with it.

use super::code::{Code, Fingerprint, NoCode, code_config};
use crate::space::Space;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    ffi::OsString,
    io::{self, Read, Write},
};

/// The child's exit code when the component is not good, and its error output says why.
pub(super) const REFUSED: u8 = 2;
/// The same for one of the asynchronous ABI.
pub(super) const REFUSED_ASYNC: u8 = 3;
/// What a child says that had no memory left and could still speak.
pub(super) const NO_MEMORY: &str = "no memory is left";
/// Open files: the three pipes, and what the system's library opens to know its processor.
const FILES: u64 = 16;
/// Address space beside the memory: what allocators only reserve, the program itself, its stack. Without room for its
/// stack a process crashes, where without memory it can still say so.
const RESERVED: u64 = 4 << 30;

/// Compiles the component of `input` to `output`, as a parent asks whose `arguments` are bytes of memory, seconds of
/// processor time, and `narrow` where memories are to lie close together. Returns the exit code; `errors` is told why.
///
/// To be called before any thread runs: it limits the whole process, for good.
pub fn compile_as_child(
    arguments: impl IntoIterator<Item = OsString>,
    input: impl Read,
    output: impl Write,
    mut errors: impl Write,
) -> u8 {
    let (code, why) = match compile(arguments, input, output) {
        Ok(()) => return 0,
        Err(Failure::Refused(text)) => (REFUSED, text),
        Err(Failure::Async(text)) => (REFUSED_ASYNC, text),
        Err(Failure::Memory) => (1, NO_MEMORY.to_owned()),
        Err(Failure::Other(text)) => (1, text),
    };
    // Nobody listens: the exit code says enough.
    writeln!(errors, "{why}").ok();
    code
}

enum Failure {
    Refused(String),
    Async(String),
    Memory,
    Other(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::OutOfMemory => Self::Memory,
            _ => Self::Other(error.to_string()),
        }
    }
}

fn compile(
    arguments: impl IntoIterator<Item = OsString>,
    mut input: impl Read,
    mut output: impl Write,
) -> Result<(), Failure> {
    let words: Vec<_> = arguments.into_iter().take(4).collect();
    let words: Vec<_> = words.iter().filter_map(|word| word.to_str()).collect();
    let (memory, seconds, space) = match words.as_slice() {
        [memory, seconds] => (memory, seconds, Space::Wide),
        [memory, seconds, Space::NARROW] => (memory, seconds, Space::Narrow),
        _ => return Err(not_for_people()),
    };
    let (Ok(memory), Ok(seconds)) = (memory.parse(), seconds.parse()) else {
        return Err(not_for_people());
    };
    limit(memory, seconds)?;
    let mut component = Vec::new();
    input.read_to_end(&mut component)?;
    let mut config = code_config(space);
    // One processor: the gateway needs the others, and how much memory is taken does not depend on the machine.
    config.parallel_compilation(false);
    let wasm =
        wasmtime::Engine::new(&config).map_err(|error| Failure::Other(format!("{error:#}")))?;
    let code = Code::compile(&wasm, &component).map_err(|why| match why {
        NoCode::Refused(text) => Failure::Refused(text),
        NoCode::Async(text) => Failure::Async(text),
        NoCode::Memory => Failure::Memory,
    })?;
    output.write_all(Fingerprint::of(&wasm).bytes())?;
    output.write_all(code.bytes())?;
    Ok(output.flush()?)
}

fn not_for_people() -> Failure {
    Failure::Other("not for people: the gateway calls this to compile".into())
}

fn limit(memory: u64, seconds: u64) -> io::Result<()> {
    set(Resource::Core, 0, 0)?;
    set(Resource::Fsize, 0, 0)?;
    set(Resource::Nofile, FILES, FILES)?;
    set(Resource::Data, memory, memory)?;
    let space = memory.saturating_add(RESERVED);
    set(Resource::As, space, space)?;
    // First a signal that tells why, then the end.
    set(Resource::Cpu, seconds, seconds.saturating_add(1))
}

/// Lowers a limit; one that is lower already stays.
fn set(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let bound = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let limit = Rlimit { current: Some(current.min(bound)), maximum: Some(maximum.min(bound)) };
    Ok(setrlimit(resource, limit)?)
}
