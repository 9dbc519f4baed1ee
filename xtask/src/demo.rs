//! The chat, from nothing to an address to open.

use crate::{guests, guests::Which, workspace::Workspace};
use anyhow::Context as _;
use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

const FIRST_PORT: u16 = 8080;
const LAST_PORT: u16 = 8099;
/// How long the gateway may take to listen; a debug build compiles the plugin in a second or two.
const READY_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Reads `[--listen ADDR]`.
pub(crate) fn listen(arguments: &[&str]) -> anyhow::Result<Option<SocketAddr>> {
    match arguments {
        [] => Ok(None),
        ["--listen", address] => {
            let parsed = address.parse();
            parsed.map(Some).with_context(|| {
                format!("`{address}` is not an address and port, such as 127.0.0.1:8080")
            })
        }
        _ => anyhow::bail!("`demo` takes `--listen ADDR` and nothing else"),
    }
}

/// Builds, starts, and becomes the gateway: signals reach it directly, and its exit code is ours.
pub(crate) fn run(workspace: &Workspace, listen: Option<SocketAddr>) -> anyhow::Result<ExitCode> {
    build(workspace)?;
    let listen = listen.map_or_else(free_address, Ok)?;
    let port_file = workspace.target.join("demo/port");
    forget(&port_file)?;
    let mut announcer = Command::new(std::env::current_exe()?);
    announcer.arg("announce").arg(listen.ip().to_string()).arg(&port_file).stdin(Stdio::null());
    announcer.spawn().context("cannot start the part that prints the address")?;

    let mut gateway = Command::new(workspace.target.join("debug/tengen"));
    gateway.current_dir(&workspace.root).env("TENGEN_GUESTS", workspace.target.join("guests"));
    gateway.args(["serve", "--config", "examples/chat/tengen.toml"]);
    gateway.args(["--listen", &listen.to_string()]).arg("--port-file").arg(&port_file);
    become_it(gateway)
}

/// In the development profile: the tests need that build anyway, and it is there in half the time of a release build.
fn build(workspace: &Workspace) -> anyhow::Result<()> {
    println!("building the plugins");
    guests::build(Which::Plugins)?;
    println!("building the gateway: minutes the first time, seconds from then on");
    let status = workspace.locked(["build", "--package", "tengen"]).status();
    anyhow::ensure!(status.context("cannot start cargo")?.success(), "the gateway did not build");
    Ok(())
}

/// Makes the port file's folder and removes the file of an earlier run, which would be announced before this one listens.
fn forget(port_file: &Path) -> anyhow::Result<()> {
    let folder = port_file.parent().context("a file without a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    match fs::remove_file(port_file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", port_file.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn become_it(mut gateway: Command) -> anyhow::Result<ExitCode> {
    use std::os::unix::process::CommandExt as _;
    Err(gateway.exec()).context("cannot start the gateway")
}

#[cfg(not(unix))]
fn become_it(mut gateway: Command) -> anyhow::Result<ExitCode> {
    let status = gateway.status().context("cannot start the gateway")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Waits until the gateway has written its port, then says where to go.
pub(crate) fn announce(ip: &str, port_file: &Path) -> anyhow::Result<ExitCode> {
    let ip = match ip.parse()? {
        // Listening everywhere includes here.
        ip if IpAddr::is_unspecified(&ip) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    let deadline = Instant::now() + READY_WITHIN;
    let gateway = parent();
    while Instant::now() < deadline && parent() == gateway {
        if let Some(port) = fs::read_to_string(port_file).ok().as_deref().and_then(port) {
            // What the gateway says of itself comes first, so that the address is the last thing on the screen.
            thread::sleep(LOOK_EVERY * 4);
            println!("{}", greeting(SocketAddr::from((ip, port))));
            return Ok(ExitCode::SUCCESS);
        }
        thread::sleep(LOOK_EVERY);
    }
    // The gateway has said itself why it is not there.
    Ok(ExitCode::FAILURE)
}

/// Changes when the gateway has ended.
fn parent() -> Option<u32> {
    #[cfg(unix)]
    return Some(std::os::unix::process::parent_id());
    #[cfg(not(unix))]
    return None;
}

/// A port and the end of its line.
fn port(text: &str) -> Option<u16> {
    text.strip_suffix('\n')?.parse().ok()
}

fn greeting(address: SocketAddr) -> String {
    format!(
        "
  Change GREETING in plugins/chat/src/lib.rs and run `cargo xtask guests --plugins` in another terminal: the
  chat greets otherwise, and no window loses its connection.
  Ctrl-C ends the gateway.

  Open this in two browser windows:  http://{address}/
"
    )
}

fn free_address() -> anyhow::Result<SocketAddr> {
    let mut ports = FIRST_PORT..=LAST_PORT;
    let free = ports.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok());
    let port = free.with_context(|| {
        format!("ports {FIRST_PORT} to {LAST_PORT} are all taken: name another with `--listen 127.0.0.1:PORT`")
    })?;
    Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(arguments: &[&str], expected: Result<Option<&str>, &str>) {
        let listen = listen(arguments).map_err(|error| error.to_string());
        let expected = expected.map(|address| address.map(|address| address.parse().unwrap()));
        assert_eq!(listen, expected.map_err(str::to_owned));
    }

    #[test]
    fn an_address_may_be_asked_for() {
        check(&[], Ok(None));
        check(&["--listen", "127.0.0.1:9000"], Ok(Some("127.0.0.1:9000")));
        check(
            &["--listen", "here"],
            Err("`here` is not an address and port, such as 127.0.0.1:8080"),
        );
        check(&["--port", "1"], Err("`demo` takes `--listen ADDR` and nothing else"));
    }

    #[test]
    fn a_port_file_that_is_still_being_written_is_not_read() {
        assert_eq!(port("80"), None);
        assert_eq!(port("8080\n"), Some(8080));
    }
}
