//! The browser driver itself, against a page of its own.

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::{convert::Infallible, time::Duration};
use support::browser::Browser;
use tokio::net::TcpListener;

const PAGE: &str = "<!doctype html><title>page</title><p id=heard></p>
<script>
  const others = new BroadcastChannel('pages');
  others.onmessage = message => { heard.textContent = message.data; };
  console.log('loaded', 1);
</script>";

const SOON: Duration = Duration::from_secs(10);

/// Serves [`PAGE`] on loopback until the test ends; returns its address.
async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let answer = service_fn(async |_: Request<Incoming>| {
                let page = Response::builder()
                    .header("content-type", "text/html")
                    .body(Full::new(Bytes::from(PAGE)));
                Ok::<_, Infallible>(page.unwrap())
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
        }
    });
    format!("http://{address}/")
}

#[tokio::test]
async fn a_page_answers_and_its_errors_are_errors() {
    let Some(browser) = Browser::start().await.unwrap() else { return };
    let page = browser.open(&serve().await).await.unwrap();
    assert_eq!(page.eval("document.title").await.unwrap(), json!("page"));
    assert_eq!(
        page.eval("Promise.resolve({ a: [1, null] })").await.unwrap(),
        json!({ "a": [1, null] })
    );
    let thrown = page.eval("Promise.reject(new Error('no'))").await.unwrap_err().to_string();
    assert!(thrown.starts_with("Error: no"), "{thrown}");
    assert_eq!(page.said(), ["loaded 1"]);

    let late = page.wait_for("document.title === 'other'", Duration::from_millis(100)).await;
    let late = format!("{:#}", late.unwrap_err());
    assert!(late.contains("at the end it was false") && late.contains("loaded 1"), "{late}");
    let nowhere = browser.open("http://127.0.0.1:1/").await.unwrap_err().to_string();
    assert!(nowhere.contains("net::ERR_"), "{nowhere}");
}

#[tokio::test]
async fn two_pages_hear_each_other_and_are_awake_both() {
    let Some(browser) = Browser::start().await.unwrap() else { return };
    let url = serve().await;
    let (one, other) = tokio::try_join!(browser.open(&url), browser.open(&url)).unwrap();
    one.eval("others.postMessage('one')").await.unwrap();
    other.wait_for("heard.textContent === 'one'", SOON).await.unwrap();
    other.eval("others.postMessage('other')").await.unwrap();
    one.wait_for("heard.textContent === 'other'", SOON).await.unwrap();
    one.close().await.unwrap();
    other.wait_for("true", SOON).await.unwrap();
}

#[tokio::test]
async fn a_screenshot_is_a_picture() {
    let Some(browser) = Browser::start().await.unwrap() else { return };
    let page = browser.open(&serve().await).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("page.png");
    page.screenshot(&path).await.unwrap();
    assert!(std::fs::read(&path).unwrap().starts_with(b"\x89PNG\r\n"));
}
