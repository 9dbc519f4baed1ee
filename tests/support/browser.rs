//! Drives a headless Chromium over the DevTools protocol: open a page, ask it, wait for it, look at it.
//!
//! One socket carries all pages of a browser. Every request has a deadline, and dropping the browser ends its process.

mod devtools;
mod process;

use anyhow::Context as _;
use devtools::DevTools;
use process::Process;
use serde_json::{Value, json};
use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

/// Names under which systems install it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Loading one of our pages takes milliseconds; this is for a machine that does much else.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// A running Chromium with a fresh profile.
#[derive(Debug)]
pub struct Browser {
    devtools: DevTools,
    _process: Process,
}

/// What to do about a missing browser.
pub const REMEDY: &str = "`apt-get install chromium`, or set TENGEN_BROWSER to its path";

impl Browser {
    /// Starts Chromium: `TENGEN_BROWSER`, or the first known name on the PATH. None when there is none, which has then
    /// been noted for the closing lines ([`crate::skip::skip`]); with `CI=true` that is an error.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        let Some(program) = find(env::var_os("TENGEN_BROWSER").map(PathBuf::from))? else {
            crate::skip::skip("browser tests", "no Chromium", REMEDY)?;
            return Ok(None);
        };
        let (process, address) = Process::start(&program).await?;
        let devtools = DevTools::connect(&address).await?;
        Ok(Some(Self { devtools, _process: process }))
    }

    /// Opens an address in a window of its own and waits until everything on it has loaded.
    pub async fn open(&self, url: &str) -> anyhow::Result<Page> {
        let window = json!({ "url": "about:blank", "newWindow": true });
        let target = text(&self.ask("Target.createTarget", window).await?, "targetId")?;
        let attach = json!({ "targetId": target, "flatten": true });
        let session = text(&self.ask("Target.attachToTarget", attach).await?, "sessionId")?;
        let page = Page { devtools: self.devtools.clone(), session, target };
        page.ask("Runtime.enable", json!({})).await?;
        page.ask("Emulation.setFocusEmulationEnabled", json!({ "enabled": true })).await?;
        page.go(url).await?;
        Ok(page)
    }

    async fn ask(&self, method: &str, parameters: Value) -> anyhow::Result<Value> {
        self.devtools.ask(None, method, parameters, ANSWER_WITHIN).await
    }
}

/// One window of a browser.
#[derive(Debug)]
pub struct Page {
    devtools: DevTools,
    session: String,
    target: String,
}

impl Page {
    /// Goes to an address in this window and waits until everything on it has loaded.
    pub async fn go(&self, url: &str) -> anyhow::Result<()> {
        let answer = self.ask("Page.navigate", json!({ "url": url })).await?;
        if let Some(error) = answer.get("errorText").and_then(Value::as_str) {
            anyhow::bail!("`{url}`: {error}");
        }
        self.eval("document.readyState === 'complete' || new Promise(done => addEventListener('load', () => done(true)))")
            .await?;
        Ok(())
    }

    /// The value of a JavaScript expression, as JSON; a promise is awaited. What it throws is the error's text.
    pub async fn eval(&self, javascript: &str) -> anyhow::Result<Value> {
        self.eval_within(javascript, ANSWER_WITHIN).await
    }

    async fn eval_within(&self, javascript: &str, deadline: Duration) -> anyhow::Result<Value> {
        let parameters = json!({ "expression": javascript, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let answer = self
            .devtools
            .ask(Some(&self.session), "Runtime.evaluate", parameters, deadline)
            .await?;
        if let Some(exception) = answer.get("exceptionDetails") {
            let thrown = exception
                .pointer("/exception/description")
                .or_else(|| exception.pointer("/exception/value"));
            let thrown = thrown.or_else(|| exception.get("text")).cloned().unwrap_or_default();
            anyhow::bail!("{}", thrown.as_str().map_or_else(|| thrown.to_string(), str::to_owned));
        }
        Ok(answer.pointer("/result/value").cloned().unwrap_or(Value::Null))
    }

    /// Waits until a JavaScript expression is true. It is looked at before each picture the page paints; while it throws,
    /// it counts as not true yet.
    pub async fn wait_for(&self, condition: &str, deadline: Duration) -> anyhow::Result<()> {
        let milliseconds = deadline.as_millis();
        let waiting = format!(
            "new Promise((done, fail) => {{
                const end = performance.now() + {milliseconds};
                const look = () => {{
                    let value;
                    try {{ value = ({condition}); }} catch (error) {{ value = error; }}
                    if (value && !(value instanceof Error)) done(true);
                    else if (performance.now() > end) fail('at the end it was ' + value);
                    else requestAnimationFrame(look);
                }};
                look();
            }})"
        );
        // The page keeps the deadline; the grace is for one that paints no more.
        let result = self.eval_within(&waiting, deadline + Duration::from_secs(5)).await;
        result.map(drop).with_context(|| {
            format!("not within {deadline:?}: `{condition}`; the page said: {:?}", self.said())
        })
    }

    /// What the page wrote to its console and what it threw uncaught: the last lines, oldest first.
    pub fn said(&self) -> Vec<String> {
        self.devtools.said(&self.session)
    }

    /// Writes what the page looks like now, as PNG.
    pub async fn screenshot(&self, path: &Path) -> anyhow::Result<()> {
        let answer = self.ask("Page.captureScreenshot", json!({ "format": "png" })).await?;
        let picture = data_encoding::BASE64
            .decode(text(&answer, "data")?.as_bytes())
            .context("not base64")?;
        tokio::fs::write(path, picture)
            .await
            .with_context(|| format!("cannot write `{}`", path.display()))
    }

    /// Closes the window.
    pub async fn close(self) -> anyhow::Result<()> {
        self.devtools
            .ask(None, "Target.closeTarget", json!({ "targetId": self.target }), ANSWER_WITHIN)
            .await?;
        Ok(())
    }

    async fn ask(&self, method: &str, parameters: Value) -> anyhow::Result<Value> {
        self.devtools.ask(Some(&self.session), method, parameters, ANSWER_WITHIN).await
    }
}

/// The browser to start: the one asked for, which then must exist, or the first known name on the PATH.
fn find(asked_for: Option<PathBuf>) -> anyhow::Result<Option<PathBuf>> {
    if let Some(program) = asked_for {
        anyhow::ensure!(program.is_file(), "TENGEN_BROWSER: there is no `{}`", program.display());
        return Ok(Some(program));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places =
        NAMES.iter().flat_map(|name| env::split_paths(&path).map(move |folder| folder.join(name)));
    Ok(places.find(|place| place.is_file()))
}

fn text(answer: &Value, key: &str) -> anyhow::Result<String> {
    answer
        .get(key)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .with_context(|| format!("no `{key}` in {answer}"))
}
