//! The program as its own compiler: a child that turns one component into machine code, under limits.
//!
//! For the gateway, not for people: it is no subcommand, and stands in no help.

use std::{
    env,
    ffi::OsString,
    io::{self, BufWriter},
    path::{Path, PathBuf},
    process::ExitCode,
};
use tengen_engine::{COMPILE, compile_as_child};

/// Compiles, if that is what the arguments ask for; their first word is the program's name. To be called before
/// anything else, while the process has one thread: the limits are on all of it.
pub fn compile(arguments: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut arguments = arguments.into_iter().skip(1);
    if arguments.next()? != COMPILE {
        return None;
    }
    let output = BufWriter::new(io::stdout());
    Some(compile_as_child(arguments, io::stdin(), output, io::stderr()).into())
}

/// This program's file, to be run as the compiler: by the system's own name for it, where there is one, for that leads
/// to the same program when its file has been replaced by another version.
pub fn program() -> io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if running.exists() { Ok(running.to_owned()) } else { env::current_exe() }
}
