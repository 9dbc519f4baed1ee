//! Upgrades by hyper, and nothing behind them.

use super::socket::{GREETING, SUBPROTOCOL};
use anyhow::{Context as _, Result};
use http_body_util::Empty;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use std::{convert::Infallible, pin::pin};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Answers one upgrade, then waits for the end of the connection.
pub(super) async fn serve(stream: TcpStream, greet: bool) -> Result<()> {
    let (upgrades, mut upgraded) = mpsc::channel(1);
    let service = service_fn(move |request| {
        let answer = respond(request, &upgrades);
        async { Ok::<_, Infallible>(answer) }
    });
    let connection =
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades();
    connection.await?;
    let upgrade = upgraded.recv().await.context("no upgrade was asked for")?;
    hold(upgrade.await?, greet).await
}

fn respond(
    request: Request<Incoming>,
    upgrades: &mpsc::Sender<OnUpgrade>,
) -> Response<Empty<Bytes>> {
    let mut response = Response::new(Empty::new());
    let key = request.headers().get(header::SEC_WEBSOCKET_KEY);
    let accept = key.and_then(|key| derive_accept_key(key.as_bytes()).parse().ok());
    let Some(accept) = accept else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, header::HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, header::HeaderValue::from_static("Upgrade"));
    headers.insert(header::SEC_WEBSOCKET_PROTOCOL, header::HeaderValue::from_static(SUBPROTOCOL));
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    // A second request on the connection would be none of ours.
    upgrades.try_send(hyper::upgrade::on(request)).ok();
    response
}

async fn hold(upgraded: Upgraded, greet: bool) -> Result<()> {
    let mut io = pin!(TokioIo::new(upgraded));
    if greet {
        let length = u16::try_from(GREETING.len())?.to_be_bytes();
        let frame = [&[0x81, 126], length.as_slice(), GREETING.as_bytes()].concat();
        io.write_all(&frame).await?;
    }
    while io.read(&mut [0; 64]).await? > 0 {}
    Ok(())
}
