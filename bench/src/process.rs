//! A server under measurement: started on its core, asked for its CPU time and memory, ended by its own handle.

use crate::cores;
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a server may take until it listens; the first start with a plugin compiles it.
const READY_WITHIN: Duration = Duration::from_secs(20);
const STATE_WITHIN: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// A running server. Ends when dropped, if it was started here.
#[derive(Debug)]
pub(crate) struct Server {
    child: Option<Child>,
    pid: u32,
    address: SocketAddr,
    /// From starting the process to its port file.
    pub(crate) ready_after: Duration,
    folder: Option<TempDir>,
}

/// What starts one. The port file's name is appended to the arguments.
#[derive(Debug)]
pub(crate) struct Program<'a> {
    pub(crate) file: &'a Path,
    pub(crate) arguments: Vec<String>,
    /// Its configuration, as a file to name with `--config`.
    pub(crate) config: Option<String>,
    /// Where it keeps what it compiled, instead of where its user's gateways do.
    pub(crate) cache: Option<&'a Path>,
    /// Whether it has to share one core, or may use all.
    pub(crate) pinned: bool,
}

impl Server {
    pub(crate) fn start(program: &Program<'_>) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for the server")?;
        let (port_file, log) = (folder.path().join("port"), folder.path().join("log"));
        let mut command = match program.pinned {
            true => cores::pinned(program.file),
            false => cores::unpinned(program.file),
        };
        command.args(&program.arguments).arg("--port-file").arg(&port_file);
        if let Some(config) = &program.config {
            let file = folder.path().join("tengen.toml");
            fs::write(&file, config)?;
            command.arg("--config").arg(file);
        }
        // Its notes for the command line go where nobody looks for a gateway.
        command
            .env("RUST_BACKTRACE", "0")
            .env("XDG_RUNTIME_DIR", folder.path())
            .current_dir(folder.path());
        if let Some(cache) = program.cache {
            command.env("XDG_CACHE_HOME", cache);
        }
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let began = Instant::now();
        let child = command
            .spawn()
            .with_context(|| format!("cannot start `{}`", program.file.display()))?;
        let mut server = Self {
            pid: child.id(),
            child: Some(child),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            ready_after: Duration::ZERO,
            folder: Some(folder),
        };
        let port = server.wait_until_ready(&port_file, &log)?;
        server.ready_after = began.elapsed();
        server.address.set_port(port);
        Ok(server)
    }

    /// One that somebody else started, and ends.
    pub(crate) fn of(pid: u32, address: SocketAddr) -> Self {
        Self { child: None, pid, address, ready_after: Duration::ZERO, folder: None }
    }

    fn wait_until_ready(&mut self, port_file: &Path, log: &Path) -> Result<u16> {
        let end = Instant::now() + READY_WITHIN;
        let said = || fs::read_to_string(log).unwrap_or_default();
        while Instant::now() < end {
            if let Some(port) = fs::read_to_string(port_file).ok().as_deref().and_then(port) {
                return Ok(port);
            }
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!("the server ended ({status}):\n{}", said());
            }
            thread::sleep(LOOK_EVERY);
        }
        bail!("the server did not listen within {READY_WITHIN:?}:\n{}", said());
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// CPU time so far, of every thread that runs now.
    pub(crate) fn cpu(&self) -> Result<Cpu> {
        self.cpu_of(|_| true)
    }

    /// The same of those whose name is one of these; 15 letters of it are known.
    pub(crate) fn cpu_of(&self, is_one: impl Fn(&str) -> bool) -> Result<Cpu> {
        let folder = self.proc().join("task");
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(&folder).context("the server is gone")? {
            let thread = entry?.file_name();
            let name = fs::read_to_string(folder.join(&thread).join("comm")).unwrap_or_default();
            if !is_one(name.trim_end()) {
                continue;
            }
            // A thread may end between the two looks.
            let Ok(text) = fs::read_to_string(folder.join(&thread).join("schedstat")) else {
                continue;
            };
            threads.insert(thread.to_string_lossy().parse()?, on_cpu(&text)?);
        }
        ensure!(!threads.is_empty(), "the server has no such threads");
        Ok(Cpu(threads))
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        resident(&fs::read_to_string(self.proc().join("status")).context("the server is gone")?)
    }

