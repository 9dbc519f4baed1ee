//! A component made ready to run: read, checked for what it is, compiled, its imports linked, its roles found.

use super::{
    code::Code,
    format,
    names::{check_imports, check_names, interface_of, listed, other_world},
};
use crate::{
    error::PluginError,
    guest::{
        bindings::{self, VERSION},
        data::{Data, Hosting},
    },
    trap::lines::Lines,
};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::{fmt, path::Path, sync::Arc};
use tengen_settings::file;
use wasmtime::component::{InstancePre, Linker};

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
pub(crate) fn words(roles: &[Role]) -> String {
    roles.iter().map(|role| role.word()).collect::<Vec<_>>().join(", ")
}

/// SHA-256 of a component's bytes: its revision.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Hash([u8; 32]);

impl Hash {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The first twelve digits: enough to tell revisions apart.
    pub(crate) fn short(self) -> String {
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
pub(crate) struct Compiled {
    pub(crate) pre: InstancePre<Data>,
    /// What its instances share with all others.
    pub(crate) hosting: Hosting,
    pub(crate) plugin: bindings::plugin::GuestIndices,
    pub(crate) handler: Option<bindings::handling::handler::GuestIndices>,
    pub(crate) authenticator: Option<bindings::authenticator::GuestIndices>,
    pub(crate) sink: Option<bindings::telemetry_sink::GuestIndices>,
    pub(crate) snapshot: Option<bindings::snapshot::GuestIndices>,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    pub(crate) hash: Hash,
    pub(crate) size: usize,
    /// What its stack takes of its memory, where that can be seen.
    pub(crate) stack: Option<usize>,
    pub(crate) lines: Arc<Lines>,
}

impl Compiled {
    pub(crate) fn roles(&self) -> Vec<Role> {
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
pub(crate) struct Source {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) hash: Hash,
}

impl Source {
    /// Reads a file; never more than the limit.
    pub(crate) fn read(path: &Path, limit: usize) -> Result<Self, PluginError> {
        let failed = |source| PluginError::Read { file: path.to_owned(), source };
        let (bytes, metadata) = file::read(path, limit.saturating_add(1)).map_err(failed)?;
        if bytes.len() > limit {
            return Err(PluginError::FileTooLarge { size: metadata.len(), limit });
        }
        Self::of(bytes.into())
    }

    /// Checks what can be told without compiling.
    pub(crate) fn of(bytes: Arc<[u8]>) -> Result<Self, PluginError> {
        check(&bytes)?;
        Ok(Self { hash: Hash::of(&bytes), bytes })
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
pub(crate) fn link(
    linker: &Linker<Data>,
    hosting: &Hosting,
    source: &Source,
    code: &Code,
) -> Result<Compiled, PluginError> {
    let wasm = linker.engine();
    let component = code.load(wasm)?;
    let ty = component.component_type();
    let names =
        |items: &mut dyn Iterator<Item = &str>| items.map(str::to_owned).collect::<Vec<_>>();
    let imports = names(&mut ty.imports(wasm).map(|(name, _)| name));
    let exports = names(&mut ty.exports(wasm).map(|(name, _)| name));
    check_names(&imports, &exports)?;
    let pre = linker
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
        lines: Arc::new(Lines::of(&source.bytes, source.hash.0)),
        hosting: hosting.clone(),
        pre,
        imports,
        exports,
    };
    if compiled.roles().is_empty() {
        return Err(PluginError::NoRole { exports: listed(&compiled.exports) });
    }
    Ok(compiled)
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

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compiled")
            .field("hash", &self.hash)
            .field("roles", &self.roles())
            .finish_non_exhaustive()
    }
}
