//! `tengen plugin`: what plugins there are and how they do, from the running gateway or from files.

use super::{Exit, Files, Io, Plugin, Running, check::components, find, inspect::Inspector};
use crate::{admin::client::ClientError, config, settings::Cache};
use serde_json::Value;
use std::{
    error::Error,
    path::{Path, PathBuf},
};

pub(super) async fn run(command: Plugin, io: &mut Io) -> Exit {
    let done = match command {
        Plugin::List { running, files } => list(&running, &files, io).await,
        Plugin::Inspect { what, running, files } => inspect(&what, &running, &files, io).await,
        Plugin::Reload { name, running, key } => reload(&name, &running, key, io).await,
    };
    done.unwrap_or_else(|error| {
        io.error(&*error);
        Exit::Failed
    })
}

type Done = Result<Exit, Box<dyn Error + Send + Sync>>;

/// The plugins of the running gateway; none when no gateway runs and nobody said that one does.
async fn ask(
    running: &Running,
    io: &Io,
) -> Result<Option<Vec<Value>>, Box<dyn Error + Send + Sync>> {
    let client = match find::client(running, io) {
        Ok(client) => client,
        Err(error) if error.is_none() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    match client.plugins().await? {
        Value::Array(plugins) => Ok(Some(plugins)),
        _ => Err("the gateway's answer is not a list of plugins; is it of another version?".into()),
    }
}

async fn list(running: &Running, files: &Files, io: &mut Io) -> Done {
    // Who names files wants to know of the files.
    let named = files.config.is_some() || files.plugins.is_some();
    if !named {
        let Some(plugins) = ask(running, io).await? else {
            io.note(
                "error: no running gateway was found; name its admin listener with --admin ADDR,",
            );
            io.note("       or read files with --config FILE or --plugins DIR");
            return Ok(Exit::Failed);
        };
        if plugins.is_empty() {
            io.say("the running gateway has no plugins");
        }
        plugins.iter().for_each(|plugin| line_of(plugin).into_iter().for_each(|line| io.say(line)));
        return Ok(Exit::Ok);
    }
    io.note("read from files, not from a running gateway:");
    let (named, cache) = named_files(files, io)?;
    let mut inspector = Inspector::new(&cache, io);
    let mut exit = Exit::Ok;
    for (name, file) in named {
        match inspector.file(&file).await {
            Ok(found) => io.say(format_args!("{name:<16} {}", super::inspect::summary(&found))),
            Err(why) => {
                io.say(format_args!("{name:<16} broken: {why}"));
                exit = Exit::Wrong;
            }
        }
    }
    Ok(exit)
}

/// The plugins that configuration and folder name, and where what they are compiled to is kept.
fn named_files(files: &Files, io: &Io) -> Result<Named, Box<dyn Error + Send + Sync>> {
    let (mut named, mut cache) = (Vec::new(), Cache::default());
    if let Some(file) = &files.config {
        let settings = config::load(file, &io.env)?.settings;
        cache = settings.server.cache;
        let plugins = settings.plugins;
        named.extend(plugins.into_iter().map(|(name, plugin)| (name.to_string(), plugin.file)));
    }
    if let Some(folder) = &files.plugins {
        let name =
            |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        named.extend(components(folder)?.into_iter().map(|file| (name(&file), file)));
    }
    Ok((named, cache))
}

type Named = (Vec<(String, PathBuf)>, Cache);

/// A plugin on one line, and below it what went wrong last.
fn line_of(plugin: &Value) -> Vec<String> {
    let text = |key: &str| match plugin.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join(","),
        Some(Value::Null) | None => "-".to_owned(),
        Some(other) => other.to_string(),
    };
    let mut lines = vec![format!(
        "{:<16} {:<12} {} {} ({}), generation {}, {} events, {} errors",
        text("name"),
        text("state"),
        text("component"),
        text("version"),
        text("roles"),
        text("generation"),
        text("events"),
        text("errors"),
    )];
    if plugin.get("breaker").is_some_and(|phase| phase != "closed") {
        lines.push(format!(
            "  it keeps failing: its breaker is {}, opened {} times",
            text("breaker"),
            text("breaker_opened")
        ));
    }
    if plugin.get("lost_states").and_then(Value::as_u64).is_some_and(|lost| lost > 0) {
        lines.push(format!(
            "  it lost its state with an instance that failed, {} times",
            text("lost_states")
        ));
    }
    if let Some(refused) = plugin.get("refused_by_reason").and_then(refused) {
        lines.push(format!("  refused effects: {refused}"));
    }
    if let Some(declined) = plugin.get("declined_by_reason").and_then(counts) {
        lines.push(format!("  declined events: {declined}"));
    }
    if let Some(message) = plugin.pointer("/last_error/message") {
        let message = message.as_str().unwrap_or_default();
        lines.push(format!("  last error: {}", message.replace('\n', "\n    ")));
    }
    lines
}

