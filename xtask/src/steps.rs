//! A command's steps: each is shown with its command line, timed, and named in the summary.

use std::{
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

/// What became of a step.
#[derive(Debug)]
enum Outcome {
    Done,
    Failed,
    /// Not run, with the reason and the remedy.
    Skipped(String),
}

/// The steps so far. A failed step does not stop the next one, so one run shows everything that is wrong.
#[derive(Debug)]
pub(crate) struct Steps {
    command: &'static str,
    /// Whether a skip is a failure.
    strict: bool,
    done: Vec<(String, Outcome, Duration)>,
}

impl Steps {
    pub(crate) fn new(command: &'static str, strict: bool) -> Self {
        Self { command, strict, done: Vec::new() }
    }

    /// Runs a command, its output going where ours goes. Returns whether it succeeded.
    pub(crate) fn run(&mut self, name: &str, mut command: Command) -> bool {
        let shown = show(&command);
        self.perform(name, &shown, || {
            let status = command.status()?;
            anyhow::ensure!(status.success(), "{status}");
            Ok(())
        })
    }

    /// Does something that is not one command. Returns whether it succeeded.
    pub(crate) fn perform(
        &mut self,
        name: &str,
        shown: &str,
        work: impl FnOnce() -> anyhow::Result<()>,
    ) -> bool {
        println!("\n{name}: {shown}");
        let started = Instant::now();
        let result = work();
        let outcome = match &result {
            Ok(()) => Outcome::Done,
            Err(error) => {
                eprintln!("{name}: {error:#}");
                Outcome::Failed
            }
        };
        self.done.push((name.to_owned(), outcome, started.elapsed()));
        result.is_ok()
    }

    /// Notes that something was left out, and what would bring it in.
    pub(crate) fn skip(&mut self, name: &str, why: impl Into<String>) {
        self.done.push((name.to_owned(), Outcome::Skipped(why.into()), Duration::ZERO));
    }

    /// Prints the summary. The last line says how it ended.
    pub(crate) fn finish(self) -> ExitCode {
        let lines = self.summary();
        println!("\n{}", lines.join("\n"));
        if self.failures().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn failures(&self) -> Vec<&str> {
        let failed = |outcome: &Outcome| match outcome {
            Outcome::Done => false,
            Outcome::Failed => true,
            Outcome::Skipped(_) => self.strict,
        };
        self.done
            .iter()
            .filter(|(_, outcome, _)| failed(outcome))
            .map(|(name, ..)| name.as_str())
            .collect()
    }

    fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, outcome, took) in &self.done {
            let took = took.as_secs_f64();
            match outcome {
                Outcome::Done => lines.push(format!("ok      {took:>6.1} s  {name}")),
                Outcome::Failed => lines.push(format!("FAILED  {took:>6.1} s  {name}")),
                Outcome::Skipped(_) => {}
            }
        }
        for (name, outcome, _) in &self.done {
            if let Outcome::Skipped(why) = outcome {
                lines.push(format!("skipped           {name}: {why}"));
            }
        }
        let failures = self.failures();
        lines.push(if failures.is_empty() {
            format!("xtask {}: done", self.command)
        } else {
            format!("xtask {}: failed: {}", self.command, failures.join(", "))
        });
        lines
    }
}

/// The command line, as a person would type it.
fn show(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy();
    let arguments = command.get_args().map(|argument| argument.to_string_lossy());
    std::iter::once(name).chain(arguments).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(strict: bool, fails: bool, last: &str) {
        let mut steps = Steps::new("test", strict);
        steps.perform("lints", "", || Ok(()));
        steps.perform("tests", "", || {
            anyhow::ensure!(!fails, "a test failed");
            Ok(())
        });
        steps.skip("browser tests", "no Chromium: `apt-get install chromium`");
        assert_eq!(steps.summary().last().map(String::as_str), Some(last));
    }

    #[test]
    fn the_last_line_names_what_failed() {
        check(false, false, "xtask test: done");
        check(false, true, "xtask test: failed: tests");
    }

    #[test]
    fn a_skip_is_a_failure_where_that_was_asked_for() {
        check(true, false, "xtask test: failed: browser tests");
        check(true, true, "xtask test: failed: tests, browser tests");
    }

    #[test]
    fn a_skip_names_its_remedy() {
        let mut steps = Steps::new("test", false);
        steps.skip("browser tests", "no Chromium: `apt-get install chromium`");
        assert_eq!(
            steps.summary(),
            [
                "skipped           browser tests: no Chromium: `apt-get install chromium`",
                "xtask test: done"
            ]
        );
    }

    #[test]
    fn a_command_is_shown_as_typed() {
        let mut command = Command::new("/opt/rust/bin/cargo");
        command.args(["clippy", "--workspace"]);
        assert_eq!(show(&command), "cargo clippy --workspace");
    }
}
