//! The requests that there are: one for each of OpenTelemetry's signals that we write ourselves.

use super::floats;
use opentelemetry_proto::tonic::collector::{
    logs::v1::{
        ExportLogsServiceRequest, ExportLogsServiceResponse, logs_service_client::LogsServiceClient,
    },
    metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_client::MetricsServiceClient,
    },
    trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_client::TraceServiceClient,
    },
};
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Response, Status, codec::CompressionEncoding, transport::Channel};

/// A request to a collector, and what is answered to it.
pub(crate) trait Request: Message + Serialize + Sized + 'static {
    type Answer: Message + Default + DeserializeOwned;

    /// What to do about a collector that takes no such requests.
    const NO_PIPELINE: &'static str;

    fn over_grpc(
        channel: Channel,
        gzip: bool,
        request: tonic::Request<Self>,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;

    /// How much of the request the collector did not take, and what it says of that; none: it says nothing.
    fn rejected(answer: Self::Answer) -> Option<(i64, String)>;

    /// Writes numbers that are none, or without end, into what was written of it as JSON; by default the library does so.
    fn write_odd_floats(&self, _: &mut serde_json::Value) {}
}

/// The generated clients are alike, and have no trait in common.
macro_rules! over_grpc {
    ($client:ident) => {
        async fn over_grpc(
            channel: Channel,
            gzip: bool,
            request: tonic::Request<Self>,
        ) -> Result<Response<Self::Answer>, Status> {
            let mut service = $client::new(channel);
            if gzip {
                service = service
                    .send_compressed(CompressionEncoding::Gzip)
                    .accept_compressed(CompressionEncoding::Gzip);
            }
            service.export(request).await
        }
    };
}

impl Request for ExportMetricsServiceRequest {
    type Answer = ExportMetricsServiceResponse;

    const NO_PIPELINE: &'static str = "the collector takes no metrics there: give its configuration a pipeline for them, or say `telemetry.otlp.metrics = false`";

    over_grpc!(MetricsServiceClient);

    fn rejected(answer: Self::Answer) -> Option<(i64, String)> {
        let partial = answer.partial_success?;
        Some((partial.rejected_data_points, partial.error_message))
    }
}

impl Request for ExportLogsServiceRequest {
    type Answer = ExportLogsServiceResponse;

    const NO_PIPELINE: &'static str = "the collector takes no logs there: give its configuration a pipeline for them, or take the sink of kind `otlp` out of ours";

    over_grpc!(LogsServiceClient);

    fn rejected(answer: Self::Answer) -> Option<(i64, String)> {
        let partial = answer.partial_success?;
        Some((partial.rejected_log_records, partial.error_message))
    }

    fn write_odd_floats(&self, json: &mut serde_json::Value) {
        floats::of_logs(self, json);
    }
}

impl Request for ExportTraceServiceRequest {
    type Answer = ExportTraceServiceResponse;

    const NO_PIPELINE: &'static str = "the collector takes no traces there: give its configuration a pipeline for them, or take `telemetry.otlp` out of ours";

    over_grpc!(TraceServiceClient);

    fn rejected(answer: Self::Answer) -> Option<(i64, String)> {
        let partial = answer.partial_success?;
        Some((partial.rejected_spans, partial.error_message))
    }

    fn write_odd_floats(&self, json: &mut serde_json::Value) {
        floats::of_traces(self, json);
    }
}
