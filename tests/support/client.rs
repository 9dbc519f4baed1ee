//! A WebSocket client for tests: every wait has a deadline, every failure says what was waited for.

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest, http::HeaderValue},
};

/// How long a test waits for what must come.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// One client connection.
#[derive(Debug)]
pub struct Client {
    stream: WebSocketStream<TcpStream>,
    /// The subprotocol that the server chose.
    pub subprotocol: Option<String>,
    callbacks: u32,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub code: u16,
    pub reason: String,
}

/// A refused upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub status: u16,
    pub body: String,
}

impl Client {
    /// Connects with these request headers; Err holds the HTTP answer of a refused upgrade.
    pub async fn try_open(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<std::result::Result<Self, Refused>> {
        let stream = TcpStream::connect(address).await.context("connecting")?;
        stream.set_nodelay(true)?;
        let mut request = format!("ws://{address}{path}").into_client_request()?;
        for (place, (name, value)) in headers.iter().enumerate() {
            let value = HeaderValue::from_str(value)?;
            // In place of what the request has, and beside what was given before.
            match headers.iter().take(place).any(|(earlier, _)| earlier == name) {
                true => drop(request.headers_mut().append(*name, value)),
                false => drop(request.headers_mut().insert(*name, value)),
            }
        }
        match timeout(PATIENCE, client_async(request, stream))
            .await
            .context("waiting for the upgrade")?
        {
            Ok((stream, response)) => {
                let subprotocol = response.headers().get("sec-websocket-protocol");
                let subprotocol =
                    subprotocol.and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
                Ok(Ok(Self { stream, subprotocol, callbacks: 0 }))
            }
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().clone().unwrap_or_default();
                let body = String::from_utf8_lossy(&body).into_owned();
                Ok(Err(Refused { status: response.status().as_u16(), body }))
            }
            Err(error) => Err(anyhow!(error).context("upgrading")),
        }
    }

    /// Connects, or fails the test.
    pub async fn open(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self> {
        match Self::try_open(address, path, headers).await? {
            Ok(client) => Ok(client),
            Err(refused) => bail!("the upgrade was refused: {refused:?}"),
        }
    }

    /// Connects in `tengen.v1.json` and reads the handshake.
    pub async fn json(address: SocketAddr, path: &str) -> Result<Self> {
        let mut client =
            Self::open(address, path, &[("sec-websocket-protocol", "tengen.v1.json")]).await?;
        let first = client.next_json().await?;
        if first.pointer("/0/0") != Some(&Value::from("chsk/handshake")) {
            bail!("the first frame is no handshake: {first}");
        }
        Ok(client)
    }

    pub async fn send_text(&mut self, text: &str) -> Result<()> {
        Ok(self.stream.send(Message::text(text)).await?)
    }

    pub async fn send_binary(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.send(Message::binary(bytes.to_vec())).await?)
    }

    /// Sends an event without a callback.
    pub async fn send(&mut self, id: &str, data: Value) -> Result<()> {
        self.send_text(&serde_json::json!([[id, data], null]).to_string()).await
    }

    /// Sends an event and waits for its reply, passing over everything else.
    pub async fn ask(&mut self, id: &str, data: Value) -> Result<Value> {
        self.callbacks += 1;
        let callback = format!("cb{}", self.callbacks);
        self.send_text(&serde_json::json!([[id, data], callback]).to_string()).await?;
        loop {
            let frame = self.next_json().await?;
            if frame.get(1) == Some(&Value::from(callback.as_str())) {
                return frame.get(0).cloned().context("a reply without a value");
            }
        }
    }

    /// The next text or binary frame.
    pub async fn next(&mut self) -> Result<Message> {
        match self.next_or_close().await? {
            Ok(message) => Ok(message),
            Err(closed) => bail!("the connection was closed: {closed:?}"),
        }
    }

    /// The next text frame.
    pub async fn next_text(&mut self) -> Result<String> {
        match self.next().await? {
            Message::Text(text) => Ok(text.to_string()),
            other => bail!("expected a text frame, got {other:?}"),
        }
    }

    pub async fn next_json(&mut self) -> Result<Value> {
        let text = self.next_text().await?;
        serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))
    }

    /// The next event with this id among the pushes, passing over everything else; its data.
    pub async fn next_event(&mut self, id: &str) -> Result<Value> {
        loop {
            let frame = self.next_json().await.with_context(|| format!("waiting for `{id}`"))?;
            let events = frame.get(0).and_then(Value::as_array).into_iter().flatten();
            let mut wanted = events.filter(|event| event.get(0) == Some(&Value::from(id)));
            if let Some(event) = wanted.next() {
                return Ok(event.get(1).cloned().unwrap_or(Value::Null));
            }
        }
    }

    /// Reads until the connection is closed, passing over frames.
    pub async fn closed(&mut self) -> Result<Closed> {
        loop {
            if let Err(closed) = self.next_or_close().await? {
                return Ok(closed);
            }
        }
    }

    /// Closes from this side and waits for the answer.
    pub async fn close(mut self) -> Result<()> {
        self.stream.close(None).await?;
        self.closed().await.map(drop)
    }

    async fn next_or_close(&mut self) -> Result<std::result::Result<Message, Closed>> {
        loop {
            let next =
                timeout(PATIENCE, self.stream.next()).await.context("waiting for a frame")?;
            return Ok(match next {
                None => Err(Closed { code: 1006, reason: String::new() }),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Close(frame))) => {
                    Err(frame.map_or(Closed { code: 1005, reason: String::new() }, |frame| {
                        Closed { code: frame.code.into(), reason: frame.reason.to_string() }
                    }))
                }
                Some(Ok(message)) => Ok(message),
                Some(Err(
                    tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed,
                )) => Err(Closed { code: 1006, reason: String::new() }),
                Some(Err(tungstenite::Error::Protocol(_) | tungstenite::Error::Io(_))) => {
                    Err(Closed { code: 1006, reason: String::new() })
                }
                Some(Err(error)) => bail!(error),
            });
        }
    }
}
