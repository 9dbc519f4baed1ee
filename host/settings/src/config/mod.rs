//! Configuration: from the text of a file to checked [`Settings`], with every mistake at once.
//!
//! Reading opens nothing, so that `tengen check` calls the same function as `tengen serve`. An empty file is a working
//! gateway. The keys are declared beside what they set, see `schema`; which tables there are is in `root`, and `read` puts
//! them together.

mod change;
mod dependencies;
mod plugins;
mod print;
mod read;
mod root;

pub use crate::schema::{
    Variables,
    mistakes::{ConfigErrors, Mistake},
    units::{duration, size},
    value::address_remedy,
};
pub use change::{Change, diff};
pub use print::{default_file, table};

use crate::{
    Settings,
    schema::{document::Document, table::Table},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};
use tengen_wire::id::PluginName;
use toml::de::DeTable;

/// A configuration file that can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    pub settings: Settings,
    /// What is allowed and probably not meant.
    pub warnings: Vec<Mistake>,
    /// What is to be hidden in what is said of the settings.
    pub variables: Variables,
}

/// Why a configuration file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read the configuration file `{}`", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{}", .errors.in_file(path))]
    Wrong { path: PathBuf, errors: ConfigErrors },
}

impl ConfigErrors {
    /// The report for a person: how many mistakes, in which file, and each of them.
    pub fn in_file(&self, path: &Path) -> String {
        let count = self.0.len();
        let mistakes = if count == 1 { "mistake" } else { "mistakes" };
        format!("{count} {mistakes} in `{}`:\n{self}", path.display())
    }
}

/// Reads a configuration file; relative paths in it count from its folder.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Parsed, FileError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| FileError::Unreadable { path: path.to_owned(), source })?;
    let base = path.parent().unwrap_or(Path::new(""));
    parse(&text, env, base).map_err(|errors| FileError::Wrong { path: path.to_owned(), errors })
}

/// Reads the text of a configuration file. Opens nothing; `base` is the folder of relative paths.
pub fn parse(
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    base: &Path,
) -> Result<Parsed, ConfigErrors> {
    let Examined { settings, mistakes, warnings, variables, .. } = examine(text, env, base);
    match settings {
        Some(settings) if mistakes.is_empty() => Ok(Parsed { settings, warnings, variables }),
        _ => Err(ConfigErrors(mistakes)),
    }
}

/// All that can be said of a configuration file, right or wrong: for `tengen check`, which looks at the plugins of a
/// file even if other things in it are wrong.
#[derive(Debug)]
pub struct Examined {
    /// What could be read, defaults in place of mistakes; none when the text is no TOML. Run it only without mistakes.
    pub settings: Option<Settings>,
    pub mistakes: Vec<Mistake>,
    pub warnings: Vec<Mistake>,
    /// In which line each plugin's file is named.
    pub plugin_lines: BTreeMap<PluginName, usize>,
    /// What is to be hidden in what is said of the settings.
    pub variables: Variables,
}

/// Like [`parse`], with whatever could be read of a file that is wrong.
pub fn examine(text: &str, env: &dyn Fn(&str) -> Option<String>, base: &Path) -> Examined {
    let document = Document::new(text, root::sections(), env, base);
    let (file, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        document.syntax(error.span(), error.message());
    }
    let mut plugin_lines = BTreeMap::new();
    // What could be recovered of a broken file would only bring mistakes that are none.
    let settings = errors
        .is_empty()
        .then(|| read::settings(&Table::root(&document, file.get_ref()), &mut plugin_lines));
    let (mistakes, warnings) = document.findings();
    Examined { settings, mistakes, warnings, plugin_lines, variables: document.variables() }
}

#[cfg(test)]
mod tests;
