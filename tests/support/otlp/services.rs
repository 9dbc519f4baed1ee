//! The receiver over gRPC: a service for each signal, told apart by the path of the request.

use super::{Grpc, Inbox};
use opentelemetry_proto::tonic::collector::{
    metrics::v1::metrics_service_server::MetricsServiceServer,
    trace::v1::trace_service_server::TraceServiceServer,
};
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};
use tonic::{
    body::Body,
    codec::CompressionEncoding,
    codegen::{BoxFuture, Service},
};

#[derive(Clone)]
pub(super) struct Services {
    traces: TraceServiceServer<Grpc>,
    metrics: MetricsServiceServer<Grpc>,
}

impl Services {
    pub(super) fn new(inbox: &Arc<Inbox>) -> Self {
        let grpc = || Grpc(Arc::clone(inbox));
        Self {
            traces: TraceServiceServer::new(grpc()).accept_compressed(CompressionEncoding::Gzip),
            metrics: MetricsServiceServer::new(grpc()).accept_compressed(CompressionEncoding::Gzip),
        }
    }
}

impl Service<http::Request<Body>> for Services {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    /// What neither of them knows, either says so of.
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        match request.uri().path().contains(".metrics.") {
            true => self.metrics.call(request),
            false => self.traces.call(request),
        }
    }
}
