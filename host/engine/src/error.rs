//! What can go wrong between the gateway and a plugin.

use crate::{kept::Revived, text::Size, trap::story::Story};
use rustix::io::Errno;
use std::{fmt, io, path::PathBuf, time::Duration};
use tengen_core::meter::Broken;
use tengen_wire::id::PluginName;

/// Why a component cannot be a plugin, or a plugin cannot do what it was asked.
///
/// `Display` prints this level only; [`PluginError::explain`] adds the causes.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    #[error("`{}` cannot be read", file.display())]
    Read { file: PathBuf, source: io::Error },
    #[error("the file has {size} bytes, more than the {limit} that a component may have")]
    FileTooLarge { size: u64, limit: usize },
    #[error("not a WebAssembly component: {found}")]
    NotWasm { found: &'static str },
    #[error(
        "a core WebAssembly module, not a component: wrap it with `wasm-tools component new`, or build it for wasm32-wasip2"
    )]
    CoreModule,
    #[error("a precompiled file: only `.wasm` components are taken, as their code is checked here")]
    Precompiled,
    #[error(
        "the component ends in the middle of a section: it was cut off, or is still being written"
    )]
    Incomplete,
    #[error("the component is not valid, or needs a WebAssembly feature that is off here")]
    Invalid(#[source] Cause),
    #[error(
        "the component is built for the asynchronous component ABI, which this gateway does not take: \
         rebuild it with synchronous exports (`jco componentize --backend-qjs-disable-async`, or a synchronous world)"
    )]
    AsyncAbi(#[source] Cause),
    #[error(
        "the component is built for `{wanted}`; this gateway offers `tengen:gateway@{offered}`: \
         rebuild it with the interface of this gateway"
    )]
    Version { wanted: String, offered: &'static str },
    #[error(
        "not a Tengen plugin: it does not export `tengen:gateway/plugin@{offered}` (it exports {exports})"
    )]
    OtherWorld { exports: String, offered: &'static str },
    #[error(
        "the plugin has no role: it exports none of `handler`, `authenticator` and `telemetry-sink` (it exports {exports})"
    )]
    NoRole { exports: String },
    #[error("the component imports `{name}`: {why}")]
    Import { name: String, why: &'static str },
    #[error(
        "what the component imports does not fit what this gateway (`tengen:gateway@{offered}`) offers"
    )]
    Link {
        offered: &'static str,
        #[source]
        source: Cause,
    },
    #[error("the exported `{interface}` does not fit `tengen:gateway@{offered}`")]
    Export {
        interface: &'static str,
        offered: &'static str,
        #[source]
        source: Cause,
    },
    #[error(
        "the plugin begins with {wanted} bytes of memory, more than the {limit} it may have: raise its `memory`{stack}"
    )]
    Memory { wanted: usize, limit: usize, stack: Stack },
    #[error("the system has no randomness for the plugin")]
    NoChance,
    #[error("the directory `{}` granted to the plugin cannot be opened", dir.display())]
    Directory { dir: PathBuf, source: Cause },
    #[error(
        "all plugins together run as many instances as there are places, which are counted when the gateway starts: start \
         it again where plugins or instances came since; where the log told at the start that addresses are few, raise \
         their limit (`ulimit -v`, `LimitAS=` of a service) before; else raise `limits.plugin_instances`, run fewer \
         plugins, or lower `plugin.NAME.instances` where it is set"
    )]
    NoRoom(#[source] Cause),
    #[error(
        "there are too few addresses left for the memory of one more instance: raise the limit of addresses (`ulimit -v`, \
         `LimitAS=` of a service) or of data (`ulimit -d`, `LimitDATA=`), or run fewer plugins"
    )]
    NoAddresses(#[source] Cause),
    #[error(
        "a module of the component has {found} memories, and may have one: build it without multi-memory, or link its \
         modules to one memory"
    )]
    Memories { found: u32 },
    #[error(
        "a function of the component has a name of {size} bytes, more than the {limit} that it may have: build it with \
         shorter names, or without any"
    )]
    FunctionName { size: usize, limit: usize },
    #[error("the component cannot be instantiated")]
    Instantiate(#[source] Cause),
    #[error("the plugin's `describe` gives too much as `{what}`: {found}")]
    Described { what: &'static str, found: Excess },
    #[error("the plugin's `{function}` failed")]
    Call { function: &'static str, source: CallError },
    #[error("the plugin's `{function}` refused: {message}")]
    Refused { function: &'static str, message: String },
    #[error(
        "the new version has the roles {new}, the running one {old}: a reload keeps the roles; restart the gateway"
    )]
    Roles { old: String, new: String },
    #[error("{why}")]
    Instances { why: String },
    #[error(
        "the state has {size} bytes, more than the {limit} of the plugin's `memory`: raise that, or keep less"
    )]
    StateTooLarge { size: usize, limit: usize },
    #[error("the running version lost its instance at saving")]
    StateLost {
        /// What the new instance of the old version has of its state; none: none could be started.
        state: Option<Revived>,
        #[source]
        source: Box<PluginError>,
    },
    #[error("{why}; nothing was changed: try again later")]
    Busy { why: &'static str },
    #[error("the plugin's instance does not run: {why}")]
    NotRunning { why: &'static str },
    #[error(
        "compiling the component took more than {limit:?} of processor time and was given up: \
         build it optimised and without debug information, or make it smaller"
    )]
    CompileTime { limit: Duration },
    #[error(
        "compiling the component took more than the {limit} bytes of memory that it may and was given up: \
         build it optimised and without debug information, or make it smaller"
    )]
    CompileMemory { limit: usize },
    #[error(
        "the component's machine code has more than the {limit} bytes that it may: make the component smaller"
    )]
    CompileSize { limit: usize },
    #[error("the compiler `{}` failed", program.display())]
    Compiler { program: PathBuf, source: Cause },
    #[error("files cannot be watched")]
    Watch(#[source] Cause),
    #[error("the WebAssembly engine cannot start")]
    Engine(#[source] Cause),
}

/// What a plugin's stack takes of its memory, where that is why it has too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stack(Option<usize>);

impl Stack {
    /// A stack of so many bytes, as far as it is known, in a memory of so many.
    pub(super) fn of(bytes: Option<usize>, limit: usize) -> Self {
        Self(bytes.filter(|bytes| *bytes >= limit / 2))
    }
}

impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = self.0 else { return Ok(()) };
        write!(
            f,
            ", or give it a smaller stack, which takes {bytes} of them (zig, whose default is 16 MiB: `--stack 65536`; \
             wasm-ld: `-z stack-size=65536`)"
        )
    }
}

