//! The page of `examples/telemetry` in a browser: what goes wrong in it comes into the file of its connection.

use anyhow::{Context, Result};
use serde_json::Value;
use std::{fs, path::Path, time::Duration};
use support::{
    browser::Browser,
    gateway,
    repository::{read, root},
};
use tengen_settings::config;

const SOON: Duration = Duration::from_secs(30);
const SCRIPT: &str = "examples/telemetry/page/telemetry.js";

#[test]
fn the_script_is_short_and_needs_nothing() {
    let script = read(SCRIPT).unwrap();
    assert!(script.lines().count() < 120, "{}", script.lines().count());
    for foreign in ["import ", "require(", "sendBeacon"] {
        assert!(!script.contains(foreign), "{foreign}");
    }
}

/// All signals in all files of the folder.
fn signals(folder: &Path) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let text = fs::read_to_string(entry?.path())?;
        // The last line may be under way.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        for line in whole.lines() {
            all.push(serde_json::from_str(line)?);
        }
    }
    Ok(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_wrong_in_the_page_is_in_the_file_of_its_connection() -> Result<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let folder = tempfile::tempdir()?;
    let file = root().join("examples/telemetry/tengen.toml");
    let mut settings = config::load(&file, &|_| None)?.settings;
    // The log is the process's, and the folder a test's own.
    settings.telemetry.sinks.retain(|sink| sink.per.is_some());
    let sink = settings.telemetry.sinks.first_mut().context("the example has a sink")?;
    sink.path = Some(folder.path().to_owned());
    sink.synchronous = true;
    let gateway = gateway::start(settings).await?;
    let page = browser.open(&format!("http://{}/", gateway.address())).await?;
    for button in ["throw", "reject", "warn", "fetch", "measure", "pay"] {
        page.eval(&format!("document.getElementById('{button}').click()")).await?;
    }
    page.wait_for("telemetry.counts.accepted >= 7 && telemetry.waiting.length === 0", SOON).await?;
    let got = signals(folder.path())?;
    for (id, kind, said) in [
        ("page/error", "error", "thrown on purpose"),
        ("page/rejection", "error", "rejected on purpose"),
        ("console/warn", "console", "warned on purpose"),
        ("fetch/failed", "network", "/nothing/here"),
        ("performance/measure", "performance", "on-purpose"),
        ("page/action", "action", "pay"),
        ("performance/navigation", "performance", "navigation"),
    ] {
        let one = got
            .iter()
            .find(|signal| signal["id"] == id)
            .with_context(|| format!("no {id}: {got:?}"))?;
        assert_eq!(
            (&one["data"]["kind"], &one["namespace"]),
            (&kind.into(), &"browser.example".into())
        );
        assert!(one.to_string().contains(said), "{one}");
        assert!(!one.to_string().contains("not-for-you"), "{one}");
    }
    let stack =
        got.iter().find_map(|signal| signal["data"]["stack"].as_str()).context("no stack")?;
    assert!(stack.contains("page.js"), "{stack}");
    page.eval("document.getElementById('flood').click()").await?;
    assert_eq!(
        page.eval("telemetry.waiting.length <= 500 && telemetry.counts.dropped >= 1400").await?,
        true
    );
    page.wait_for("document.getElementById('dropped').textContent >= 1400", SOON).await?;
    // It says so in the next batch that passes.
    page.wait_for("telemetry.counts.accepted >= 18", SOON).await?;
    let told = signals(folder.path())?;
    assert!(told.iter().any(|signal| signal["id"] == "telemetry/dropped"), "{told:?}");
    gateway.drain().await;
    Ok(())
}