    /// Where the gateway's admin listener is, by the state file beside its port file.
    pub(crate) fn admin(&self) -> Result<SocketAddr> {
        let folder = self.folder.as_ref().context("somebody else started it")?;
        let file = folder.path().join("port.state");
        // It comes after the port file.
        let end = Instant::now() + STATE_WITHIN;
        while !file.exists() && Instant::now() < end {
            thread::sleep(LOOK_EVERY);
        }
        admin(&fs::read_to_string(file).context("the gateway wrote no state file")?)
    }

    pub(crate) fn proc(&self) -> PathBuf {
        Path::new("/proc").join(self.pid.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself; either way there is nothing left to do.
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// CPU time of a server's threads, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cpu(BTreeMap<u32, u64>);

impl Cpu {
    /// What was spent since an earlier look. Threads that ended in between are not seen.
    pub(crate) fn since(&self, earlier: &Self) -> Duration {
        let spent = self
            .0
            .iter()
            .map(|(thread, now)| now.saturating_sub(*earlier.0.get(thread).unwrap_or(&0)));
        Duration::from_nanos(spent.sum())
    }

    pub(crate) fn threads(&self) -> usize {
        self.0.len()
    }
}

/// The first of a thread's scheduler statistics: nanoseconds on a CPU.
fn on_cpu(schedstat: &str) -> Result<u64> {
    let first = schedstat.split_ascii_whitespace().next().context("`schedstat` is empty")?;
    first.parse().context("`schedstat` does not begin with a number")
}

/// `VmRSS`, which unlike `statm` needs no page size.
pub(crate) fn resident(status: &str) -> Result<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("`status` has no `VmRSS`")?;
    let kilobytes: u64 =
        line.trim().trim_end_matches(" kB").parse().context("`VmRSS` is not in kB")?;
    Ok(kilobytes * 1024)
}

/// The value of `admin` in a state file.
fn admin(state: &str) -> Result<SocketAddr> {
    let (_, rest) = state.split_once("\"admin\"").context("the state file has no `admin`")?;
    let address = rest.split('"').nth(1).context("the admin listener is off")?;
    address.parse().context("`admin` is no address")
}

/// A port file is whole when its line ends.
fn port(text: &str) -> Option<u16> {
    text.strip_suffix('\n')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(on_cpu(text).ok(), expected, "{text:?}");
    }

    #[test]
    fn cpu_time_is_the_first_number() {
        check("392505 3189234 1\n", Some(392_505));
        check("18446744073709551615 0 0\n", Some(u64::MAX));
        check("", None);
        check("-1 2 3\n", None);
        check("cpu 2 3\n", None);
    }

    #[test]
    fn a_new_thread_counts_whole_and_an_ended_one_not_at_all() {
        let earlier = Cpu([(1, 100), (2, 500)].into());
        let later = Cpu([(1, 150), (3, 7)].into());
        assert_eq!(later.since(&earlier), Duration::from_nanos(57));
    }

    #[test]
    fn resident_memory_is_read_in_kilobytes() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t1\n").unwrap(), 1234 * 1024);
        assert!(resident("Name:\tx\n").is_err());
    }

    #[test]
    fn the_admin_listener_is_read_from_the_state_file() {
        let state = "{\n  \"pid\": 7,\n  \"admin\": \"127.0.0.1:81\"\n}\n";
        assert_eq!(admin(state).unwrap(), SocketAddr::from(([127, 0, 0, 1], 81)));
        assert!(admin(r#"{"pid":7,"admin":null}"#).is_err());
        assert!(admin("{}").is_err());
    }

    #[test]
    fn half_a_port_file_is_no_port() {
        assert_eq!(port("80"), None);
        assert_eq!(port("8080\n"), Some(8080));
    }
}
