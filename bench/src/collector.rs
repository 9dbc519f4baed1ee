//! An OTLP receiver that takes everything and keeps nothing, so that a traced gateway has somewhere to send.

use anyhow::Result;
use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::{net::TcpListener, task::JoinSet};

/// Serves in the load's process; ends when dropped.
#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Collector {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener));
        Ok(Self { address, _tasks: tasks })
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }
}

async fn accept(listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let service = service_fn(take);
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        while connections.try_join_next().is_some() {}
    }
}

async fn take(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, hyper::Error> {
    request.into_body().collect().await?;
    Ok(Response::new(Empty::new()))
}
