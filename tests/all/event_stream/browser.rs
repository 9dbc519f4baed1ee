//! A browser's own `EventSource` and `fetch`, from a page of another origin, over a line that is cut.

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use support::{browser::Browser, gateway};
use tengen_settings::{Origin, Origins, Settings};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};

const SOON: Duration = Duration::from_secs(20);

/// Opens a stream, keeps what it hears, and posts by the session that the last greeting named.
const PAGE: &str = "<!doctype html><title>events</title>
<script>
  const endpoint = new URLSearchParams(location.search).get('endpoint');
  const heard = [], greetings = [], closed = [];
  const events = new EventSource(endpoint);
  events.onmessage = ({ data, lastEventId }) => {
    const frame = JSON.parse(data);
    if (frame[0]?.[0] === 'chsk/handshake') greetings.push({ ...frame[0][1][2], id: lastEventId });
    else heard.push(frame);
  };
  events.addEventListener('close', ({ data }) => { closed.push(JSON.parse(data)); events.close(); });
  const say = frame => fetch(endpoint, {
    method: 'POST',
    headers: { 'tengen-session': greetings.at(-1).session },
    body: JSON.stringify(frame),
  }).then(answer => answer.status);
</script>";

/// Serves a page on loopback until the test ends.
pub(crate) async fn serve(page: &'static str) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let answer = service_fn(move |_: Request<Incoming>| async move {
                let answer = Response::builder().header("content-type", "text/html");
                Ok::<_, Infallible>(answer.body(Full::new(Bytes::from(page))).unwrap())
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
        }
    });
    Ok(address)
}

/// Passes everything on to the gateway, until the line is cut.
async fn line(gateway: SocketAddr) -> Result<(SocketAddr, watch::Sender<()>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (cut, uncut) = watch::channel(());
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut uncut = uncut.clone();
            uncut.mark_unchanged();
            tokio::spawn(async move {
                let Ok(mut far) = TcpStream::connect(gateway).await else { return };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    _ = uncut.changed() => {}
                }
            });
        }
    });
    Ok((address, cut))
}

#[tokio::test]
async fn an_event_source_of_another_origin_hears_answers_and_comes_back() -> Result<()> {
    let Some(browser) = Browser::start().await? else { return Ok(()) };
    let page = serve(PAGE).await?;
    let mut settings = Settings::default();
    for endpoint in &mut settings.endpoints {
        Arc::make_mut(endpoint).origins = Origins::These(vec![Origin(format!("http://{page}"))]);
    }
    let gateway = gateway::start(settings).await?;
    let (line, cut) = line(gateway.address()).await?;
    let page = browser.open(&format!("http://{page}/?endpoint=http://{line}/ws")).await?;
    page.wait_for("greetings.length === 1", SOON).await?;
    assert_eq!(page.eval("greetings[0].id === greetings[0].session").await?, json!(true));
    assert_eq!(page.eval("say([['chat/say', { text: 'hi' }], '7'])").await?, json!(202));
    page.wait_for("heard.length === 1", SOON).await?;
    assert_eq!(page.eval("heard[0]").await?, json!([{ "text": "hi" }, "7"]));

    cut.send(()).context("the line")?;
    page.wait_for("greetings.length === 2", SOON).await?;
    let same = "['connection', 'session'].every(key => greetings[0][key] === greetings[1][key])";
    assert_eq!(page.eval(same).await?, json!(true));
    assert_eq!(page.eval("greetings[1].recovered").await?, json!(false));
    assert_eq!(page.eval("say([['chat/say', 'again'], '8'])").await?, json!(202));
    page.wait_for("heard.length === 2", SOON).await?;
    assert_eq!(page.eval("heard[1]").await?, json!(["again", "8"]));

    gateway.drain().await;
    page.wait_for("closed.length === 1", SOON).await?;
    assert_eq!(page.eval("closed[0].code").await?, json!(1012));
    Ok(())
}
