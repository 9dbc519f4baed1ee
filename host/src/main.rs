//! The `tengen` program: arguments to the command line, its outcome to an exit code.

use std::{
    env, fmt,
    io::{self, BufReader, Write},
    process::ExitCode,
    time::Duration,
};
use tengen::{
    cli::{self, Exit, Io},
    plugin::Compiler,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

fn failed(why: fmt::Arguments<'_>) -> ExitCode {
    let said = writeln!(io::stderr(), "error: {why}");
    if said.is_ok() { Exit::Failed.into() } else { ExitCode::FAILURE }
}
