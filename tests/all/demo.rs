//! The demo as two people see it: the page in two windows, and the plugin rebuilt under their hands.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};
use support::{
    browser::{Browser, Page},
    gateway, guests,
    repository::root,
};
use tengen_settings::{Grants, Pattern, Plugin, Settings, Static};
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(30);
/// Rebuilding a plugin, on a machine that does other things too.
const BUILD: Duration = Duration::from_secs(300);
const PER_SECOND: u32 = 50;

/// Builds the chat with another greeting, as its author would: the source is changed, the build tool run.
async fn rebuild(scratch: &Path, greeting: &str, into: &Path) -> Result<()> {
    let source = root().join("plugins/chat");
    let copy = scratch.join("chat");
    fs::create_dir_all(copy.join("src"))?;
    for entry in fs::read_dir(source.join("src"))? {
        let entry = entry?;
        let text = fs::read_to_string(entry.path())?;
        let text = text
            .replace(r#"GREETING: &str = "Welcome""#, &format!("GREETING: &str = {greeting:?}"));
        fs::write(copy.join("src").join(entry.file_name()), text)?;
    }
    let sdk = root().join("plugin-sdk");
    let manifest = fs::read_to_string(source.join("Cargo.toml"))?;
    ensure!(
        manifest.contains("../../plugin-sdk"),
        "the chat's manifest names the SDK otherwise: {manifest}"
    );
    // A workspace of its own: the copy may lie inside another's folder.
    let manifest =
        manifest.replace("../../plugin-sdk", &sdk.display().to_string()) + "\n[workspace]\n";
    fs::write(copy.join("Cargo.toml"), manifest)?;
    fs::copy(root().join("Cargo.lock"), copy.join("Cargo.lock"))?;
    let built = Command::new("cargo")
        .args(["run", "--quiet", "--package", "xtask", "--", "guests", "--path"])
        .arg(&copy)
        .arg("--out")
        .arg(into)
        .current_dir(root())
        .kill_on_drop(true)
        .output();
    let built =
        tokio::time::timeout(BUILD, built).await.context("building the chat took too long")??;
    ensure!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Ok(())
}

async fn start(folder: &Path) -> Result<gateway::Running> {
    let file = folder.join("chat.wasm");
    guests::install("chat", &file)?;
    let mut chat = Plugin::new(&file);
    chat.grant = Grants { publish: vec![Pattern("room/*".into())], ..Grants::default() };
    let page = Static { path: "/".into(), dir: root().join("examples/chat/page") };
    let mut settings = Settings { statics: vec![page], ..Settings::default() };
    gateway::route_everything(&mut settings, "chat", chat);
    gateway::start(settings).await
}

async fn number(page: &Page, expression: &str) -> Result<u64> {
    let value = page.eval(expression).await?;
    value.as_u64().with_context(|| format!("`{expression}` is {value}"))
}

/// What a window has received of one sender, in order.
async fn received(page: &Page, from: &str) -> Result<Vec<u64>> {
    let list = page
        .eval(&format!("chat.received.filter(it => it.from === '{from}').map(it => it.n)"))
        .await?;
    list.as_array().context("no list")?.iter().map(|n| n.as_u64().context("no number")).collect()
}

async fn check_window(page: &Page, sent: &[(&str, u64)]) -> Result<()> {
    for (from, sent) in sent {
        let numbers = received(page, from).await?;
        let expected: Vec<_> = (1..=*sent).collect();
        assert_eq!(
            numbers, expected,
            "the messages of `{from}`, in order, without gap and duplicate"
        );
    }
    let state = page.eval("[chat.closes, chat.gaps, chat.duplicates, chat.faults]").await?;
    assert_eq!(state, serde_json::json!([0, 0, 0, []]));
    let greetings = page.eval("[...new Set(chat.received.map(it => it.greeting))]").await?;
    assert_eq!(
        greetings,
        serde_json::json!(["Welcome", "Ahoy"]),
        "first the one, then the other, and never back"
    );
    let changes = page
        .eval("chat.received.filter((it, at, all) => at > 0 && it.greeting !== all[at - 1].greeting).length")
        .await?;
    assert_eq!(changes, Value::from(1));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_windows_talk_on_while_the_chat_is_rebuilt() -> Result<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    // Always the same folder, so that what is built in it once serves the next run.
    let scratch = guests::path("chat")?.with_file_name("rebuilt");
    let folder = tempfile::tempdir()?;
    let gateway = start(folder.path()).await?;
    let open = async |name: &str| {
        browser.open(&format!("http://{}/?name={name}&room=tea", gateway.address())).await
    };
    let (ann, bob) = (open("ann").await?, open("bob").await?);
    for page in [&ann, &bob] {
        page.wait_for("chat.joined", SOON).await?;
        assert_eq!(page.eval("chat.greeting").await?, "Welcome");
    }
    for page in [&ann, &bob] {
        page.eval(&format!("chat.start({PER_SECOND})")).await?;
    }
    ann.wait_for("chat.received.some(it => it.from === 'bob' && it.n > 50)", SOON).await?;

    rebuild(&scratch, "Ahoy", folder.path()).await?;

    for page in [&ann, &bob] {
        page.wait_for("chat.received.filter(it => it.greeting === 'Ahoy').length > 200", SOON)
            .await?;
    }
    for page in [&ann, &bob] {
        page.eval("chat.stop()").await?;
        page.wait_for("chat.replies.length === chat.sent", SOON).await?;
    }
    let sent =
        [("ann", number(&ann, "chat.sent").await?), ("bob", number(&bob, "chat.sent").await?)];
    for page in [&ann, &bob] {
        for (from, last) in sent {
            page.wait_for(
                &format!("chat.received.some(it => it.from === '{from}' && it.n === {last})"),
                SOON,
            )
            .await?;
        }
        check_window(page, &sent).await?;
    }
    if let Ok(path) = std::env::var("TENGEN_SCREENSHOT") {
        ann.screenshot(Path::new(&path)).await?;
    }
    gateway.drain().await;
    Ok(())
}
