//! What it takes to build a plugin, and whether it is on this machine.

use super::language::Language;
use crate::Env;
use std::{
    env,
    path::Path,
    process::{Command, Stdio},
};

/// A tool that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missing {
    pub(super) what: &'static str,
    /// The command that installs it.
    pub(super) remedy: &'static str,
}

const CARGO: Missing = Missing {
    what: "Rust (`cargo`)",
    remedy: "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh",
};
const TARGET: Missing = Missing {
    what: "Rust's standard library for `wasm32-wasip2`",
    remedy: "rustup target add wasm32-wasip2",
};
const NODE: Missing =
    Missing { what: "Node.js (`node`, `npm`)", remedy: "sudo apt-get install nodejs npm" };
const PYTHON: Missing =
    Missing { what: "Python (`python3`)", remedy: "sudo apt-get install python3 python3-pip" };
const PIP: Missing = Missing { what: "Python's `pip`", remedy: "sudo apt-get install python3-pip" };

pub(super) fn missing(language: Language, env: &Env) -> Vec<Missing> {
    let path = env("PATH").unwrap_or_default();
    let has = |program: &str| env::split_paths(&path).any(|folder| folder.join(program).is_file());
    match language {
        Language::Rust if !has("cargo") || !has("rustc") => vec![CARGO, TARGET],
        Language::Rust if !has_target() => vec![TARGET],
        Language::JavaScript if !has("node") || !has("npm") => vec![NODE],
        Language::Python if !has("python3") => vec![PYTHON],
        Language::Python if !has_pip() => vec![PIP],
        _ => Vec::new(),
    }
}

fn has_target() -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", "wasm32-wasip2"]).stdin(Stdio::null());
    let output = rustc.stderr(Stdio::null()).output();
    output.is_ok_and(|output| {
        output.status.success()
            && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
    })
}

fn has_pip() -> bool {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--version"]).stdin(Stdio::null());
    let status = pip.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
