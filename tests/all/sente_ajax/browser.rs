//! A browser that polls by `XMLHttpRequest`, as Sente's client does, from a page of another origin.

use super::{TAKEN, until};
use crate::event_stream::browser::serve;
use anyhow::Result;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use support::{browser::Browser, gateway};
use tengen_settings::{Origin, Origins, Settings};

const SOON: Duration = Duration::from_secs(20);

/// Polls again and again, and keeps what it hears.
const PAGE: &str = "<!doctype html><title>polls</title>
<script>
  const endpoint = new URLSearchParams(location.search).get('endpoint');
  const heard = [], failed = [];
  const ask = (method, url, form) => new Promise(resolve => {
    const request = new XMLHttpRequest();
    request.open(method, url);
    request.withCredentials = true;
    request.setRequestHeader('X-Requested-With', 'XMLHTTPRequest');
    request.setRequestHeader('X-CSRF-Token', 'csrf-1');
    if (form) request.setRequestHeader('Content-Type', 'application/x-www-form-urlencoded;charset=UTF-8');
    request.onloadend = () => resolve([request.status, request.responseText]);
    request.send(form);
  });
  (async () => {
    while (failed.length === 0) {
      const more = heard.length === 0 ? '&handshake%3F=1' : '';
      const [status, text] = await ask('GET', `${endpoint}?udt=${Date.now()}&client-id=c1${more}`);
      (status === 200 ? heard : failed).push(text);
    }
  })();
  const say = packed =>
    ask('POST', endpoint, `udt=${Date.now()}&client-id=c1&ppstr=${encodeURIComponent(packed)}`);
</script>";

#[tokio::test]
async fn a_page_of_another_origin_polls_and_sends_and_none_does_by_a_picture() -> Result<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let page = serve(PAGE).await?;
    let mut settings = Settings::default();
    for endpoint in &mut settings.endpoints {
        Arc::make_mut(endpoint).origins = Origins::These(vec![Origin(format!("http://{page}"))]);
    }
    let gateway = gateway::start(settings).await?;
    let address = gateway.address();
    let page = format!("http://{page}/?endpoint=http://{address}/chsk");
    let page = browser.open(&page).await?;
    page.wait_for("heard.length === 1", SOON).await?;
    assert_eq!(page.eval("heard[0].startsWith('[[:chsk/handshake')").await?, json!(true));
    assert_eq!(page.eval("say('[[:my/ask {:q 1}] :ajax]')").await?, json!([200, "[{:q 1} nil]"]));
    assert_eq!(page.eval(r#"say('[[:my/tell "é"] nil]')"#).await?, json!([200, TAKEN]));
    page.wait_for("heard.length === 2", SOON).await?;
    assert_eq!(page.eval("heard[1]").await?, json!("[[[:my/tell \"é\"]] nil]"));
    // What a page can ask for that is not let in: without an origin, and with its visitor's cookies.
    page.eval("new Image().src = endpoint + '?client-id=c2'").await?;
    until(&gateway, "/connections/rejected-by/origin", 1).await?;
    assert_eq!(page.eval("failed").await?, json!([]));
    gateway.drain().await;
    Ok(())
}
