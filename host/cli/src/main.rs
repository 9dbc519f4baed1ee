//! The `tengen` program: arguments to the command line, its outcome to an exit code.

use std::{
    env,
    ffi::{c_int, c_long},
    fmt,
    io::{self, BufReader, Write},
    process::ExitCode,
    thread,
    time::Duration,
};
use tengen::{self as cli, Exit, Io};
use tengen_engine::Compiler;
use tengen_telemetry::log;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The allocator keeps what was freed for so long, in case it is wanted again. A message of a megabyte lives for a few
/// milliseconds, and memory that comes fresh from the system is cleared page by page while others wait: with the allocator's
/// own 10 ms a neighbour of 300 peers with such messages waited three times as long, and with a second what is kept reached
/// half of `limits.memory` beside what is used.
const KEPT: Duration = Duration::from_millis(400);
/// How often what was freed is given back where nobody allocates.
const GIVES_BACK: Duration = Duration::from_secs(1);
/// At every so many times what was freed a moment ago goes as well.
const VISITS_ALL: u64 = 60;

/// `mi_option_purge_delay` of the library's `mi_option_t`, in milliseconds.
const PURGE_DELAY: c_int = 15;

#[expect(
    unsafe_code,
    reason = "functions of the allocator that its crate does not offer by default"
)]
// SAFETY: they are `void mi_collect(bool force)` and `void mi_option_set_default(mi_option_t option, long value)` of the
// library that `ALLOCATOR` links, with an enum of C for an option. Any thread may call them at any time; the library ignores
// an option that it does not know, and one that the environment has set stays as it is.
unsafe extern "C" {
    safe fn mi_collect(force: bool);
    safe fn mi_option_set_default(option: c_int, value: c_long);
}

/// How long work that cannot be cancelled may hold up the end.
const LAST_WORK: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    if let Some(exit) = cli::compile(env::args_os()) {
        return exit;
    }
    mi_option_set_default(PURGE_DELAY, c_long::try_from(KEPT.as_millis()).unwrap_or(c_long::MAX));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(format_args!("the runtime cannot start: {error}")),
    };
    let program = match cli::program() {
        Ok(program) => program,
        Err(error) => return failed(format_args!("this program's own file is not known: {error}")),
    };
    if let Err(error) = thread::Builder::new().name("memory".into()).spawn(give_back) {
        return failed(format_args!("a thread cannot start: {error}"));
    }
    log::take_panics();
    let io = Io {
        out: Box::new(io::stdout()),
        err: Box::new(io::stderr()),
        input: Box::new(BufReader::new(io::stdin())),
        env: Box::new(|name| env::var(name).ok()),
        compiler: Compiler::child(program),
    };
    let exit = runtime.block_on(cli::run(env::args_os(), io));
    runtime.shutdown_timeout(LAST_WORK);
    exit.into()
}

/// Gives back to the system what was freed and is not wanted again. The allocator does so by itself when somebody allocates
/// later; where nobody does, it would keep what a burst has left. It takes a while when it is much: so from a thread of its
/// own, which goes with the process. Each worker keeps a page of each size that it has used lately; nobody else may touch them.
///
/// The allocator has one date for all of its regions and one for each. What is freed in the moment in which it clears the
/// first sets only the second, and is seen by nobody who asks the first: so every so often all regions are visited, whatever
/// the date.
fn give_back() {
    for visit in 1_u64.. {
        thread::sleep(GIVES_BACK);
        mi_collect(visit.is_multiple_of(VISITS_ALL));
    }
}

fn failed(why: fmt::Arguments<'_>) -> ExitCode {
    let said = writeln!(io::stderr(), "error: {why}");
    if said.is_ok() { Exit::Failed.into() } else { ExitCode::FAILURE }
}
