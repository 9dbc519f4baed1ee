//! A command's steps: each is shown with its command line, timed, and named in the summary.

use crate::cpu;
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
    done: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: String,
    outcome: Outcome,
    took: Duration,
    /// What its processes took of the processors, where the system says so.
    cpu: Option<Duration>,
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
        let (started, before) = (Instant::now(), cpu::of_children());
        let result = work();
        let cpu =
            cpu::of_children().zip(before).map(|(after, before)| after.saturating_sub(before));
        let outcome = match &result {
            Ok(()) => Outcome::Done,
            Err(error) => {
                eprintln!("{name}: {error:#}");
                Outcome::Failed
            }
        };
        self.done.push(Step { name: name.to_owned(), outcome, took: started.elapsed(), cpu });
        result.is_ok()
    }

    /// Notes that something was left out, and what would bring it in.
    pub(crate) fn skip(&mut self, name: &str, why: impl Into<String>) {
        let outcome = Outcome::Skipped(why.into());
        self.done.push(Step { name: name.to_owned(), outcome, took: Duration::ZERO, cpu: None });
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
            .filter(|step| failed(&step.outcome))
            .map(|step| step.name.as_str())
            .collect()
    }

    fn summary(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for Step { name, outcome, took, cpu } in &self.done {
            let word = match outcome {
                Outcome::Done => "ok",
                Outcome::Failed => "FAILED",
                Outcome::Skipped(_) => continue,
            };
            let took = took.as_secs_f64();
            let cpu = cpu.map_or_else(|| "?".to_owned(), |cpu| format!("{:.1}", cpu.as_secs_f64()));
            lines.push(format!("{word:<6}  {took:>6.1} s  {cpu:>7} s CPU  {name}"));
        }
        for Step { name, outcome, .. } in &self.done {
            if let Outcome::Skipped(why) = outcome {
                lines.push(format!("skipped                        {name}: {why}"));
            }
        }
        let all: Option<Duration> =
            self.done.iter().filter_map(|step| step.cpu).reduce(|a, b| a + b);
        if let Some(all) = all {
            lines.push(format!("{:.1} minutes of CPU in all", all.as_secs_f64() / 60.0));
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
                "skipped                        browser tests: no Chromium: `apt-get install chromium`",
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