/// More than there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Excess {
    pub(super) found: usize,
    pub(super) limit: usize,
    pub(super) of: &'static str,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, where {} are allowed", self.found, self.of, self.limit)
    }
}

impl PluginError {
    /// Whether it may go well without another file or other settings: it is worth trying again.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Read { source, .. } => source.kind() != io::ErrorKind::NotFound,
            Self::Compiler { .. }
            | Self::Busy { .. }
            | Self::NoRoom { .. }
            | Self::NoAddresses { .. } => true,
            _ => false,
        }
    }

    /// What serves after a reload that ended so.
    pub fn aftermath(&self) -> &'static str {
        match self {
            Self::StateLost { state: Some(Revived::Recovered), .. } => {
                "the reload failed, and the old version goes on with a new instance that has its state"
            }
            Self::StateLost { state: Some(Revived::Restored(_)), .. } => {
                "the reload failed, and the old version goes on with a new instance that has what was saved last of its state"
            }
            Self::StateLost { state: Some(Revived::Empty), .. } => {
                "the reload failed, and the old version goes on with a new instance: its state is gone"
            }
            Self::StateLost { state: None, .. } => {
                "the reload failed, and the old version lost its instance and cannot be started again now"
            }
            _ => "the reload failed, the old version goes on",
        }
    }

    /// The whole story in one line: this error and its causes, fit for a log and a terminal. Of a call that broke the reason
    /// comes first.
    pub fn explain(&self) -> String {
        if let Self::Call { function, source } = self {
            return source.told(function);
        }
        let mut story = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            story.push_str(": ");
            story.push_str(&error.to_string());
            cause = error.source();
        }
        story
    }
}

/// Why a call into a plugin gave no result. After any of them the instance is gone.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("trapped: {}", .0.reason())]
    Trapped(Cause),
    #[error("ran out of memory: the limit of {} (`plugin.{plugin}.memory`)", Size(*limit))]
    OutOfMemory { plugin: PluginName, limit: usize, source: Cause },
    #[error(
        "ran out of addresses for its memory: raise their limit (`ulimit -v`, `LimitAS=` of a service) or that of data \
         (`ulimit -d`, `LimitDATA=`), or run fewer plugins"
    )]
    OutOfAddresses(Cause),
    /// It has done its work, so what it did to its state is done.
    #[error("trapped: what it returned cannot be read: {}", .0.reason())]
    Unreadable(Cause),
    #[error("over its deadline of {limit:?} (`plugin.{plugin}.deadline`)")]
    Overrun {
        plugin: PluginName,
        /// That of all events of the call together.
        limit: Duration,
        /// Where it was: now and then.
        source: Option<Cause>,
    },
    #[error(
        "over its deadline: it did not return within {limit:?}, waiting included (`plugin.{plugin}.deadline`)"
    )]
    TimedOut { plugin: PluginName, limit: Duration },
    #[error("returned more than {}, or handed the gateway as much in one call", Size(*limit))]
    TooMuch { limit: usize },
}

impl CallError {
    /// In one line: the reason, the function that was called, where it was, and what the guest wrote.
    fn told(&self, function: &str) -> String {
        let story = self.story();
        let trapped = matches!(self, Self::Trapped(_));
        let panic = story.and_then(|story| story.panic.as_deref()).filter(|_| trapped);
        let reason = match panic {
            Some(panic) => panic.to_owned(),
            None => self.to_string(),
        };
        let told = story.map(Story::told).unwrap_or_default();
        format!("{reason}; `{function}` failed{told}")
    }

