//! Builds the room example in the languages that are not Rust, each by the tools that its authors use; and a plugin that breaks
//! when it is told to, with all that says where in its source it did.
//!
//! One file per language, and [`pins`] has what they are built with. Nothing is built again whose sources, interface and
//! tools are what they were. A language whose tools cannot be had is left out, and says in one line why.

mod bindings;
mod c;
mod go;
mod js;
mod pins;
mod python;
mod stamp;

use crate::{guests, workspace::Workspace};
use anyhow::{Context as _, Result};
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

/// The world of both.
const WORLD: &str = "stateful-handler-plugin";

/// One language: what its tools need, and how they are called.
struct Language {
    name: &'static str,
    /// What it is built with: another text, and the component is built again.
    pins: &'static str,
    /// Whether `.ci/run` brings in what its tools need, so that it may not be missing there.
    in_ci: bool,
    /// Installs its tools where only this project uses them. Otherwise one sentence: what is missing, and the remedy.
    tools: fn(&Site) -> Result<(), String>,
    build: fn(&Site) -> Result<Vec<u8>>,
}

const LANGUAGES: [Language; 4] = [
    Language { name: "c", pins: pins::C, in_ci: true, tools: c::tools, build: c::build },
    Language { name: "js", pins: pins::JS, in_ci: true, tools: js::tools, build: js::build },
    Language {
        name: "python",
        pins: pins::PYTHON,
        in_ci: true,
        tools: python::tools,
        build: python::build,
    },
    Language { name: "go", pins: pins::GO, in_ci: false, tools: go::tools, build: go::build },
];

/// A plugin that there is in every language.
struct Work {
    /// What its sources are called, and its components begin with.
    name: &'static str,
    /// The folder with a folder for each language.
    folder: &'static str,
    /// Whether it keeps what names lines of its source: debug information, and a way to write an exception down.
    lines: bool,
}

const WORKS: [Work; 2] = [
    Work { name: "room", folder: "examples/room", lines: false },
    Work { name: "broken", folder: "tests/broken", lines: true },
];

/// Where one component is built.
struct Site {
    /// What its sources are called.
    name: &'static str,
    lines: bool,
    /// The WIT package.
    wit: PathBuf,
    /// What people have written.
    source: PathBuf,
    /// What the tools write: bindings, and what they keep for the next time.
    work: PathBuf,
    /// Where tools are installed.
    tools: PathBuf,
}

/// What became of a language.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Its component is in this file.
    Built(PathBuf),
    /// Its tools are not here and cannot be had.
    Missing {
        language: &'static str,
        /// What is missing, and what would bring it in.
        why: String,
        /// Whether `.ci/run` should have brought it in.
        in_ci: bool,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Built(component) => write!(f, "{}", component.display()),
            Self::Missing { language, why, .. } => write!(f, "no room in {language}: {why}"),
        }
    }
}

/// Builds the room in every language whose tools can be had, into `room_LANGUAGE.wasm` of a folder, and what breaks into
/// `broken_LANGUAGE.wasm`. One that does not build keeps none of the others from it.
pub(crate) fn build(workspace: &Workspace, folder: &Path) -> Result<Vec<Outcome>> {
    let (mut outcomes, mut wrong) = (Vec::new(), Vec::new());
    for (language, work) in LANGUAGES.iter().flat_map(|it| WORKS.iter().map(move |work| (it, work)))
    {
        match language.outcome(work, workspace, folder) {
            Ok(Outcome::Missing { .. }) if work.name != "room" => {}
            Ok(outcome) => outcomes.push(outcome),
            Err(error) => {
                let (name, language) = (work.name, language.name);
                wrong.push(format!("`{name}` in {language} does not build: {error:#}"));
            }
        }
    }
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(outcomes)
}

impl Language {
    fn outcome(&self, work: &Work, workspace: &Workspace, folder: &Path) -> Result<Outcome> {
        let (language, name) = (self.name, work.name);
        let component = folder.join(format!("{name}_{language}.wasm"));
        let site = Site {
            name,
            lines: work.lines,
            wit: workspace.root.join("wit"),
            source: workspace.root.join(work.folder).join(language),
            work: workspace.target.join("guests-build").join(name).join(language),
            tools: workspace.target.join("tools"),
        };
        let stamp = stamp::of(&[&site.wit, &site.source], self.pins)?;
        let note = site.work.with_extension("stamp");
        if component.is_file() && fs::read_to_string(&note).is_ok_and(|old| old == stamp) {
            return Ok(Outcome::Built(component));
        }
        fs::create_dir_all(&site.work)?;
        if let Err(why) = (self.tools)(&site) {
            // What an earlier run has built is of another source.
            if component.exists() {
                fs::remove_file(&component)
                    .with_context(|| format!("cannot remove `{}`", component.display()))?;
            }
            return Ok(Outcome::Missing { language, why, in_ci: self.in_ci });
        }
        let began = Instant::now();
        let bytes = (self.build)(&site)?;
        guests::write_if_changed(&component, &bytes)?;
        fs::write(&note, stamp).with_context(|| format!("cannot write `{}`", note.display()))?;
        let (kib, took) = (bytes.len() / 1024, began.elapsed().as_secs_f64());
        println!("`{name}` in {language}: {kib} KiB, built in {took:.1} s");
        Ok(Outcome::Built(component))
    }
}

/// Runs a tool to its end; what it says goes where ours goes when it fails, and nowhere otherwise.
fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("cannot start {shown}"))?;
    let said = [output.stdout, output.stderr].concat();
    anyhow::ensure!(
        output.status.success(),
        "{shown} failed, {}:\n{}",
        output.status,
        String::from_utf8_lossy(&said)
    );
    Ok(())
}
