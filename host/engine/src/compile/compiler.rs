//! Where components are compiled: in this process, or in a child that may take only so much.
//!
//! A component decides how much work its compiler has. In a child that costs one reload its result: the child has its
//! own limits (`child`), and is killed when it takes too long, gives back too much, or nobody waits for it any more.

use super::{
    child::{NO_MEMORY, REFUSED, REFUSED_ASYNC},
    code::{Code, Fingerprint, NoCode},
};
use crate::{
    error::{Cause, PluginError},
    space::Space,
};
use rustix::process::Signal;
use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, Command},
    task::spawn_blocking,
    time::timeout,
};

/// The program's word for being the child; not for people.
pub const COMPILE: &str = "compile";
/// A child may wait for a processor this many times as long as it computes.
const WAITS: u32 = 3;
/// Machine code may have so many times the bytes of the largest component.
const CODE: usize = 4;
/// The longest text of a child, in bytes.
const TEXT: u64 = 8 << 10;

/// How components are compiled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Compiler {
    /// In this process, without limits: for tests, and for components that one trusts.
    #[default]
    InProcess,
    /// In a child process.
    Child {
        /// This program, by its whole path: its main function hands the arguments after [`COMPILE`] to
        /// [`crate::compile_as_child`].
        program: PathBuf,
        /// Memory of the child, in bytes.
        memory: usize,
        /// Processor time of the child. Three times as much may pass.
        time: Duration,
    },
}

impl Compiler {
    /// A child with room for the largest interpreters: 2 GiB, and a minute of processor time.
    pub fn child(program: impl Into<PathBuf>) -> Self {
        Self::Child { program: program.into(), memory: 2 << 30, time: Duration::from_secs(60) }
    }
}

/// What is asked of a compiler, beside the component.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) wasm: wasmtime::Engine,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) space: Space,
    /// The largest component file, in bytes.
    pub(crate) component_bytes: usize,
}

impl Compiler {
    /// From a component's bytes to machine code. Given up, it leaves no child behind.
    pub(crate) async fn compile(
        &self,
        order: &Order,
        component: Arc<[u8]>,
    ) -> Result<Code, PluginError> {
        match self {
            Self::InProcess => {
                let wasm = order.wasm.clone();
                let work = move || Code::compile(&wasm, &component);
                let ended = PluginError::NotRunning { why: "the compiler ended without a result" };
                spawn_blocking(work).await.map_err(|_| ended)?.map_err(|why| match why {
                    NoCode::Refused(text) => PluginError::Invalid(Cause::new(&text)),
                    NoCode::Async(text) => PluginError::AsyncAbi(Cause::new(&text)),
                    NoCode::Memory => PluginError::Engine(Cause::new("out of memory")),
                })
            }
            Self::Child { program, memory, time } => {
                let job = Job {
                    program,
                    memory: *memory,
                    time: *time,
                    code: order.component_bytes.saturating_mul(CODE),
                    fingerprint: order.fingerprint,
                    space: order.space,
                };
                job.run(&component).await
            }
        }
    }
}

/// One component for one child.
struct Job<'a> {
    program: &'a Path,
    memory: usize,
    time: Duration,
    /// The most bytes of machine code.
    code: usize,
    fingerprint: Fingerprint,
    space: Space,
}

/// What a child has said.
struct Said {
    code: Vec<u8>,
    text: String,
    status: ExitStatus,
}

impl Job<'_> {
    async fn run(&self, component: &[u8]) -> Result<Code, PluginError> {
        let mut child = self.spawn().map_err(|error| self.failed(error.to_string()))?;
        let talked = timeout(self.time.saturating_mul(WAITS), self.talk(&mut child, component));
        let said = talked.await.unwrap_or(Err(PluginError::CompileTime { limit: self.time }));
        if said.is_err() {
            // It may have ended already; what counts is that it is gone.
            child.kill().await.ok();
        }
        self.judge(said?)
    }

    fn spawn(&self) -> io::Result<Child> {
        Command::new(self.program)
            .arg0("tengen")
            .arg(COMPILE)
            .args([self.memory.to_string(), self.seconds().to_string()])
            .args((self.space == Space::Narrow).then_some(Space::NARROW))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    /// The system counts processor time in whole seconds.
    fn seconds(&self) -> u64 {
        self.time.as_secs() + u64::from(self.time.subsec_nanos() > 0)
    }

    async fn talk(&self, child: &mut Child, component: &[u8]) -> Result<Said, PluginError> {
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let code = async {
            let code = take(output, self.code as u64 + Fingerprint::LEN as u64 + 1).await;
            let excess = code.len() > self.code.saturating_add(Fingerprint::LEN);
            if excess { Err(PluginError::CompileSize { limit: self.code }) } else { Ok(code) }
        };
        let given = async {
            give(input, component).await;
            Ok(())
        };
        let text = async { Ok(take(errors, TEXT).await) };
        let ((), code, text) = tokio::try_join!(given, code, text)?;
        let status = child.wait().await.map_err(|error| self.failed(error.to_string()))?;
        Ok(Said { code, text: String::from_utf8_lossy(&text).into_owned(), status })
    }

    fn judge(&self, said: Said) -> Result<Code, PluginError> {
        let Said { mut code, text, status } = said;
        if status.success() {
            let own = code.starts_with(self.fingerprint.bytes());
            return if own {
                code.drain(..Fingerprint::LEN);
                Ok(Code::of_child(code))
            } else {
                Err(self.failed(
                    "it is of another version than this gateway: restart the gateway".into(),
                ))
            };
        }
        let exited = |code: u8| status.code() == Some(code.into());
        if exited(REFUSED) {
            return Err(PluginError::Invalid(Cause::new(text.trim())));
        }
        if exited(REFUSED_ASYNC) {
            return Err(PluginError::AsyncAbi(Cause::new(text.trim())));
        }
        let killed_by = |signal: Signal| status.signal() == Some(signal.as_raw());
        if killed_by(Signal::XCPU) {
            return Err(PluginError::CompileTime { limit: self.time });
        }
        // What Rust says when an allocation fails, before it aborts.
        if text.contains("memory allocation of") || text.contains(NO_MEMORY) {
            return Err(PluginError::CompileMemory { limit: self.memory });
        }
        Err(self.failed(format!("{status}: {}", text.trim())))
    }

    fn failed(&self, why: String) -> PluginError {
        PluginError::Compiler { program: self.program.to_owned(), source: Cause::new(&why) }
    }
}

/// A child that does not want to hear it all says why itself.
async fn give(input: Option<ChildStdin>, component: &[u8]) {
    if let Some(mut input) = input {
        input.write_all(component).await.ok();
    }
}

/// What comes until the end, at most so much: when reading fails, the child's exit says more.
async fn take<R: AsyncRead + Unpin>(from: Option<R>, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(most).read_to_end(&mut bytes).await.ok();
    }
    bytes
}
