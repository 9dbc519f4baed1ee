//! The `tengen` program: arguments to the command line, its outcome to an exit code.

use std::{
    env, fmt,
    io::{self, BufReader, Write},
    process::ExitCode,
    thread,
    time::Duration,
};
use tengen::{
    cli::{self, Exit, Io},
    plugin::Compiler,
    telemetry::log,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The allocator keeps what was freed for so long, in case it is wanted again.
const KEPT: Duration = Duration::from_secs(1);

#[expect(
    unsafe_code,
    reason = "a function of the allocator that its crate does not offer by default"
)]
// SAFETY: it is `void mi_collect(bool force)` of the library that `ALLOCATOR` links, and any thread may call it at any time.
unsafe extern "C" {
    safe fn mi_collect(force: bool);
}

/// How long work that cannot be cancelled may hold up the end.
const LAST_WORK: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    if let Some(exit) = cli::compile(env::args_os()) {
        return exit;
    }
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
/// own, which goes with the process.
fn give_back() {
    loop {
        thread::sleep(KEPT);
        mi_collect(false);
    }
}

fn failed(why: fmt::Arguments<'_>) -> ExitCode {
    let said = writeln!(io::stderr(), "error: {why}");
    if said.is_ok() { Exit::Failed.into() } else { ExitCode::FAILURE }
}
