//! The `tengen` program: arguments to the command line, its outcome to an exit code.

use std::{
    env,
    io::{self, BufReader, Write},
    process::ExitCode,
    time::Duration,
};
use tengen::cli::{self, Exit, Io};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long work that cannot be cancelled may hold up the end.
const LAST_WORK: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let said = writeln!(io::stderr(), "error: the runtime cannot start: {error}");
            return if said.is_ok() { Exit::Failed.into() } else { ExitCode::FAILURE };
        }
    };
    let io = Io {
        out: Box::new(io::stdout()),
        err: Box::new(io::stderr()),
        input: Box::new(BufReader::new(io::stdin())),
        env: Box::new(|name| env::var(name).ok()),
    };
    let exit = runtime.block_on(cli::run(env::args_os(), io));
    runtime.shutdown_timeout(LAST_WORK);
    exit.into()
}
