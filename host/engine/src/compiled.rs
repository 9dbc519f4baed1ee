//! A component made ready to run: read, checked for what it is, compiled, its imports linked, its roles found.

use super::{
    bindings::{self, PACKAGE, VERSION},
    code::Code,
    engine::{Engine, refusal},
    error::PluginError,
    format,
    meter::Ticks,
    state::State,
    text::plain,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{fmt, path::Path, sync::Arc};
use tengen_settings::file;
use tokio::sync::Semaphore;
use wasmtime::component::InstancePre;

/// What a plugin is to the gateway: an interface that it exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Handler,
    Authenticator,
    Sink,
}

impl Role {
    /// The word in logs and messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::Authenticator => "authenticator",
            Self::Sink => "sink",
        }
    }
}

/// The roles' words, for a message.
pub(super) fn words(roles: &[Role]) -> String {
    roles.iter().map(|role| role.word()).collect::<Vec<_>>().join(", ")
}

/// SHA-256 of a component's bytes: its revision.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Hash([u8; 32]);

impl Hash {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The first twelve digits: enough to tell revisions apart.
    pub(super) fn short(self) -> String {
        self.to_string().chars().take(12).collect()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A component ready to be instantiated, and where its exports are.
pub(super) struct Compiled {
    pub(super) pre: InstancePre<State>,
    /// The clock that interrupts its instances.
    pub(super) ticks: Ticks,
    /// Places for them.
    pub(super) places: Arc<Semaphore>,
    pub(super) plugin: bindings::plugin::GuestIndices,
    pub(super) handler: Option<bindings::handling::handler::GuestIndices>,
    pub(super) authenticator: Option<bindings::authenticator::GuestIndices>,
    pub(super) sink: Option<bindings::telemetry_sink::GuestIndices>,
    pub(super) snapshot: Option<bindings::snapshot::GuestIndices>,
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
    pub(super) hash: Hash,
    pub(super) size: usize,
    /// What its stack takes of its memory, where that can be seen.
    pub(super) stack: Option<usize>,
}

impl Compiled {
    pub(super) fn roles(&self) -> Vec<Role> {
        [
            self.handler.is_some().then_some(Role::Handler),
            self.authenticator.is_some().then_some(Role::Authenticator),
            self.sink.is_some().then_some(Role::Sink),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The longest name of a function, in bytes: what WebAssembly allows for every other name.
const NAME_MAX: usize = 100_000;

/// A component as it was read: not compiled, but told to be one by its outermost sections.
pub(super) struct Source {
    pub(super) bytes: Arc<[u8]>,
    pub(super) hash: Hash,
}

impl Source {
    /// Reads a file; never more than the limit.
    pub(super) fn read(engine: &Engine, path: &Path) -> Result<Self, PluginError> {
        let failed = |source| PluginError::Read { file: path.to_owned(), source };
        let limit = engine.limits().component_bytes;
        let (bytes, metadata) = file::read(path, limit.saturating_add(1)).map_err(failed)?;
        if bytes.len() > limit {
            return Err(PluginError::FileTooLarge { size: metadata.len(), limit });
        }
        check(&bytes)?;
        Ok(Self { hash: Hash::of(&bytes), bytes: bytes.into() })
    }
}

/// What can be told without compiling: whether it is a component, whether what it imports is offered, and whether its
/// modules have what modules may have.
fn check(bytes: &[u8]) -> Result<(), PluginError> {
    format::check(bytes)?;
    check_imports(&format::imports(bytes))?;
    let memories = format::memories(bytes);
    if memories > 1 {
        return Err(PluginError::Memories { found: memories });
    }
    // wasmtime copies it at each trap, once for each frame that is kept.
    match format::longest_name(bytes) {
        size if size > NAME_MAX => Err(PluginError::FunctionName { size, limit: NAME_MAX }),
        _ => Ok(()),
    }
}

/// Makes code executable and checks what it imports and exports.
pub(super) fn link(engine: &Engine, source: &Source, code: &Code) -> Result<Compiled, PluginError> {
    let component = code.load(engine)?;
    let ty = component.component_type();
    let names =
        |items: &mut dyn Iterator<Item = &str>| items.map(str::to_owned).collect::<Vec<_>>();
    let imports = names(&mut ty.imports(engine.wasm()).map(|(name, _)| name));
    let exports = names(&mut ty.exports(engine.wasm()).map(|(name, _)| name));
    check_names(&imports, &exports)?;
    let pre = engine
        .linker()
        .instantiate_pre(&component)
        .map_err(|error| PluginError::Link { offered: VERSION, source: error.into() })?;
    component
        .initialize_copy_on_write_image()
        .map_err(|error| PluginError::Engine(error.into()))?;
    let compiled = Compiled {
        plugin: found("plugin", &exports, || bindings::plugin::GuestIndices::new(&pre))?
            .ok_or_else(|| other_world(&exports))?,
        handler: found("handler", &exports, || {
            bindings::handling::handler::GuestIndices::new(&pre)
        })?,
        authenticator: found("authenticator", &exports, || {
            bindings::authenticator::GuestIndices::new(&pre)
        })?,
        sink: found("telemetry-sink", &exports, || {
            bindings::telemetry_sink::GuestIndices::new(&pre)
        })?,
        snapshot: found("snapshot", &exports, || bindings::snapshot::GuestIndices::new(&pre))?,
        hash: source.hash,
        size: source.bytes.len(),
        stack: format::stack(&source.bytes),
        ticks: engine.ticks().clone(),
        places: Arc::clone(engine.places()),
        pre,
        imports,
        exports,
    };
    if compiled.roles().is_empty() {
        return Err(PluginError::NoRole { exports: listed(&compiled.exports) });
    }
    Ok(compiled)
}

/// All of it at once and in this process.
#[cfg(any(test, fuzzing))]
pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Compiled, PluginError> {
    check(bytes)?;
    let source = Source { hash: Hash::of(bytes), bytes: bytes.into() };
    link(engine, &source, &Code::compile(engine.wasm(), bytes).expect("it compiles"))
}

/// The interface's place among the exports, if it is there.
fn found<T>(
    interface: &'static str,
    exports: &[String],
    indices: impl FnOnce() -> wasmtime::Result<T>,
) -> Result<Option<T>, PluginError> {
    if !exports.iter().any(|export| interface_of(export).is_some_and(|(name, _)| name == interface))
    {
        return Ok(None);
    }
    let unfit = |error: wasmtime::Error| PluginError::Export {
        interface,
        offered: VERSION,
        source: error.into(),
    };
    indices().map(Some).map_err(unfit)
}

/// Checks the names alone: what they say wrong is said better here than by the linker.
fn check_names(imports: &[String], exports: &[String]) -> Result<(), PluginError> {
    for name in imports.iter().chain(exports) {
        if interface_of(name).is_some_and(|(_, version)| !is_of_our_track(version)) {
            return Err(PluginError::Version { wanted: shown(name), offered: VERSION });
        }
    }
    if !exports.iter().any(|export| interface_of(export).is_some_and(|(name, _)| name == "plugin"))
    {
        return Err(other_world(exports));
    }
    check_imports(imports)
}

/// Checks the names of imports: of which version they are, and whether they are offered.
fn check_imports(imports: &[impl AsRef<str>]) -> Result<(), PluginError> {
    for name in imports.iter().map(AsRef::as_ref) {
        if interface_of(name).is_some_and(|(_, version)| !is_of_our_track(version)) {
            return Err(PluginError::Version { wanted: shown(name), offered: VERSION });
        }
        if let Some(why) = refusal(name) {
            return Err(PluginError::Import { name: shown(name), why });
        }
    }
    Ok(())
}

/// The interface and the version of a name in our package.
fn interface_of(name: &str) -> Option<(&str, &str)> {
    let (interface, version) = name.strip_prefix(PACKAGE)?.strip_prefix('/')?.split_once('@')?;
    Some((interface, version))
}

/// `0.1.7` fits `0.1.0`; `0.2.0` and `0.1.0-rc` do not.
fn is_of_our_track(version: &str) -> bool {
    let track = |version: &str| version.rsplit_once('.').map(|(track, _)| track.to_owned());
    track(version) == track(VERSION) && !version.contains('-')
}

/// A name for a message: whoever made the component chose it, and its length.
fn shown(name: &str) -> String {
    plain(name, 128)
}

fn other_world(exports: &[String]) -> PluginError {
    PluginError::OtherWorld { exports: listed(exports), offered: VERSION }
}

fn listed(exports: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut shown =
        exports.iter().take(SHOWN).map(|name| format!("`{}`", shown(name))).collect::<Vec<_>>();
    match exports.len().saturating_sub(SHOWN) {
        0 if shown.is_empty() => return "nothing".into(),
        0 => {}
        more => shown.push(format!("{more} more")),
    }
    plain(&shown.join(", "), 1024)
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled")
            .field("hash", &self.hash)
            .field("roles", &self.roles())
            .finish_non_exhaustive()
    }
}
