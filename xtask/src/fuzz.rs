//! Fuzzing: every target of `fuzz` for a while, over the inputs that are committed and those that were found here before.

use crate::{steps::Steps, tools::Tool, workspace, workspace::Workspace};
use anyhow::Context as _;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

const FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2", asked: &["--version"] };
/// How long one target runs unless the command line says otherwise.
const SECONDS: u32 = 30;
/// Longest input, in bytes: what goes wrong with long ones goes wrong with short ones, a hundred times as often.
const INPUT_MAX: u32 = 4096;
/// Where the random numbers of a run begin that is bounded by a number of inputs: it tries the same inputs each time, so
/// that what fails for one change is not the luck of another.
const SEED: u32 = 1;
/// How long one input may take, in seconds, and what all of them may hold, in MiB.
const INPUT_SECONDS: u32 = 25;
const MEMORY: u32 = 2048;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Empty: all of them.
    targets: Vec<String>,
    until: Until,
}

/// Where the run of one target ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// Seconds, with other inputs each time.
    Time(u32),
    /// A number of inputs, the same ones each time.
    Inputs(u32),
}

/// Reads `[TARGET…] [--seconds N | --inputs N]`.
pub(crate) fn asked(arguments: &[&str]) -> anyhow::Result<Asked> {
    let mut asked = Asked { targets: Vec::new(), until: Until::Time(SECONDS) };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match *argument {
            "--seconds" => asked.until = Until::Time(number(argument, arguments.next())?),
            "--inputs" => asked.until = Until::Inputs(number(argument, arguments.next())?),
            option if option.starts_with('-') => {
                anyhow::bail!("`{option}` is not an option of `fuzz`")
            }
            target => asked.targets.push(target.to_owned()),
        }
    }
    Ok(asked)
}

fn number(option: &str, text: Option<&&str>) -> anyhow::Result<u32> {
    let number = text.and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    number.with_context(|| format!("`{option}` takes a number from 1 on"))
}

/// One of `fuzz/Cargo.toml`.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    name: String,
    /// Needs the feature `engine`, which takes minutes to build.
    engine: bool,
}

pub(crate) fn run(workspace: &Workspace, asked: &Asked) -> anyhow::Result<ExitCode> {
    let manifest = workspace.root.join("fuzz/Cargo.toml");
    let manifest = fs::read_to_string(manifest).context("cannot read `fuzz/Cargo.toml`")?;
    let targets = chosen(targets(&manifest), &asked.targets)?;
    let mut steps = Steps::new("fuzz", workspace.ci);
    if !workspace::on_path("c++") {
        let why = "libFuzzer is C++ and there is no compiler of it: `apt-get install g++`";
        steps.skip("fuzzing", why);
        return Ok(steps.finish());
    }
    let triple = triple()?;
    let ready = FUZZ.is_installed(workspace)
        || steps.perform("cargo-fuzz set-up", &FUZZ.shown(), || FUZZ.install(workspace));
    if ready && steps.run("build", build(workspace, &triple, &targets)) {
        for target in &targets {
            let command = fuzz(workspace, &triple, target, asked.until)?;
            steps.run(&target.name, command);
        }
    }
    Ok(steps.finish())
}

/// The programs of the manifest, as it lists them.
fn targets(manifest: &str) -> Vec<Target> {
    let programs = manifest.split("[[bin]]\n").skip(1);
    let target = |program: &str| {
        let program = program.split("\n\n").next().unwrap_or_default();
        let name = program.strip_prefix("name = \"")?.split('"').next()?.to_owned();
        Some(Target { name, engine: program.contains("required-features = [\"engine\"]") })
    };
    programs.filter_map(target).collect()
}

fn chosen(all: Vec<Target>, names: &[String]) -> anyhow::Result<Vec<Target>> {
    for name in names {
        let known: Vec<&str> = all.iter().map(|target| target.name.as_str()).collect();
        anyhow::ensure!(
            known.contains(&name.as_str()),
            "there is no fuzz target `{name}`; there are {}",
            known.join(", ")
        );
    }
    Ok(all.into_iter().filter(|target| names.is_empty() || names.contains(&target.name)).collect())
}

/// The platform that the compiler builds for unless told otherwise.
fn triple() -> anyhow::Result<String> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output().context("cannot start rustc")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc names no host")
}

