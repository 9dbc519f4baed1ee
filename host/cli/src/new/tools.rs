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
const GO: Missing = Missing {
    what: "Go 1.26 or newer (`go`)",
    remedy: "curl -sSfL https://go.dev/dl/go1.26.8.linux-amd64.tar.gz | sudo tar -C /usr/local -xz && export PATH=\"$PATH:/usr/local/go/bin\"",
};
const BINDINGS: Missing = Missing {
    what: "the generator of bindings (`wit-bindgen`)",
    remedy: "cargo install --locked wit-bindgen-cli@0.61.1",
};
const COMPONENTS: Missing = Missing {
    what: "what makes components (`wasm-tools`)",
    remedy: "cargo install --locked wasm-tools@1.263.0",
};
const PIP: Missing = Missing { what: "Python's `pip`", remedy: "sudo apt-get install python3-pip" };

pub(super) fn missing(language: Language, env: &Env) -> Vec<Missing> {
    let path = env("PATH").unwrap_or_default();
    let has = |program: &str| env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let bytecode = [("wit-bindgen", BINDINGS), ("wasm-tools", COMPONENTS)];
    let bytecode = || bytecode.into_iter().filter(|(tool, _)| !has(tool)).map(|(_, what)| what);
    // Both are brought in by Rust.
    let rust = || (!has("cargo") && bytecode().next().is_some()).then_some(CARGO);
    match language {
        Language::Rust if !has("cargo") || !has("rustc") => vec![CARGO, TARGET],
        Language::Rust if !has_target() => vec![TARGET],
        Language::JavaScript if !has("node") || !has("npm") => vec![NODE],
        Language::Python if !has("python3") => vec![PYTHON],
        Language::Python if !has_pip() => vec![PIP],
        Language::C => {
            let python = match (has("python3"), has_pip()) {
                (false, _) => Some(PYTHON),
                (true, false) => Some(PIP),
                (true, true) => None,
            };
            python.into_iter().chain(rust()).chain(bytecode()).collect()
        }
        Language::Go => {
            let go = (!has_go()).then_some(GO);
            go.into_iter().chain(rust()).chain(bytecode()).collect()
        }
        Language::Rust | Language::JavaScript | Language::Python => Vec::new(),
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

fn has_go() -> bool {
    let mut go = Command::new("go");
    go.args(["env", "GOVERSION"]).stdin(Stdio::null()).stderr(Stdio::null());
    let version = go.output().map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    version.is_ok_and(|version| is_new_enough(version.trim()))
}

/// Whether a text such as `go1.26.8` is of a version with what the bindings need.
fn is_new_enough(version: &str) -> bool {
    let mut numbers = version.trim_start_matches("go").split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (1, 26),
        _ => false,
    }
}

fn has_pip() -> bool {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--version"]).stdin(Stdio::null());
    let status = pip.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_of_go_is_compared_by_its_numbers() {
        for (version, is_new) in
            [("go1.26", true), ("go1.26.8", true), ("go1.9.7", false), ("go2.0", true), ("", false)]
        {
            assert_eq!(is_new_enough(version), is_new, "{version}");
        }
    }

    #[test]
    fn each_tool_that_is_missing_is_named_with_the_command_that_installs_it() {
        let env: Env = Box::new(|_| None);
        let names = |language| missing(language, &env).iter().map(|it| it.what).collect::<Vec<_>>();
        let of_c = names(Language::C);
        assert!(of_c.contains(&PYTHON.what) && of_c.contains(&CARGO.what), "{of_c:?}");
        for language in [Language::C, Language::Go] {
            let names = names(language);
            assert!(
                names.contains(&BINDINGS.what) && names.contains(&COMPONENTS.what),
                "{names:?}"
            );
        }
    }
}
