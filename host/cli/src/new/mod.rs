//! `tengen new`: a folder with a plugin, its tests, a page and all that it is built from.

mod files;
mod language;
mod sdk;
mod tools;

use super::{Exit, Io, wit};
use clap::Args;
use language::{Language, Role};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tengen_wire::id::is_reserved;

/// The longest name: it is that of a crate, of a plugin, and of a namespace of events.
const NAME_MAX: usize = 40;

/// What is to be made.
#[derive(Debug, Args)]
pub(super) struct New {
    /// The plugin's name, which its events begin with: lower-case letters, digits and dashes
    name: String,
    /// What it is written in: rust, js, python, c or go
    #[arg(long, value_name = "LANGUAGE", default_value = "rust", value_parser = Language::parse)]
    lang: Language,
    /// What it is to the gateway: handler, or authenticator (in Rust)
    #[arg(long, default_value = "handler", value_parser = Role::parse)]
    role: Role,
    /// The folder to make; without it, one of the plugin's name, here
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Why nothing is made, or not all.
#[derive(Debug, thiserror::Error)]
enum NewError {
    #[error(
        "`{0}` is no name for a plugin: write 1 to {NAME_MAX} lower-case letters, digits and dashes, a letter first"
    )]
    Name(String),
    #[error("`{0}` is a word of Rust, by which no crate can be called; choose another name")]
    Word(String),
    #[error("events that begin with `{0}/` are the gateway's; choose another name")]
    Reserved(String),
    #[error("there is a template for an authenticator in Rust alone: leave out --lang")]
    Role,
    #[error("`{}` is there already: choose another name, or another folder by --dir", .0.display())]
    There(PathBuf),
    #[error("`{}` cannot be written", path.display())]
    Unwritable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Wit(#[from] wit::WitError),
}

pub(super) fn run(args: &New, io: &mut Io) -> Exit {
    match make(args) {
        Ok(dir) => {
            tell(args, &dir, io);
            Exit::Ok
        }
        Err(error) => {
            io.error(&error);
            match error {
                NewError::Unwritable { .. } | NewError::Wit(_) => Exit::Failed,
                NewError::Name(_)
                | NewError::Word(_)
                | NewError::Reserved(_)
                | NewError::Role
                | NewError::There(_) => Exit::Wrong,
            }
        }
    }
}

/// Writes the folder. Nothing is ever overwritten.
fn make(args: &New) -> Result<PathBuf, NewError> {
    check(&args.name, args.lang)?;
    if args.role == Role::Authenticator && args.lang != Language::Rust {
        return Err(NewError::Role);
    }
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let unwritable = |path: &PathBuf, source| NewError::Unwritable { path: path.clone(), source };
    if let Some(above) = dir.parent() {
        fs::create_dir_all(above).map_err(|source| unwritable(&dir, source))?;
    }
    fs::create_dir(&dir).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => NewError::There(dir.clone()),
        _ => unwritable(&dir, source),
    })?;
    for (name, text) in files::of(&args.name, args.lang, args.role) {
        let path = dir.join(name);
        let written = path.parent().map_or(Ok(()), fs::create_dir_all);
        written
            .and_then(|()| fs::write(&path, text))
            .map_err(|source| unwritable(&path, source))?;
    }
    wit::write(&dir.join("wit"), false)?;
    Ok(dir)
}

fn check(name: &str, language: Language) -> Result<(), NewError> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase()) && !name.ends_with('-');
    if !begins || name.len() > NAME_MAX || !name.chars().all(fits) {
        return Err(NewError::Name(name.to_owned()));
    }
    if is_reserved(&format!("{name}/say")) {
        return Err(NewError::Reserved(name.to_owned()));
    }
    match language == Language::Rust && language::is_word_of_rust(name) {
        true => Err(NewError::Word(name.to_owned())),
        false => Ok(()),
    }
}

/// What was made, what is missing on this machine, and what comes next.
fn tell(args: &New, dir: &Path, io: &mut Io) {
    let New { name, lang, role, .. } = args;
    io.say(format_args!("`{}` is a {} in {}", dir.display(), role.word(), lang.word()));
    io.say(format_args!("  {:<24} the plugin", lang.source()));
    let script = format!("tests/{name}.jsonl");
    io.say(format_args!("  {script:<24} what it is to decide"));
    if *role == Role::Handler {
        io.say(format_args!("  {:<24} a page to try it", "page/"));
    }
    io.say(format_args!("  {:<24} the gateway's configuration", "tengen.toml"));
    io.say(format_args!("  {:<24} the rest, and these commands", "README.md"));
    for tools::Missing { what, remedy } in tools::missing(*lang, &io.env) {
        io.note(format_args!("missing on this machine: {what}; install it by: {remedy}"));
    }
    io.say("next:");
    io.say(format_args!("  cd {}", dir.display()));
    lang.build(name).iter().for_each(|line| io.say(format_args!("  {line}")));
    io.say("  tengen test");
    let then = if *role == Role::Handler { "     # then open http://127.0.0.1:8080/" } else { "" };
    io.say(format_args!("  tengen serve --config tengen.toml{then}"));
}

#[cfg(test)]
mod tests;
