//! The receiver over HTTP.

use super::{Inbox, Refused};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use std::{convert::Infallible, io::Read as _, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

pub(super) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, inbox: Arc<Inbox>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (inbox, tls) = (Arc::clone(&inbox), tls.clone());
        connections.spawn(async move {
            match tls {
                None => serve_one(stream, &inbox).await,
                // Who does not trust us goes without a word.
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve_one(stream, &inbox).await;
                    }
                }
            }
        });
    }
}

async fn serve_one(stream: impl AsyncRead + AsyncWrite + Unpin, inbox: &Inbox) {
    let service = service_fn(|request| answer(inbox, request));
    let http = hyper::server::conn::http1::Builder::new();
    // A client that hangs up is the client's business.
    http.serve_connection(TokioIo::new(stream), service).await.unwrap_or_default();
}

async fn answer(
    inbox: &Inbox,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match take(inbox, request).await {
        Ok(body) => (StatusCode::OK, body),
        Err(status) => (status, Vec::new()),
    };
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    Ok(response)
}

/// As the OTLP specification has it: POST of protobuf or JSON, packed or not, to a path for each signal.
async fn take(inbox: &Inbox, request: Request<Incoming>) -> Result<Vec<u8>, StatusCode> {
    let signal = match request.uri().path() {
        "/v1/traces" => Signal::Traces,
        "/v1/metrics" => Signal::Metrics,
        "/v1/logs" => Signal::Logs,
        _ => return Err(StatusCode::NOT_FOUND),
    };
    if request.method() != Method::POST {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let (head, body) = request.into_parts();
    let is_json = match head.headers.get("content-type").map(|kind| kind.as_bytes()) {
        Some(b"application/x-protobuf") => false,
        Some(b"application/json") => true,
        _ => return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    };
    let body = body.collect().await.map_err(|_| StatusCode::BAD_REQUEST)?.to_bytes();
    let body = match head.headers.get("content-encoding").map(|coding| coding.as_bytes()) {
        None => body,
        Some(b"gzip") => unpacked(&body).ok_or(StatusCode::BAD_REQUEST)?,
        Some(_) => return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    };
    let why = |refused| match refused {
        Refused::Now => StatusCode::SERVICE_UNAVAILABLE,
        Refused::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
    };
    Ok(match signal {
        Signal::Traces => {
            let request = read(is_json, &body)?;
            written(is_json, &inbox.receive(head.headers, request).await.map_err(why)?)
        }
        Signal::Metrics => {
            let request = read(is_json, &body)?;
            written(is_json, &inbox.receive_metrics(head.headers, request).await.map_err(why)?)
        }
        Signal::Logs => {
            let request = read(is_json, &body)?;
            written(is_json, &inbox.receive_logs(head.headers, request).await.map_err(why)?)
        }
    })
}

/// What a request brings.
enum Signal {
    Traces,
    Metrics,
    Logs,
}

fn unpacked(body: &[u8]) -> Option<Bytes> {
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(body).read_to_end(&mut plain).ok()?;
    Some(plain.into())
}

fn read<M: Message + Default + DeserializeOwned>(
    is_json: bool,
    body: &[u8],
) -> Result<M, StatusCode> {
    let request = match is_json {
        true => serde_json::from_slice(body).ok(),
        false => M::decode(body).ok(),
    };
    request.ok_or(StatusCode::BAD_REQUEST)
}

fn written(is_json: bool, response: &(impl Message + Serialize)) -> Vec<u8> {
    match is_json {
        true => serde_json::to_vec(response).unwrap_or_default(),
        false => response.encode_to_vec(),
    }
}
