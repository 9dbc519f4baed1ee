//! Proxies in front of a gateway, as `examples/proxy` has them configured.

use crate::{
    client::PATIENCE,
    repository::{read, root},
};
use anyhow::{Context, Result, bail};
use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, timeout},
};

/// Where systems keep programs that are not everybody's, besides the PATH.
const MORE_FOLDERS: [&str; 2] = ["/usr/sbin", "/usr/local/sbin"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Haproxy,
    Nginx,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Haproxy, Self::Nginx];

    fn program(self) -> &'static str {
        match self {
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
        }
    }

    fn file(self) -> &'static str {
        match self {
            Self::Haproxy => "haproxy.cfg",
            Self::Nginx => "nginx.conf",
        }
    }
}

/// A proxy that runs until this is dropped.
#[derive(Debug)]
pub struct Proxy {
    pub address: SocketAddr,
    _process: Child,
    _folder: tempfile::TempDir,
}

impl Proxy {
    /// Starts a proxy in front of a gateway with its example's configuration, in which only the ports are others. None:
    /// it is not installed, which has been noted ([`crate::skip::skip`]).
    pub async fn start(kind: Kind, gateway: SocketAddr, admin: SocketAddr) -> Result<Option<Self>> {
        let name = kind.program();
        let Some(program) = find(name) else {
            let remedy = format!("`apt-get install {name}`");
            crate::skip::skip(&format!("tests behind {name}"), "it is not installed", &remedy)?;
            return Ok(None);
        };
        // A port that was free a moment ago may be taken: then it is tried with another.
        for _ in 0..3 {
            if let Some(proxy) = Self::try_start(kind, &program, gateway, admin).await? {
                return Ok(Some(proxy));
            }
        }
        bail!("{name} did not start");
    }

    async fn try_start(
        kind: Kind,
        program: &Path,
        gateway: SocketAddr,
        admin: SocketAddr,
    ) -> Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let file = folder.path().join(kind.file());
        fs::write(&file, configuration(kind, address, gateway, admin)?)?;
        let mut command = Command::new(program);
        match kind {
            Kind::Haproxy => command.arg("-f").arg(&file),
            Kind::Nginx => command
                .arg("-p")
                .arg(folder.path())
                .arg("-c")
                .arg(&file)
                .args(["-g", "daemon off;"]),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true).current_dir(root());
        let mut process = command.spawn().with_context(|| format!("cannot start {kind:?}"))?;
        let started = Instant::now();
        let mut looks = tokio::time::interval(std::time::Duration::from_millis(20));
        while started.elapsed() < PATIENCE {
            looks.tick().await;
            if process.try_wait()?.is_some() {
                return Ok(None);
            }
            if timeout(PATIENCE, TcpStream::connect(address)).await?.is_ok() {
                return Ok(Some(Self { address, _process: process, _folder: folder }));
            }
        }
        bail!("{kind:?} runs and does not listen")
    }
}

/// The example's file with the ports of this test.
fn configuration(
    kind: Kind,
    address: SocketAddr,
    gateway: SocketAddr,
    admin: SocketAddr,
) -> Result<String> {
    let mut text = read(&format!("examples/proxy/{}", kind.file()))?;
    let admin_port = format!("port {}", admin.port());
    let mut ports =
        vec![("127.0.0.1:8000", address.to_string()), ("127.0.0.1:8080", gateway.to_string())];
    if kind == Kind::Haproxy {
        ports.push(("port 8081", admin_port));
    }
    for (written, real) in ports {
        if !text.contains(written) {
            bail!("{kind:?}: `{written}` does not stand in its file any more");
        }
        text = text.replace(written, &real);
    }
    Ok(text)
}

fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(MORE_FOLDERS.map(PathBuf::from));
    folders.map(|folder| folder.join(name)).find(|program| program.is_file())
}
