//! `examples/auth-backend` as its README runs it: its plugin, its configuration, and its backend in Python.

use anyhow::{Context as _, Result, ensure};
use std::process::Stdio;
use support::{client::Client, gateway, guests, repository::root, skip::skip};
use tengen_settings::{Host, Settings, config};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

/// The backend, on a port that the system chose.
async fn backend() -> Result<Option<(Child, u16)>> {
    let mut command = Command::new("python3");
    command.args(["-S"]).arg(root().join("examples/auth-backend/backend.py")).arg("0");
    command.stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let Ok(mut process) = command.spawn() else {
        skip("the example with a backend", "no python3", "`apt-get install python3`")?;
        return Ok(None);
    };
    let mut lines = BufReader::new(process.stdout.take().context("its output")?).lines();
    let line = lines.next_line().await?.context("it says where it is")?;
    let port = line.trim_end_matches("/who").rsplit(':').next().context("a port")?.parse()?;
    Ok(Some((process, port)))
}

/// What the example's configuration says, with the backend's port and the component of this build.
fn settings(port: u16) -> Result<Settings> {
    let file = root().join("examples/auth-backend/tengen.toml");
    let mut settings = config::load(&file, &|_| None)?.settings;
    let auth = settings.plugins.get_mut("auth").context("the plugin")?;
    ensure!(auth.file.ends_with("target/guests/auth-backend.wasm"), "{}", auth.file.display());
    auth.file = guests::path("auth-backend")?;
    let url = auth.config.get_mut("backend").context("its config")?;
    *url = url.replace(":8090/", &format!(":{port}/"));
    let host = format!("http://127.0.0.1:{port}");
    auth.grant.http = vec![Host::read(&host, true).map_err(anyhow::Error::msg)?];
    Ok(settings)
}

async fn meet(gateway: &gateway::Running, query: &str) -> Result<Result<String, u16>> {
    let offered = [("sec-websocket-protocol", "tengen.v1.json")];
    Ok(match Client::try_open(gateway.address(), &format!("/ws{query}"), &offered).await? {
        Ok(mut client) => Ok(client.next_json().await?[0][1][0].to_string()),
        Err(refused) => Err(refused.status),
    })
}

#[tokio::test]
async fn the_example_lets_in_whom_its_backend_knows_and_says_when_it_is_dead() -> Result<()> {
    let Some((mut process, port)) = backend().await? else { return Ok(()) };
    let gateway = gateway::start(settings(port)?).await?;
    ensure!(meet(&gateway, "?token=a-token-of-ann").await? == Ok("\"ann\"".into()));
    ensure!(meet(&gateway, "?token=a-token-of-bob").await? == Ok("\"bob\"".into()));
    ensure!(meet(&gateway, "?token=somebody-elses").await? == Err(401));
    ensure!(meet(&gateway, "").await? == Err(401));
    process.kill().await?;
    ensure!(meet(&gateway, "?token=a-token-of-ann").await? == Err(503));
    gateway.drain().await;
    Ok(())
}
