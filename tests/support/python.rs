//! The example client for Python, as a process: lines in, lines out.

use crate::{client::PATIENCE, repository::root, skip::skip};
use anyhow::{Context, Result, bail};
use std::{
    env,
    path::PathBuf,
    process::{ExitStatus, Stdio},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

/// The formats in which the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// Python's standard library is enough.
    Json,
    /// With the package `msgpack`.
    Msgpack,
}

impl Speaks {
    fn word(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Msgpack => "msgpack",
        }
    }
}

/// A client that runs until this is dropped.
#[derive(Debug)]
pub struct Talker {
    process: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Talker {
    /// Starts `examples/python/talk.py`. None: no Python here can run it, which has been noted ([`skip`]).
    pub async fn start(speaks: Speaks, url: &str) -> Result<Option<Self>> {
        let Some(python) = find(speaks).await? else { return Ok(None) };
        let mut command = Command::new(python);
        if speaks == Speaks::Json {
            // Nothing that is installed beside the standard library can be imported.
            command.arg("-S");
        }
        let mut process = command
            .arg(root().join("examples/python/talk.py"))
            .args(["--patience", "3", "--format", speaks.word(), url])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start Python")?;
        let input = process.stdin.take();
        let output = process.stdout.take().context("no output")?;
        Ok(Some(Self { process, input, output: BufReader::new(output).lines() }))
    }

    pub async fn say(&mut self, line: &str) -> Result<()> {
        let input = self.input.as_mut().context("its input has ended")?;
        Ok(input.write_all(format!("{line}\n").as_bytes()).await?)
    }

    /// The next line that it prints.
    pub async fn hear(&mut self) -> Result<String> {
        let line = timeout(PATIENCE, self.output.next_line()).await;
        line.context("waiting for a line")??.context("it has ended")
    }

    /// The next line, which has to begin like this.
    pub async fn hears(&mut self, expected: &str) -> Result<String> {
        let line = self.hear().await.with_context(|| format!("waiting for `{expected}`"))?;
        if !line.starts_with(expected) {
            bail!("expected `{expected}`, heard `{line}`");
        }
        Ok(line)
    }

    /// Ends its input, and waits until it has ended itself.
    pub async fn end(mut self) -> Result<ExitStatus> {
        self.input = None;
        Ok(timeout(PATIENCE, self.process.wait()).await.context("waiting for its end")??)
    }
}

/// The first Python that can run the client: `TENGEN_PYTHON`, the PATH's, the system's.
async fn find(speaks: Speaks) -> Result<Option<PathBuf>> {
    let named = env::var_os("TENGEN_PYTHON").map(PathBuf::from);
    let (needs, missing, remedy) = match speaks {
        Speaks::Json => (
            "import sys; assert sys.version_info >= (3, 11)",
            "no Python 3.11",
            "`apt-get install python3`",
        ),
        Speaks::Msgpack => (
            "import sys, msgpack; assert sys.version_info >= (3, 11)",
            "no Python 3.11 with the package `msgpack`",
            "`apt-get install python3-msgpack`",
        ),
    };
    for python in named.into_iter().chain(["python3".into(), "/usr/bin/python3".into()]) {
        let mut command = Command::new(&python);
        command.args(["-c", needs]).stderr(Stdio::null()).kill_on_drop(true);
        if command.status().await.is_ok_and(|status| status.success()) {
            return Ok(Some(python));
        }
    }
    let remedy = format!("{remedy}, or set TENGEN_PYTHON to one");
    skip(&format!("the Python client in {}", speaks.word()), missing, &remedy)?;
    Ok(None)
}
