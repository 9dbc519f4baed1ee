//! A gateway to be attacked: its configuration, and what attacks do with it.

use crate::{
    args::Hostile,
    load::{Peer, frame_of},
    process::{Program, Server},
};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    cell::Cell,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// What `limits.memory` is set to: half of a small machine's.
const MEMORY: usize = 128 << 20;
const MEMORY_KEY: &str = "memory = \"128MiB\"\n";
const ADMIN_KEY: &str = "hostile";
/// In smoke, everything is a twentieth.
const SMOKE: usize = 20;
/// The default of `plugin.NAME.memory`, of which the neighbour's plugin has one.
pub(super) const PLUGIN_MEMORY: usize = 16 << 20;
const HTTP_WITHIN: Duration = Duration::from_secs(30);
/// Longer than `limits.reply`, after which the gateway answers in the plugin's place.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);

/// What all attacks of a run share.
#[derive(Debug)]
pub(super) struct Grounds {
    gateway: PathBuf,
    guests: PathBuf,
    cache: TempDir,
    /// How long an attack lasts.
    pub(super) lasts: Duration,
    smoke: bool,
    /// Whether this gateway knows `limits.memory`.
    has_budget: bool,
}

/// What an attack puts into the configuration.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) text: String,
    /// The memory of its plugins' instances.
    pub(super) memory: usize,
}

/// One gateway, and the folder with its plugins' files.
#[derive(Debug)]
pub(super) struct Arena<'a> {
    pub(super) grounds: &'a Grounds,
    pub(super) server: Server,
    pub(super) admin: SocketAddr,
    /// When the attack is to end.
    until: Cell<Instant>,
    memory: usize,
    folder: TempDir,
}

impl Grounds {
    pub(super) fn new(wish: &Hostile) -> Result<Self> {
        let found = |path: &Path| {
            path.canonicalize().with_context(|| format!("there is no `{}`", path.display()))
        };
        let (gateway, guests) = (found(&wish.gateway)?, found(&wish.guests)?);
        let seconds = if wish.smoke { wish.seconds.div_ceil(SMOKE as u64) } else { wish.seconds };
        Ok(Self {
            has_budget: knows_budget(&gateway)?,
            gateway,
            guests,
            cache: tempfile::tempdir()?,
            lasts: Duration::from_secs(seconds),
            smoke: wish.smoke,
        })
    }

    /// A number of things, or a twentieth of it.
    pub(super) fn count(&self, full: usize) -> usize {
        if self.smoke { full.div_ceil(SMOKE) } else { full }
    }

    /// What this gateway does not have, so that nobody wonders.
    pub(super) fn lacks(&self) -> Option<String> {
        (!self.has_budget).then(|| "this gateway has no `limits.memory`".to_owned())
    }

    pub(super) fn guest(&self, name: &str) -> Result<PathBuf> {
        let file = self.guests.join(format!("{name}.wasm"));
        ensure!(file.is_file(), "there is no `{}`: run `cargo xtask guests`", file.display());
        Ok(file)
    }
}

/// Asks the gateway itself, whose answer to an unknown key is an error.
fn knows_budget(gateway: &Path) -> Result<bool> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tengen.toml");
    fs::write(&file, format!("[limits]\n{MEMORY_KEY}"))?;
    let mut check = std::process::Command::new(gateway);
    check.arg("check").arg("--config").arg(&file).current_dir(folder.path());
    let output = check.output().with_context(|| format!("cannot start `{}`", gateway.display()))?;
    Ok(output.status.success())
}

impl<'a> Arena<'a> {
    pub(super) async fn start(
        grounds: &'a Grounds,
        part: fn(&Grounds, &Path) -> Result<Part>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let part = part(grounds, folder.path())?;
        let memory = if grounds.has_budget { MEMORY_KEY } else { "" };
        let near = grounds.guest("echo")?;
        let config = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n\n[admin]\nlisten = \"127.0.0.1:0\"\nkeys = [\"{ADMIN_KEY}\"]\n\n\
             [limits]\nconnections = 19000\n{memory}\n[[endpoint]]\npath = \"/ws\"\n\n[plugin.near]\nfile = '{}'\n\n\
             [[route]]\nevent = \"near/*\"\nplugin = \"near\"\n{}",
            near.display(),
            part.text
        );
        let program = Program {
            file: &grounds.gateway,
            arguments: vec!["serve".into()],
            config: Some(config),
            cache: Some(grounds.cache.path()),
            pinned: false,
        };
        let server = Server::start(&program).context("the gateway")?;
        let admin = server.admin()?;
        let until = Cell::new(Instant::now());
        Ok(Self { grounds, server, admin, until, memory: part.memory, folder })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(super) fn resident(&self) -> Result<u64> {
        self.server.resident()
    }