/// No sanitizer: it would need a nightly compiler, and the gateway's own code is safe Rust.
fn build(workspace: &Workspace, triple: &str, targets: &[Target]) -> Command {
    let mut command = workspace.cargo(["fuzz"]);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = FUZZ.program(workspace).parent().map(Path::to_owned);
    let path = std::env::join_paths(tools.into_iter().chain(std::env::split_paths(&path)));
    command.envs(path.map(|path| ("PATH", path)));
    command.args(["build", "--sanitizer", "none", "--dev", "--target", triple, "--target-dir"]);
    command.arg(folder(workspace));
    if targets.iter().any(|target| target.engine) {
        command.args(["--features", "engine"]);
    }
    if let [target] = targets {
        command.arg(&target.name);
    }
    command
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("fuzz")
}

fn fuzz(
    workspace: &Workspace,
    triple: &str,
    target: &Target,
    until: Until,
) -> anyhow::Result<Command> {
    // New inputs that reach something new go into the target folder, findings into the work tree.
    let known = folder(workspace).join("corpus").join(&target.name);
    let findings = workspace.root.join("fuzz/artifacts").join(&target.name);
    for folder in [&known, &findings] {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make `{}`", folder.display()))?;
    }
    let mut command = Command::new(folder(workspace).join(triple).join("debug").join(&target.name));
    command.current_dir(workspace.root.join("fuzz"));
    match until {
        Until::Time(seconds) => command.arg(format!("-max_total_time={seconds}")),
        Until::Inputs(count) => command.arg(format!("-runs={count}")).arg(format!("-seed={SEED}")),
    };
    command.arg(format!("-max_len={INPUT_MAX}"));
    command.arg(format!("-timeout={INPUT_SECONDS}")).arg(format!("-rss_limit_mb={MEMORY}"));
    command.arg(format!("-artifact_prefix=artifacts/{}/", target.name));
    command.args(["-print_final_stats=1", "-verbosity=0"]);
    if target.engine {
        // An input reaches thousands of places in wasmtime, and keeping account of the rare ones takes all the time.
        command.arg("-entropic=0");
    }
    command.arg(known).arg(format!("corpus/{}", target.name));
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &[&str], expected: Result<(&[&str], Until), &str>) {
        let asked = asked(arguments).map_err(|error| error.to_string());
        let expected = expected.map(|(targets, until)| Asked {
            targets: targets.iter().map(|target| (*target).to_owned()).collect(),
            until,
        });
        assert_eq!(asked, expected.map_err(str::to_owned));
    }

    #[test]
    fn targets_and_their_time_may_be_asked_for() {
        check(&[], Ok((&[], Until::Time(30))));
        check(&["edn", "--seconds", "5", "json"], Ok((&["edn", "json"], Until::Time(5))));
        check(&["edn", "--inputs", "900"], Ok((&["edn"], Until::Inputs(900))));
        check(&["--inputs", "-1"], Err("`--inputs` takes a number from 1 on"));
        check(&["--seconds", "0"], Err("`--seconds` takes a number from 1 on"));
        check(&["--seconds"], Err("`--seconds` takes a number from 1 on"));
        check(&["--jobs", "5"], Err("`--jobs` is not an option of `fuzz`"));
    }

    const MANIFEST: &str = "[package]\nname = \"fuzz\"\n\n[[bin]]\nname = \"edn\"\npath = \"x\"\n\n[[bin]]\nname = \"lift\"\nrequired-features = [\"engine\"]\n\n[profile.dev]\n";

    #[test]
    fn the_manifest_says_which_targets_there_are() {
        let edn = || Target { name: "edn".into(), engine: false };
        let lift = || Target { name: "lift".into(), engine: true };
        assert_eq!(targets(MANIFEST), [edn(), lift()]);
        let chosen = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            chosen(targets(MANIFEST), &names).map_err(|error| error.to_string())
        };
        assert_eq!(chosen(&[]), Ok(vec![edn(), lift()]));
        assert_eq!(chosen(&["lift"]), Ok(vec![lift()]));
        assert_eq!(
            chosen(&["xml"]),
            Err("there is no fuzz target `xml`; there are edn, lift".into())
        );
    }
}
