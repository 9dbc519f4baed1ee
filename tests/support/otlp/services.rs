//! The receiver over gRPC: a service for each signal, told apart by the path of the request.

use super::{Grpc, Inbox};
use opentelemetry_proto::tonic::collector::{
    logs::v1::logs_service_server::LogsServiceServer,
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
    logs: LogsServiceServer<Grpc>,
}

impl Services {
    pub(super) fn new(inbox: &Arc<Inbox>) -> Self {
        let grpc = || Grpc(Arc::clone(inbox));
        Self {
            traces: TraceServiceServer::new(grpc()).accept_compressed(CompressionEncoding::Gzip),
            metrics: MetricsServiceServer::new(grpc()).accept_compressed(CompressionEncoding::Gzip),
            logs: LogsServiceServer::new(grpc()).accept_compressed(CompressionEncoding::Gzip),
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

    /// What none of them knows, any says so of.
    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        match (path.contains(".metrics."), path.contains(".logs.")) {
            (true, _) => self.metrics.call(request),
            (_, true) => self.logs.call(request),
            (false, false) => self.traces.call(request),
        }
    }
}