    /// The attack's time begins now: to be called again when what it needs is set up.
    pub(super) fn begin(&self) {
        self.until.set(Instant::now() + self.grounds.lasts);
    }

    /// When the attack's time is up.
    pub(super) fn until(&self) -> Instant {
        self.until.get()
    }

    /// Whether it is.
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until()
    }

    pub(super) fn count(&self, full: usize) -> usize {
        self.grounds.count(full)
    }

    /// What the configuration lets the gateway take beside what it has at rest.
    pub(super) fn budget(&self) -> u64 {
        (MEMORY + PLUGIN_MEMORY + self.memory) as u64
    }

    /// The file of a plugin of this arena.
    pub(super) fn file(&self, plugin: &str) -> PathBuf {
        self.folder.path().join(format!("{plugin}.wasm"))
    }

    /// Has a plugin loaded again. An error says what the gateway answered.
    pub(super) async fn reload(&self, plugin: &str) -> Result<()> {
        let answer = self.http("POST", &format!("/plugins/{plugin}/reload")).await?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.lines().next().unwrap_or_default();
        ensure!(
            status.contains(" 200 "),
            "{status}: {}",
            body.chars().take(300).collect::<String>()
        );
        Ok(())
    }

    /// What the admin listener says.
    pub(super) async fn http(&self, method: &str, path: &str) -> Result<String> {
        let asked = async {
            let mut stream = TcpStream::connect(self.admin).await?;
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {ADMIN_KEY}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                self.admin
            );
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        timeout(HTTP_WITHIN, asked).await.with_context(|| format!("{path}: no answer"))?
    }
}

/// Copies a guest to where a plugin of this name has its file, and configures it.
pub(super) fn plugin(
    grounds: &Grounds,
    folder: &Path,
    (name, guest): (&str, &str),
    keys: &str,
) -> Result<Part> {
    let file = folder.join(format!("{name}.wasm"));
    fs::copy(grounds.guest(guest)?, &file)?;
    let text = format!("\n[plugin.{name}]\nfile = '{}'\n{keys}\n", file.display());
    Ok(Part { text, memory: PLUGIN_MEMORY })
}

/// A handler that gets what begins with its name, and may publish there.
pub(super) fn handler(
    grounds: &Grounds,
    folder: &Path,
    (name, guest): (&str, &str),
    megabytes: usize,
) -> Result<Part> {
    let keys = format!("memory = \"{megabytes}MiB\"\ngrant = {{ publish = [\"{name}/*\"] }}");
    let mut part = plugin(grounds, folder, (name, guest), &keys)?;
    part.memory = megabytes << 20;
    part.text += &format!("\n[[route]]\nevent = \"{name}/*\"\nplugin = \"{name}\"\n");
    Ok(part)
}

/// Asks and waits for the answer, whatever it says; what comes in between is passed over.
pub(super) async fn ask(peer: &mut Peer, id: &str, data: &str, callback: &str) -> Result<Vec<u8>> {
    peer.send(&frame_of(&format!(r#"[["{id}",{data}],"{callback}"]"#))).await?;
    answer(peer, callback).await
}

/// Waits for the answer to a callback.
pub(super) async fn answer(peer: &mut Peer, callback: &str) -> Result<Vec<u8>> {
    let end = format!("\"{callback}\"]");
    let mut answers = until(peer, |payload| payload.ends_with(end.as_bytes())).await?;
    answers.pop().context("no answer")
}

/// Waits for so many answers, in whatever order.
pub(super) async fn answers(peer: &mut Peer, count: usize) -> Result<Vec<Vec<u8>>> {
    let mut missing = count;
    let last = |payload: &[u8]| {
        missing -= usize::from(is_answer(payload));
        missing == 0
    };
    let mut all = until(peer, last).await?;
    all.retain(|payload| is_answer(payload));
    Ok(all)
}

/// What was sent up to the frame that is waited for.
async fn until(peer: &mut Peer, mut last: impl FnMut(&[u8]) -> bool) -> Result<Vec<Vec<u8>>> {
    let mut payloads = Vec::new();
    let wait = async {
        loop {
            while let Some((_, payload)) = peer.pop()? {
                payloads.push(payload.to_vec());
                if last(payload) {
                    return Ok(());
                }
            }
            peer.fill().await?;
        }
    };
    match timeout(ANSWER_WITHIN, wait).await {
        Ok(Ok(())) => Ok(payloads),
        Ok(Err(error)) => Err(error),
        Err(_) => bail!("no answer within {ANSWER_WITHIN:?}"),
    }
}

/// A callback is text; what the gateway says unasked ends with null.
fn is_answer(payload: &[u8]) -> bool {
    payload.ends_with(b"\"]")
}
