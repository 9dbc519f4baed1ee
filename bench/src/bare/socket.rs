//! tungstenite on a raw socket, with the settings that cost least.

use anyhow::Result;
use futures_util::SinkExt;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    WebSocketStream, accept_async_with_config, accept_hdr_async_with_config,
    tungstenite::{
        Message,
        handshake::server::{ErrorResponse, Request, Response},
        http::HeaderValue,
        protocol::WebSocketConfig,
    },
};

pub(super) type Socket = WebSocketStream<TcpStream>;

pub(super) const SUBPROTOCOL: &str = "tengen.v1.json";

/// What the gateway greets with, to the byte count.
pub(super) const GREETING: &str = r#"[["chsk/handshake",[null,null,{"connection":"00000000-0000-7000-8000-000000000000","node":"00000000-0000-7000-8000-000000000000","ping-ms":25000,"max-bytes":1048576,"version":"0.1.0"}]],null]"#;

/// Upgrades and greets.
pub(super) async fn accept(stream: TcpStream) -> Result<Socket> {
    let mut socket = accept_hdr_async_with_config(stream, agree, Some(config())).await?;
    socket.send(Message::text(GREETING)).await?;
    Ok(socket)
}

/// Upgrades without a subprotocol.
pub(super) async fn accept_raw(stream: TcpStream) -> Result<Socket> {
    Ok(accept_async_with_config(stream, Some(config())).await?)
}

fn config() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(4 << 10).write_buffer_size(16 << 10)
}

#[expect(clippy::result_large_err, reason = "the signature is tungstenite's")]
fn agree(_: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    response.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(SUBPROTOCOL));
    Ok(response)
}
