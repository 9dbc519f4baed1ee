//! The shipped authenticator, and settings that change while connections are open.

use anyhow::{Context, Result};
use serde_json::json;
use std::{fs, path::Path};
use support::{
    client::{Client, Refused},
    gateway, guests,
};
use tengen_server::gateway::Options;
use tengen_settings::{Endpoint, Settings, config};
use tengen_wire::dialect::Dialect;

const SECRET: &str = "a secret of thirty-two bytes at least";
/// `{"sub":"alice","role":"admin","exp":4102444800}`, signed with [`SECRET`] by another implementation.
const ALICE: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsInJvbGUiOiJhZG1pbiIsImV4cCI6NDEwMjQ0NDgwMH0.ViqjRK5bTg7uEbaapi3JqGRQdkfVmVscntExSyENE9k";
/// The same, but `"exp":1000000000`: the year 2001.
const EXPIRED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6MTAwMDAwMDAwMH0.lSrkWrKYuTRuiZngFvVeKeL7oXSaBz2PruKXA3GUqdg";

async fn with_token_auth() -> Result<gateway::Running> {
    let mut auth = guests::plugin("token-auth")?;
    auth.config.insert("secret".into(), SECRET.into());
    let mut endpoint = Endpoint::new("/ws", Dialect::Tengen);
    endpoint.authenticator = Some("token-auth".into());
    endpoint.anonymous = false;
    let mut settings = Settings { endpoints: vec![endpoint.into()], ..Settings::default() };
    settings.plugins.insert("token-auth".into(), auth);
    gateway::start(settings).await
}

async fn refused(gateway: &gateway::Running, protocols: &str) -> Result<Refused> {
    let headers = [("sec-websocket-protocol", protocols)];
    Client::try_open(gateway.address(), "/ws", &headers).await?.err().context("it was let in")
}

#[tokio::test]
async fn a_token_opens_the_connection_and_names_the_user() -> Result<()> {
    let gateway = with_token_auth().await?;
    let protocols = format!("tengen.v1.json, tengen.token.{ALICE}");
    let mut client =
        Client::open(gateway.address(), "/ws", &[("sec-websocket-protocol", &protocols)]).await?;
    assert_eq!(client.subprotocol.as_deref(), Some("tengen.v1.json"), "the token is not echoed");
    let handshake = client.next_json().await?;
    assert_eq!(handshake[0][1][0], "alice");
    assert_eq!(client.ask("a/b", json!(1)).await?, 1);
    let bearer = format!("Bearer {ALICE}");
    let headers = [("authorization", &*bearer), ("sec-websocket-protocol", "tengen.v1.edn")];
    let mut client = Client::open(gateway.address(), "/ws", &headers).await?;
    let handshake = client.next_text().await?;
    assert!(handshake.starts_with(r#"[[:chsk/handshake ["alice" nil {"#), "{handshake}");
    gateway.drain().await;
    Ok(())
}

#[tokio::test]
async fn without_a_good_token_the_answer_is_401_with_a_reason() -> Result<()> {
    let gateway = with_token_auth().await?;
    let forged = ALICE.replace("ViqjRK5bTg7u", "ViqjRK5bTg7v");
    for (token, reason) in [(None, "token"), (Some(EXPIRED), "expired"), (Some(&*forged), "signed")]
    {
        let protocols = match token {
            Some(token) => format!("tengen.v1.json, tengen.token.{token}"),
            None => "tengen.v1.json".to_owned(),
        };
        let refused = refused(&gateway, &protocols).await?;
        assert_eq!(refused.status, 401, "{refused:?}");
        assert!(refused.body.contains(reason), "no `{reason}` in {refused:?}");
        assert!(!refused.body.contains("eyJ"), "the token is not repeated: {refused:?}");
    }
    assert_eq!(gateway.gateway.stats()["connections"]["rejected"], 3);
    gateway.drain().await;
    Ok(())
}

/// A chat with this greeting, as its operator writes it.
fn write_config(file: &Path, greeting: &str, message: &str) -> Result<()> {
    let chat = guests::path("chat")?;
    let text = format!(
        "[limits]\nmessage = {message:?}\n[plugin.chat]\nfile = {chat:?}\n\
         config = {{ greeting = {greeting:?} }}\ngrant = {{ publish = [\"room/*\"] }}\n\
         [[route]]\nevent = \"*\"\nplugin = \"chat\"\n"
    );
    Ok(fs::write(file, text)?)
}

#[tokio::test]
async fn a_changed_plugin_setting_is_used_at_once_and_the_rest_asks_for_a_restart() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tengen.toml");
    write_config(&file, "Welcome", "1MiB")?;
    let settings = config::load(&file, &|_| None)?.settings;
    let options = Options { config_file: Some(file.clone()), ..Options::default() };
    let gateway = gateway::start_with(settings, options).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    let welcome = client.ask("chat/join", json!({ "room": "tea", "name": "ann" })).await?;
    assert_eq!(welcome["greeting"], "Welcome");

    write_config(&file, "Ahoy", "2MiB")?;
    let done = gateway.gateway.reload().await.map_err(anyhow::Error::msg)?;
    let said = client.ask("chat/say", json!({ "text": "hi" })).await?;
    assert_eq!(said["greeting"], "Ahoy", "{done:?}");
    assert_eq!(said["room"], "tea", "the room was handed over");

    write_config(&file, "Ahoy", "lots")?;
    let why = gateway.gateway.reload().await.expect_err("the file has a mistake");
    assert!(why.contains("limits.message"), "{why}");
    assert_eq!(client.ask("chat/say", json!({ "text": "still here" })).await?["greeting"], "Ahoy");
    gateway.drain().await;
    Ok(())
}
