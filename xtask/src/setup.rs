//! Installs what the other commands need.

use crate::{deny, steps::Steps, workspace, workspace::Workspace};
use std::{
    path::Path,
    process::{Command, ExitCode},
};

/// Where the browser tests look (`tests/support/browser.rs`), besides `TENGEN_BROWSER`.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// What the tests put in front of a gateway (`tests/support/proxy.rs`).
const PROXIES: [&str; 2] = ["haproxy", "nginx"];

pub(crate) fn run(workspace: &Workspace) -> anyhow::Result<ExitCode> {
    let mut steps = Steps::new("setup", workspace.ci);
    if workspace::on_path("rustup") {
        let rustup = |arguments: [&str; 3]| {
            let mut command = Command::new("rustup");
            command.current_dir(&workspace.root).args(arguments);
            command
        };
        steps.run("formatter", rustup(["component", "add", "rustfmt"]));
        steps.run("lints", rustup(["component", "add", "clippy"]));
        steps.run("WebAssembly", rustup(["target", "add", "wasm32-unknown-unknown"]));
    } else {
        let why = "no rustup: get rustfmt, clippy and the target wasm32-unknown-unknown the way you got Rust";
        steps.skip("Rust's parts", why);
    }
    steps.perform("dependency rules", "cargo-deny", || deny::install(workspace));
    let browser = std::env::var_os("TENGEN_BROWSER").is_some();
    if !browser && !BROWSERS.into_iter().any(workspace::on_path) {
        steps.skip(
            "browser tests",
            "no Chromium: `apt-get install chromium`, or set TENGEN_BROWSER to its path",
        );
    }
    for proxy in PROXIES {
        if !workspace::on_path(proxy) && !Path::new("/usr/sbin").join(proxy).is_file() {
            steps.skip(
                &format!("tests behind {proxy}"),
                format!("no {proxy}: `apt-get install {proxy}`"),
            );
        }
    }
    if !["node", "npm"].into_iter().all(workspace::on_path) {
        steps.skip("tests with packages of npm", "no node or npm: `apt-get install nodejs npm`");
    }
    Ok(steps.finish())
}
