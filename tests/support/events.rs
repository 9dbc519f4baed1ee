//! A reader of server-sent events, and the requests beside it: what a browser's `EventSource` and `fetch` do.

use crate::client::PATIENCE;
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::{net::TcpStream, task::JoinHandle, time::timeout};

/// One event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Empty for those without a type.
    pub kind: String,
    pub data: String,
    /// The last id that the stream had.
    pub id: String,
}

/// An open stream. Its socket is closed when this is dropped.
#[derive(Debug)]
pub struct Events {
    pub headers: HeaderMap,
    body: Incoming,
    unread: String,
    id: String,
    connection: JoinHandle<()>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Events {
    /// Opens a stream, or says with which status it was refused.
    pub async fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self> {
        let mut all = vec![("accept", "text/event-stream")];
        all.extend(headers);
        let (answer, connection) = request(address, Method::GET, path, &all, "").await?;
        let (parts, body) = answer.into_parts();
        ensure!(parts.status == StatusCode::OK, "refused with {}", parts.status);
        let (unread, id) = (String::new(), String::new());
        Ok(Self { headers: parts.headers, body, unread, id, connection })
    }

    /// The next event; none at the end of the stream. Comments are skipped.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            while let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (event, rest) = (self.read(block), rest.to_owned());
                self.unread = rest;
                if let Some(event) = event {
                    self.id.clone_from(&event.id);
                    return Ok(Some(event));
                }
            }
            let piece = timeout(PATIENCE, self.body.frame()).await.context("no event came")?;
            let Some(piece) = piece.transpose()? else { return Ok(None) };
            let Ok(data) = piece.into_data() else { continue };
            self.unread.push_str(std::str::from_utf8(&data)?);
        }
    }

    fn read(&self, block: &str) -> Option<Event> {
        let mut event = Event { id: self.id.clone(), ..Event::default() };
        let mut lines = Vec::new();
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("data", data)) => lines.push(data),
                Some(("event", kind)) => event.kind = kind.to_owned(),
                Some(("id", id)) => event.id = id.to_owned(),
                _ => {}
            }
        }
        event.data = lines.join("\n");
        (!lines.is_empty()).then_some(event)
    }

    pub async fn next_text(&mut self) -> Result<String> {
        Ok(self.next().await?.context("the stream has ended")?.data)
    }

    pub async fn next_json(&mut self) -> Result<Value> {
        Ok(serde_json::from_str(&self.next_text().await?)?)
    }

    /// The handshake's `info`, which has to come first.
    pub async fn greeting(&mut self) -> Result<Value> {
        let event = self.next().await?.context("the stream has ended")?;
        let mut first: Value = serde_json::from_str(&event.data)?;
        let Some("chsk/handshake") = first.pointer("/0/0").and_then(Value::as_str) else {
            bail!("{first}")
        };
        let info = first.pointer_mut("/0/1/2").context("no info")?.take();
        ensure!(info.get("session").and_then(Value::as_str) == Some(&event.id), "{info}");
        Ok(info)
    }

    /// The session's secret.
    pub fn session(&self) -> &str {
        &self.id
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// One request by a connection of its own.
pub async fn ask(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<Answer> {
    let (answer, connection) = request(address, method, path, headers, body).await?;
    let (parts, body) = answer.into_parts();
    let body = timeout(PATIENCE, body.collect()).await??.to_bytes();
    connection.abort();
    Ok(Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

/// Posts a frame to a session.
pub async fn post(address: SocketAddr, path: &str, session: &str, frame: &str) -> Result<Answer> {
    ask(address, Method::POST, path, &[("tengen-session", session)], frame.to_owned()).await
}

async fn request(
    address: SocketAddr,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Result<(Response<Incoming>, JoinHandle<()>)> {
    let stream = timeout(PATIENCE, TcpStream::connect(address)).await??;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    #[expect(clippy::disallowed_methods, reason = "ended by who gets the handle")]
    let connection = tokio::spawn(async move { drop(connection.await) });
    let mut request =
        Request::builder().method(method).uri(path).header("host", address.to_string());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(body.into()))?;
    let answer = timeout(PATIENCE, sender.send_request(request)).await.context("no answer")??;
    Ok((answer, connection))
}