    /// What makes it another one than that before: not where a guest was that computed for too long.
    pub(super) fn gist(&self, function: &str) -> String {
        match self {
            Self::Overrun { .. } => format!("{self}; `{function}` failed"),
            _ => self.told(function),
        }
    }

    fn story(&self) -> Option<&Story> {
        match self {
            Self::Trapped(cause)
            | Self::OutOfMemory { source: cause, .. }
            | Self::OutOfAddresses(cause)
            | Self::Unreadable(cause) => Some(&cause.0),
            Self::Overrun { source, .. } => source.as_ref().map(|cause| &*cause.0),
            Self::TimedOut { .. } | Self::TooMuch { .. } => None,
        }
    }

    pub(super) fn story_mut(&mut self) -> Option<&mut Story> {
        match self {
            Self::Trapped(cause)
            | Self::OutOfMemory { source: cause, .. }
            | Self::OutOfAddresses(cause)
            | Self::Unreadable(cause) => Some(&mut cause.0),
            Self::Overrun { source, .. } => source.as_mut().map(|cause| &mut *cause.0),
            Self::TimedOut { .. } | Self::TooMuch { .. } => None,
        }
    }

    /// The value of `error.type` in spans and of the label in metrics.
    pub fn error_type(&self) -> &'static str {
        match self {
            Self::Trapped(_) | Self::OutOfMemory { .. } | Self::OutOfAddresses(_) => "trap",
            Self::Unreadable(_) => "unreadable",
            Self::Overrun { .. } | Self::TimedOut { .. } => "timeout",
            Self::TooMuch { .. } => "limit-reached",
        }
    }

    /// What it is counted as.
    pub fn kind(&self) -> Broken {
        match self {
            Self::Trapped(_) => Broken::Trapped,
            Self::OutOfMemory { .. } => Broken::OutOfMemory,
            Self::OutOfAddresses(_) => Broken::OutOfAddresses,
            Self::Unreadable(_) => Broken::Unreadable,
            Self::Overrun { .. } => Broken::Overran,
            Self::TimedOut { .. } => Broken::TimedOut,
            Self::TooMuch { .. } => Broken::TooMuch,
        }
    }
}

/// A deeper cause: it may hold what a guest wrote, so it is kept to one bounded line.
#[derive(Debug)]
pub struct Cause(Box<Story>);

impl Cause {
    pub(super) fn new(text: &str) -> Self {
        Self(Box::new(Story::because(text)))
    }

    /// Whether it says where it was.
    pub(super) fn has_places(&self) -> bool {
        self.0.places().next().is_some()
    }

    fn reason(&self) -> &str {
        &self.0.reason
    }
}

impl From<wasmtime::Error> for Cause {
    fn from(error: wasmtime::Error) -> Self {
        Self(Box::new(Story::of(&error)))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Cause {}

/// Whether the system gave no memory, or no addresses for it.
pub(super) fn lacks_addresses(error: &wasmtime::Error) -> bool {
    let system = error.downcast_ref().or_else(|| error.root_cause().downcast_ref::<Errno>());
    error.is::<wasmtime::error::OutOfMemory>() || system == Some(&Errno::NOMEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_addresses_are_lacking_it_is_known_by_the_systems_word() {
        for error in [
            wasmtime::Error::from(Errno::NOMEM),
            wasmtime::Error::from(Errno::NOMEM).context("cannot map").context("a memory"),
        ] {
            assert!(lacks_addresses(&error), "{error:#}");
        }
        assert!(!lacks_addresses(&wasmtime::Error::msg("Cannot allocate memory (os error 12)")));
        assert!(!lacks_addresses(&wasmtime::Error::from(Errno::ACCESS)));
        let told = PluginError::NoAddresses(Cause::new("x")).to_string();
        assert!(told.contains("ulimit -v") && told.contains("LimitAS="), "{told}");
    }

    #[test]
    fn a_stack_is_named_where_it_is_the_cause() {
        let said = |stack: Option<usize>| {
            let stack = Stack::of(stack, 16 << 20);
            PluginError::Memory { wanted: 17 << 20, limit: 16 << 20, stack }.to_string()
        };
        assert!(
            said(Some(16 << 20)).contains("takes 16777216 of them (zig"),
            "{}",
            said(Some(16 << 20))
        );
        assert!(said(Some(1 << 20)).ends_with("raise its `memory`"));
        assert!(said(None).ends_with("raise its `memory`"));
    }

    #[test]
    fn an_explanation_names_every_level_once() {
        let error = PluginError::Call {
            function: "start",
            source: CallError::Trapped(Cause::new("wasm `unreachable`\u{1b}[0m")),
        };
        assert_eq!(error.to_string(), "the plugin's `start` failed");
        assert_eq!(error.explain(), "trapped: wasm `unreachable`\\u{1b}[0m; `start` failed");
    }
}