/// Counts by name, as `3 not-allowed, 1 closed`; none when there are none.
fn counts(counts: &Value) -> Option<String> {
    let counts = counts.as_object().filter(|counts| !counts.is_empty())?;
    let each: Vec<_> = counts.iter().map(|(name, count)| format!("{count} {name}")).collect();
    Some(each.join(", "))
}

/// Counts by reason and kind, as `not-allowed (3 push, 1 close), closed (1 push)`.
fn refused(refused: &Value) -> Option<String> {
    let reasons = refused.as_object().filter(|reasons| !reasons.is_empty())?;
    let each: Vec<_> = reasons
        .iter()
        .map(|(reason, kinds)| format!("{reason} ({})", counts(kinds).unwrap_or_default()))
        .collect();
    Some(each.join(", "))
}

async fn inspect(what: &str, running: &Running, files: &Files, io: &mut Io) -> Done {
    let path = Path::new(what);
    if path.extension().is_some_and(|extension| extension == "wasm") || path.is_file() {
        return inspect_file(path, &Cache::default(), io).await;
    }
    if files.config.is_none() && files.plugins.is_none() {
        let Some(plugins) = ask(running, io).await? else {
            io.note(format_args!("error: no running gateway was found that could know a plugin `{what}`; name its admin"));
            io.note("       listener with --admin ADDR, or read files with --config FILE or --plugins DIR");
            return Ok(Exit::Failed);
        };
        let named = |plugin: &&Value| plugin.get("name").and_then(Value::as_str) == Some(what);
        let Some(plugin) = plugins.iter().find(named) else {
            let names: Vec<_> =
                plugins.iter().filter_map(|plugin| plugin.get("name")?.as_str()).collect();
            io.note(format_args!(
                "error: the running gateway has no plugin `{what}`, only: {}",
                names.join(", ")
            ));
            return Ok(Exit::Wrong);
        };
        io.say(format_args!("{plugin:#}"));
        return Ok(Exit::Ok);
    }
    let (named, cache) = named_files(files, io)?;
    match named.iter().find(|(name, _)| name == what) {
        Some((_, file)) => inspect_file(file, &cache, io).await,
        None => {
            let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
            io.note(format_args!(
                "error: there is no plugin `{what}` in these files, only: {}",
                names.join(", ")
            ));
            Ok(Exit::Wrong)
        }
    }
}

async fn inspect_file(file: &Path, cache: &Cache, io: &mut Io) -> Done {
    match Inspector::new(cache, io).file(file).await {
        Ok(found) => {
            io.note(format_args!("read from `{}`, not from a running gateway:", file.display()));
            io.say(format_args!("{:#}", serde_json::to_value(&found)?));
            Ok(Exit::Ok)
        }
        Err(why) => {
            io.note(format_args!("error: `{}`: {why}", file.display()));
            Ok(Exit::Wrong)
        }
    }
}

async fn reload(name: &str, running: &Running, key: Option<String>, io: &mut Io) -> Done {
    let client = find::client(running, io)?;
    let key = key.or_else(|| (io.env)("TENGEN_API_KEY"));
    match client.reload(name, key.as_deref()).await {
        Ok(plugin) => {
            line_of(&plugin).into_iter().for_each(|line| io.say(line));
            Ok(Exit::Ok)
        }
        Err(ClientError::Refused { status, why }) if status == http::StatusCode::CONFLICT => {
            io.note(format_args!("error: `{name}` is not reloaded: {why}"));
            Ok(Exit::Failed)
        }
        Err(error) => Err(error.into()),
    }
}
