//! Set-up, guest builds, checks and the demo: `cargo xtask help` lists the commands.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command-line tool speaks on both"
)]

mod bench;
mod check;
mod coverage;
mod cpu;
mod crates;
mod demo;
mod deny;
mod fuzz;
mod git;
mod guests;
mod hostile;
mod interop;
mod languages;
mod mutants;
mod setup;
mod steps;
mod test;
mod tools;
mod workspace;

use std::process::ExitCode;
use workspace::Workspace;

const HELP: &str = "\
cargo xtask COMMAND

  demo [--listen ADDR]  builds the gateway and the chat plugin, serves the chat page and prints its address;
                        without --listen on 127.0.0.1, port 8080 or the next free one. Ctrl-C drains and ends
  test                  check, guests, then every test. A group whose tool is missing (a browser) is skipped and
                        named at the end, with the command that installs it; with CI=true a skip is a failure
  check                 formatting, lints, dependency rules, mutants that apply, documentation, house rules. Runs no gateway
  guests                builds the plugins, the tests' guests and the room example in five languages into WebAssembly components,
                        `guests` in cargo's target folder; --plugins, --fixtures, --rooms, --path DIR: only these; --out
                        DIR: into another folder
  coverage              how much of `host` the tests run, by lines, for each file: installs cargo-llvm-cov and LLVM's tools, and builds
                        everything once more
  crates                the gateway's crates, each with the others that it depends on
  setup                 installs what the commands above need, and says what it leaves to you
  advisories            asks the RustSec database about the dependencies. Needs the network, and its answer changes
                        without the tree changing: therefore not part of check
  bench NAME... [--gate]  measures the gateway against bare servers: echo, raw, fanout, idle, handshake, call, reload,
                        start, cores or all; --gate: fails when a must is missed; --slopes: how costs grow; --smoke: everything
                        in three minutes, deciding nothing. Needs a quiet machine with two cores
  bench NAME... --against REV  measures this work tree against another revision, which is built once and kept in the
                        target folder: both take turns, at least nine rounds. Exit codes: 0 no worse in any row; 1 worse in
                        a row, or it could not be built or measured; 3 a row was not judged, and why is in the table
  hostile [NAME...]     attacks a release build of the gateway, one attack at a time, from one address or by one plugin, and
                        says what another connection notices: docs/hostile.md. --list: the attacks; --seconds N: how long
                        each lasts (10); --smoke: a twentieth of everything, deciding nothing. Exit codes: 0 all hold;
                        1 one does not; 3 one could not be run, or the machine is too busy to tell
  interop otelcol       builds a real OpenTelemetry Collector with Go (or takes the one that TENGEN_OTELCOL names), sends it
                        traces and metrics by gRPC and HTTP, and fails unless it has what was sent. Needs Go's module proxy
  mutants [NN...]       removes guards, one at a time, by the patches in tests/mutants (or those with these numbers), from
                        a copy of HEAD in the target folder, and expects the test named in each to fail; --check: builds
                        nothing, only sees that every patch applies and its test exists
  fuzz [TARGET...]      runs the fuzz targets (or these), half a minute each; --seconds N: another time;
                        --inputs N: so many, the same ones each time. A finding is
                        written to fuzz/artifacts and fails the run
  help                  this text

Exit codes: 0 done; 1 a step failed, the last lines name it; 2 the command line was not understood.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> anyhow::Result<ExitCode> {
    let workspace = Workspace::find()?;
    match arguments {
        ["demo", rest @ ..] => match demo::listen(rest) {
            Ok(listen) => demo::run(&workspace, listen),
            Err(error) => Ok(misunderstood(&error.to_string())),
        },
        // What `demo` starts beside the gateway.
        ["announce", ip, port_file] => demo::announce(ip, port_file.as_ref()),
        ["test"] => test::run(&workspace),
        ["check"] => check::run(&workspace),
        ["guests", rest @ ..] => {
            let rest: Vec<String> = rest.iter().map(|argument| (*argument).to_owned()).collect();
            guests::run(&workspace, &rest).map(|()| ExitCode::SUCCESS)
        }
        ["coverage"] => coverage::run(&workspace),
        ["crates"] => crates::run(&workspace),
        ["setup"] => setup::run(&workspace),
        ["advisories"] => deny::advisories(&workspace),
        ["bench", rest @ ..] if !rest.is_empty() => bench::run(&workspace, rest),
        ["bench"] => Ok(misunderstood("which bench?")),
        ["hostile", rest @ ..] => hostile::run(&workspace, rest),
        ["interop", "otelcol"] => interop::otelcol(&workspace),
        ["interop", ..] => Ok(misunderstood("`interop` takes `otelcol`")),
        ["mutants", rest @ ..] => match mutants::asked(rest) {
            Ok(asked) => mutants::run(&workspace, asked),
            Err(error) => Ok(misunderstood(&error.to_string())),
        },
        ["fuzz", rest @ ..] => match fuzz::asked(rest) {
            Ok(asked) => fuzz::run(&workspace, &asked),
            Err(error) => Ok(misunderstood(&error.to_string())),
        },
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        [] => Ok(misunderstood("which command?")),
        [command @ ("test" | "check" | "coverage" | "crates" | "setup" | "advisories"), ..] => {
            Ok(misunderstood(&format!("`{command}` takes no arguments")))
        }
        [command, ..] => Ok(misunderstood(&format!("there is no command `{command}`"))),
    }
}

fn misunderstood(what: &str) -> ExitCode {
    eprint!("xtask: {what}\n\n{HELP}");
    ExitCode::from(2)
}
