//! Calls to the admin listener of a running gateway, for the command line.

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use std::{net::SocketAddr, time::Duration};
use tokio::{net::TcpStream, time::timeout};

/// The largest answer that is read.
const ANSWER_MAX: usize = 8 << 20;
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const READ_WITHIN: Duration = Duration::from_secs(10);
/// A reload compiles the plugin.
const CHANGE_WITHIN: Duration = Duration::from_secs(120);

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(
        "nothing answers at `{address}`; is the gateway running, and is that its admin address?"
    )]
    Unreachable {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("no answer from `{address}` within {within:?}")]
    Slow { address: SocketAddr, within: Duration },
    #[error("the answer of `{address}` cannot be read; is that the admin address?")]
    Unreadable {
        address: SocketAddr,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the gateway refused ({status}): {why}")]
    Refused { status: StatusCode, why: String },
}

/// Speaks to one admin listener.
#[derive(Debug, Clone, Copy)]
pub struct Client {
    address: SocketAddr,
}

impl Client {
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Each plugin's state.
    pub async fn plugins(&self) -> Result<Value, ClientError> {
        self.call(Method::GET, "/plugins", None, READ_WITHIN).await
    }

    pub async fn stats(&self) -> Result<Value, ClientError> {
        self.call(Method::GET, "/stats", None, READ_WITHIN).await
    }

    /// Loads a plugin again; its new state.
    pub async fn reload(&self, name: &str, key: Option<&str>) -> Result<Value, ClientError> {
        self.call(Method::POST, &format!("/plugins/{name}/reload"), key, CHANGE_WITHIN).await
    }

    /// Signals, sinks and their filters.
    pub async fn sinks(&self) -> Result<Value, ClientError> {
        self.call(Method::GET, "/sinks", None, READ_WITHIN).await
    }

    /// Changes something of them; what there is to say of it.
    pub async fn order(
        &self,
        order: &str,
        wishes: &[(&str, String)],
        key: Option<&str>,
    ) -> Result<Value, ClientError> {
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pair = |(name, value): &(&str, String)| format!("{name}={}", encoded(value));
        let query: Vec<_> = wishes.iter().map(pair).collect();
        let path = format!("/sinks/{order}?{}", query.join("&"));
        self.call(Method::POST, &path, key, READ_WITHIN).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        within: Duration,
    ) -> Result<Value, ClientError> {
        let address = self.address;
        let unreachable = |source| ClientError::Unreachable { address, source };
        let stream = timeout(CONNECT_WITHIN, TcpStream::connect(address))
            .await
            .map_err(|_| unreachable(std::io::ErrorKind::TimedOut.into()))?
            .map_err(unreachable)?;
        let answered = timeout(within, self.exchange(stream, method, path, key)).await;
        let (status, body) = answered
            .map_err(|_| ClientError::Slow { address, within })?
            .map_err(|source| ClientError::Unreadable { address, source })?;
        let value: Result<Value, _> = serde_json::from_slice(&body);
        match (status.is_success(), value) {
            (true, Ok(value)) => Ok(value),
            (true, Err(error)) => Err(ClientError::Unreadable { address, source: error.into() }),
            (false, value) => {
                let why =
                    value.ok().and_then(|value| Some(value.get("error")?.as_str()?.to_owned()));
                Err(ClientError::Refused {
                    status,
                    why: why.unwrap_or_else(|| "it does not say why".into()),
                })
            }
        }
    }

    async fn exchange(
        &self,
        stream: TcpStream,
        method: Method,
        path: &str,
        key: Option<&str>,
    ) -> Result<(StatusCode, Bytes), Box<dyn std::error::Error + Send + Sync>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.address.to_string());
        if let Some(key) = key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = request.body(Empty::<Bytes>::new())?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let answer = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), ANSWER_MAX).collect().await?;
            Ok((status, body.to_bytes()))
        };
        let mut answer = std::pin::pin!(answer);
        // The connection is driven beside the call; it may end first, with the answer still to be taken from it.
        tokio::select! {
            answered = &mut answer => answered,
            ended = connection => {
                ended?;
                answer.await
            }
        }
    }
}
