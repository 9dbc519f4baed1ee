//! Component files as operators put them in place: named twice, checked before they serve, compiled by who is killed.

use anyhow::{Context, Result, ensure};
use std::{
    ffi::OsString,
    fs,
    io::{Cursor, Write},
    net::TcpListener,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};
use support::{client::PATIENCE, gateway, guests};
use tengen::{self as cli, Exit, Io};
use tengen_engine::Compiler;
use tengen_server::{
    admin::state::{State, beside},
    gateway::{Gateway, Options},
};
use tengen_settings::{Plugin, Settings, Sink};
use tokio::{
    runtime::Handle,
    time::{sleep, timeout},
};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Carries out a command line of a user with this cache folder; what it printed, notes and results.
async fn tengen(args: &[&str], cache: &Path, compiler: Compiler) -> (Exit, String) {
    let (written, cache) = (Written::default(), cache.to_str().unwrap().to_owned());
    let io = Io {
        out: Box::new(written.clone()),
        err: Box::new(written.clone()),
        input: Box::new(Cursor::new(Vec::new())),
        env: Box::new(move |name| (name == "XDG_CACHE_HOME").then(|| cache.clone())),
        compiler,
    };
    let args = ["tengen"].iter().chain(args).map(OsString::from);
    let exit = cli::run(args, io).await;
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    (exit, text)
}

#[tokio::test]
async fn a_name_in_the_folder_and_in_the_configuration_is_refused_with_both_paths() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (ours, plugins) = (folder.path().join("ours.wasm"), folder.path().join("plugins"));
    let theirs = plugins.join("chat.wasm");
    fs::create_dir(&plugins)?;
    guests::install("handler_echo", &ours)?;
    guests::install("chat", &theirs)?;
    let mut settings = Settings { plugin_folder: Some(plugins.clone()), ..Settings::default() };
    settings.plugins.insert("chat".into(), Plugin::new(&ours));
    let both =
        |text: &str| [&ours, &theirs].iter().all(|file| text.contains(file.to_str().unwrap()));
    let why = gateway::start(settings).await.err().context("it does not start")?.to_string();
    ensure!(why.contains("plugin.chat: the name is given twice") && both(&why), "{why}");

    let config = folder.path().join("tengen.toml");
    fs::write(&config, format!("[plugin.chat]\nfile = {ours:?}\n"))?;
    let args =
        ["check", "--config", config.to_str().unwrap(), "--plugins", plugins.to_str().unwrap()];
    let (exit, said) = tengen(&args, &folder.path().join("cache"), Compiler::InProcess).await;
    ensure!(exit == Exit::Wrong && said.contains("given twice") && both(&said), "{said}");
    Ok(())
}

#[tokio::test]
async fn what_was_checked_is_not_compiled_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("echo.wasm");
    guests::install("handler_echo", &file)?;
    let cache = folder.path().join("cache");
    let (folder, file) = (folder.path().to_str().unwrap(), file.to_str().unwrap());
    let (exit, said) = tengen(&["check", "--plugins", folder], &cache, Compiler::InProcess).await;
    ensure!(exit == Exit::Ok, "{said}");
    let nobody = || Compiler::child("/nonexistent/compiler");
    for args in [
        &["check", "--plugins", folder][..],
        &["plugin", "inspect", file],
        &["plugin", "list", "--plugins", folder],
    ] {
        let (exit, said) = tengen(args, &cache, nobody()).await;
        ensure!(exit == Exit::Ok, "{args:?}: {said}");
    }
    let (exit, said) = tengen(&["plugin", "inspect", file], Path::new("/nowhere"), nobody()).await;
    ensure!(exit == Exit::Wrong && said.contains("`/nonexistent/compiler` failed"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_component_whose_compiler_was_killed_is_tried_again() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (program, plugins) = (folder.path().join("program"), folder.path().join("plugins"));
    fs::create_dir(&plugins)?;
    guests::install("handler_echo", &plugins.join("echo.wasm"))?;
    // Written by another process: who holds a file open for writing keeps it from being run.
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod +x \"$0\"";
    let lines = "echo once >>\"$0.runs\"; kill -9 $$";
    let written = Command::new("sh").args(["-c", write]).arg(&program).arg(lines).status()?;
    ensure!(written.success());
    let settings = Settings { plugin_folder: Some(plugins), ..Settings::default() };
    let options = Options { compiler: Compiler::child(&program), ..Options::default() };
    let gateway = gateway::start_with(settings, options).await?;
    let again = async {
        let runs = || fs::read_to_string(folder.path().join("program.runs")).unwrap_or_default();
        while runs().lines().count() < 3 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, again).await.context("it is not tried again")?;
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_task_behind() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broken = folder.path().join("broken.wasm");
    fs::write(&broken, "no component")?;
    let good = || -> Result<Settings> {
        let mut settings = Settings::default();
        settings.plugins.insert("a".into(), guests::plugin("handler_echo")?);
        settings.plugins.insert("every".into(), guests::plugin("every_role")?);
        Ok(settings)
    };
    let mut no_plugin = good()?;
    no_plugin.plugins.insert("z".into(), Plugin::new(&broken));
    let mut no_sink = good()?;
    for plugin in ["every", "a"] {
        let sink = Sink { buffer: 16.try_into()?, ..Sink::of_plugin(plugin) };
        no_sink.telemetry.sinks.push(sink);
    }
    let mut no_port_file = good()?;
    no_port_file.server.port_file = Some(folder.path().join("nowhere").join("port"));
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for (settings, expected) in
        [(no_plugin, "broken.wasm"), (no_sink, "telemetry-sink"), (no_port_file, "port file")]
    {
        let why = gateway::start(settings).await.err().context("it does not start")?.to_string();
        ensure!(why.contains(expected) || expected == "broken.wasm", "{why}");
        ensure!(tasks() == before, "{} tasks are left, {before} were there: {why}", tasks());
    }
    Ok(())
}

// In a container, each gateway has the number of the one before.
#[tokio::test]
async fn a_left_port_file_goes_although_its_gateway_had_the_number_of_this_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port_file = folder.path().join("port");
    let taken = TcpListener::bind("127.0.0.1:0")?;
    fs::write(&port_file, "1\n")?;
    let (pid, listen) = (std::process::id(), taken.local_addr()?);
    let left = State { pid, listen, admin: None };
    let state_file = beside(&port_file);
    let text = {
        let _written = left.write(Some(&port_file), &folder.path().join("run"));
        fs::read(&state_file)?
    };
    // Nobody holds it any more.
    fs::write(&state_file, text)?;
    let mut settings = Settings { admin: None, ..Settings::default() };
    (settings.server.listen, settings.server.port_file) = (listen, Some(port_file.clone()));
    let started = Gateway::start(settings, Options::default()).await;
    ensure!(started.is_err() && !port_file.exists(), "its port is taken");
    Ok(())
}
