//! `tengen plugin`: what plugins there are and how they do, from the running gateway or from files.

use super::{
    Exit, Files, Inspect, Io, Plugin, Running, bench,
    check::components,
    find,
    inspect::Inspector,
    shown::{line_of, of_file, of_running},
    wit,
};
use serde_json::Value;
use std::{
    error::Error,
    path::{Path, PathBuf},
    time::SystemTime,
};
use tengen_server::admin::client::ClientError;
use tengen_settings::{Cache, config};

pub(super) async fn run(command: Plugin, io: &mut Io) -> Exit {
    let done = match command {
        Plugin::List { running, files } => list(&running, &files, io).await,
        Plugin::Inspect(args) => inspect(&args, io).await,
        Plugin::Reload { name, running, key } => reload(&name, &running, key, io).await,
        Plugin::Bench(args) => Ok(bench::run(&args, io).await),
        Plugin::Wit { dir, force } => write_wit(&dir, force, io),
    };
    done.unwrap_or_else(|error| {
        io.error(&*error);
        Exit::Failed
    })
}

fn write_wit(dir: &Path, force: bool, io: &mut Io) -> Done {
    let written = wit::write(dir, force)?;
    io.say(format_args!("{written} files of `tengen:gateway@0.1.0` are in `{}`", dir.display()));
    Ok(Exit::Ok)
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
        plugins.iter().flat_map(line_of).for_each(|line| io.say(line));
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

async fn inspect(args: &Inspect, io: &mut Io) -> Done {
    let Inspect { what, running, files, json } = args;
    let path = Path::new(what);
    if path.extension().is_some_and(|extension| extension == "wasm") || path.is_file() {
        return inspect_file(path, &Cache::default(), *json, io).await;
    }
    if files.config.is_none() && files.plugins.is_none() {
        let Some(plugins) = ask(running, io).await? else {
            io.note(format_args!("error: no running gateway was found that could know a plugin `{what}`; name its admin"));
            io.note("       listener with --admin ADDR, or read files with --config FILE or --plugins DIR");
            return Ok(Exit::Failed);
        };
        let named = |plugin: &&Value| plugin.get("name").and_then(Value::as_str) == Some(&**what);
        let Some(plugin) = plugins.iter().find(named) else {
            let names: Vec<_> =
                plugins.iter().filter_map(|plugin| plugin.get("name")?.as_str()).collect();
            io.note(format_args!(
                "error: the running gateway has no plugin `{what}`, only: {}",
                names.join(", ")
            ));
            return Ok(Exit::Wrong);
        };
        match json {
            true => io.say(format_args!("{plugin:#}")),
            false => of_running(plugin, SystemTime::now()).iter().for_each(|line| io.say(line)),
        }
        return Ok(Exit::Ok);
    }
    let (named, cache) = named_files(files, io)?;
    match named.iter().find(|(name, _)| *name == *what) {
        Some((_, file)) => inspect_file(file, &cache, *json, io).await,
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

async fn inspect_file(file: &Path, cache: &Cache, json: bool, io: &mut Io) -> Done {
    match Inspector::new(cache, io).file(file).await {
        Ok(found) => {
            io.note(format_args!("read from `{}`, not from a running gateway:", file.display()));
            match json {
                true => io.say(format_args!("{:#}", serde_json::to_value(&found)?)),
                false => of_file(&found).iter().for_each(|line| io.say(line)),
            }
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
    // A line end is that of the file from which the variable comes; no key has one.
    match client.reload(name, key.as_deref().map(str::trim)).await {
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
