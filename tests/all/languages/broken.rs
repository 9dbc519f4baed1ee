//! What is told of a call that broke: the reason first, then where in the guest's own source it was, and whose event it was.

use super::{languages, start};
use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use support::{client::Client, gateway, guests, repository::read};
use tengen_settings::{Endpoint, Plugin, Settings};
use tokio::time::{interval, timeout};

/// The component that breaks in a language, and its source.
fn broken(language: &str) -> (String, String) {
    let source = match language {
        "rust" => "tests/fixtures/handler_broken/src/lib.rs",
        "c" => "tests/broken/c/broken.c",
        "js" => "tests/broken/js/broken.js",
        "python" => "tests/broken/python/broken.py",
        _ => "tests/broken/go/broken/broken.go",
    };
    let component = match language {
        "rust" => "handler_broken".to_owned(),
        _ => format!("broken_{language}"),
    };
    (component, source.to_owned())
}

/// The number of the line of a source that ends with these words.
fn line(source: &str, words: &str) -> Result<usize> {
    let place = read(source)?.lines().position(|line| line.ends_with(words));
    Ok(place.with_context(|| format!("no line of {source} ends so: {words}"))? + 1)
}

/// What the gateway says of an event that the plugin breaks at, as soon as it begins and goes on like this: lines are not looked
/// up while others are.
async fn told(
    gateway: &gateway::Running,
    client: &mut Client,
    event: &str,
    parts: &[String],
) -> Result<Value> {
    let mut last = Value::Null;
    let tell = async {
        let mut again = interval(Duration::from_millis(20));
        loop {
            again.tick().await;
            let answer = client.ask(event, Value::Null).await?;
            let failed = &answer["tengen/error"];
            ensure!(
                failed["id"] == "plugin-failed" || failed["id"] == "plugin-unavailable",
                "{answer}"
            );
            last = gateway.gateway.plugins()[0]["last_error"].clone();
            let message = last["message"].as_str().unwrap_or_default();
            if parts.iter().all(|part| message.contains(part)) {
                ensure!(message.starts_with(&parts[0]), "the reason comes first: {message}");
                return Ok(last.clone());
            }
        }
    };
    let told = timeout(Duration::from_secs(30), tell).await;
    let plugins = || gateway.gateway.plugins();
    told.with_context(|| format!("{event}: {parts:?} are not told, but {last}: {}", plugins()))?
}

fn texts(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|&part| part.to_owned()).collect()
}

/// What has to be told of a division by zero, the reason first.
fn divided(language: &str, source: &str) -> Result<Vec<String>> {
    let line = |words| line(source, words);
    Ok(match language {
        "rust" => {
            let line = line("// It panics here.")?;
            vec![
                format!("panicked at {source}:{line}:"),
                "index out of bounds: the len is 3 but the index is 7; `handle` failed, in divide (".to_owned(),
                format!("in divide ({source}:{line}) < message ({source}:"),
            ]
        }
        "c" => vec![
            "trapped: integer divide by zero; `handle` failed, in divide (".to_owned(),
            format!("in divide ({source}:{}) < message ({source}:", line("// It traps here.")?),
        ],
        "js" => vec![
            "`handle` returned an error: RangeError: BigInt division by zero".to_owned(),
            format!("at divide (/{source}:{}:", line("// It throws here.")?),
        ],
        "python" => vec![
            "trapped: ".to_owned(),
            "it wrote: Traceback (most recent call last)".to_owned(),
            format!(
                "broken.py\", line {}, in divide | ZeroDivisionError: division by zero",
                line("# It raises here.")?
            ),
        ],
        _ => vec![
            "trapped: ".to_owned(),
            "it wrote: panic: runtime error: integer divide by zero".to_owned(),
            format!("broken/broken.go:{}", line("// It panics here.")?),
        ],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_broke_is_told_by_the_line_of_its_source_in_every_language() -> Result<()> {
    for language in languages()? {
        let (component, source) = broken(language);
        let gateway = start(&guests::path(&component)?).await?;
        let mut client = Client::json(gateway.address(), "/ws").await?;
        let parts = divided(language, &source)?;
        let told = told(&gateway, &mut client, "broken/divide", &parts).await;
        let told = told.with_context(|| format!("in {language}: {}", gateway.gateway.plugins()))?;
        ensure!(told["event"] == "broken/divide" && told["connection"].is_string(), "{told}");
        gateway.drain().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_guest_was_that_computed_for_too_long_is_told_now_and_then() -> Result<()> {
    for (language, function) in [("rust", "handler_broken::spin"), ("c", "spin")] {
        let (component, source) = broken(language);
        let gateway = start(&guests::path(&component)?).await?;
        let mut client = Client::json(gateway.address(), "/ws").await?;
        let reason = "over its deadline of 50ms (`plugin.room.deadline`); `handle` failed";
        let place = format!("{function} ({source}:{})", line(&source, "// It stays here.")?);
        let told = told(&gateway, &mut client, "broken/spin", &[reason.into(), place]).await?;
        // The same again, and it was not looked where: what was told stays.
        client.ask("broken/spin", Value::Null).await?;
        let last = gateway.gateway.plugins()[0]["last_error"].clone();
        ensure!(last["message"] == told["message"] && last["times"] == 2, "{last}");
        gateway.drain().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_without_a_word_has_its_line_and_a_message_that_no_terminal_should_see_is_plain()
-> Result<()> {
    let (component, source) = broken("rust");
    let gateway = start(&guests::path(&component)?).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    let place = format!("handler_broken::trap ({source}:{})", line(&source, "// It traps here.")?);
    let parts =
        ["trapped: wasm `unreachable` instruction executed; `handle` failed, in ".into(), place];
    told(&gateway, &mut client, "broken/trap", &parts).await?;
    let parts = texts(&["panicked at ", "\\u{1b}[31mred", "\\u{202e}"]);
    let told = told(&gateway, &mut client, "broken/shout", &parts).await?;
    let message = told["message"].as_str().unwrap_or_default();
    let obeyed = |c: char| c.is_control() || c == '\u{202e}';
    ensure!(message.len() < 4096 && !message.contains(obeyed), "{message}");
    gateway.drain().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_of_a_file_that_has_changed_are_not_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("broken.wasm");
    guests::install("handler_broken", &file)?;
    let mut settings = Settings::default();
    gateway::route_everything(&mut settings, "room", Plugin::new(&file));
    let gateway = gateway::start(settings).await?;
    let mut client = Client::json(gateway.address(), "/ws").await?;
    // No version that could take over: the one from before goes on.
    std::fs::write(&file, "no component")?;
    let parts = texts(&[
        "trapped: ",
        "in handler_broken::trap",
        "; without lines, as its file has changed since it was loaded",
    ]);
    let told = told(&gateway, &mut client, "broken/trap", &parts).await?;
    ensure!(!told["message"].to_string().contains("lib.rs:"), "{told}");
    gateway.drain().await;
    Ok(())
}

/// The one that is asked who somebody is.
#[tokio::test(flavor = "multi_thread")]
async fn an_authenticator_that_breaks_costs_a_503_and_is_told_by_its_line() -> Result<()> {
    let mut settings = Settings::default();
    settings.plugins.insert("auth".into(), guests::plugin("handler_broken")?);
    let usual = Endpoint::clone(&settings.endpoints[0]);
    settings.endpoints = vec![Arc::new(Endpoint { authenticator: Some("auth".into()), ..usual })];
    let gateway = gateway::start(settings).await?;
    let refused = Client::try_open(gateway.address(), "/ws?divide", &[]).await?;
    ensure!(refused.err().is_some_and(|refused| refused.status == 503));
    let plugins = gateway.gateway.plugins();
    let message = plugins[0]["last_error"]["message"].as_str().unwrap_or_default();
    let (_, source) = broken("rust");
    let panics = line(&source, "// It panics here.")?;
    ensure!(message.starts_with(&format!("panicked at {source}:{panics}:")), "{message}");
    ensure!(message.contains("; `authenticate` failed, in divide ("), "{message}");
    ensure!(message.ends_with("; the instance is replaced"), "{message}");
    gateway.drain().await;
    Ok(())
}
