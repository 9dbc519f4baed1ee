//! Metrics as they arrived.

use super::{Collector, Grpc, PATIENCE, Refused, Value, attributes};
use anyhow::{Context, Result};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::{
        ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
        metrics_service_server::MetricsService,
    },
    metrics::v1::{self as wire, AggregationTemporality, metric::Data, number_data_point},
};
use prost::Message as _;
use std::{
    collections::BTreeMap,
    sync::{PoisonError, atomic::Ordering},
};
use tokio::time;
use tonic::Status;

/// What a metric is, and whether its values go on from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Counter,
    UpDownCounter,
    Gauge,
    Histogram,
    /// Anything that the gateway does not send: values since the last export, summaries, metrics without values.
    Other,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub name: String,
    pub unit: String,
    pub description: String,
    pub shape: Shape,
    pub attributes: BTreeMap<String, Value>,
    /// Of a histogram, how many times there are.
    pub value: f64,
    /// Of a histogram alone.
    pub ranges: Option<Ranges>,
    /// Who sent it.
    pub resource: BTreeMap<String, Value>,
    /// Nanoseconds since 1970; 0: it has none.
    pub start: u64,
    pub time: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Ranges {
    pub bounds: Vec<f64>,
    pub counts: Vec<u64>,
    pub sum: f64,
}

impl Point {
    /// Whether it has this attribute, as a text or as a whole number.
    pub fn has(&self, key: &str, value: &str) -> bool {
        match self.attributes.get(key) {
            Some(Value::Text(text)) => text == value,
            Some(Value::Integer(number)) => number.to_string() == value,
            _ => false,
        }
    }
}

impl Collector {
    /// Values of the last request with metrics.
    pub fn points(&self) -> Vec<Point> {
        self.inbox.points.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Requests with metrics so far, refused ones too.
    pub fn metric_requests(&self) -> u64 {
        self.inbox.metric_requests.load(Ordering::SeqCst)
    }

    /// Takes requests with metrics from now on but for so many of their values.
    pub fn reject(&self, points: u64) {
        self.inbox.rejects.store(points, Ordering::SeqCst);
    }

    /// Waits until the metrics are as wanted, and hands them out; an error after a while.
    pub async fn wait_for_points(&self, wanted: impl Fn(&[Point]) -> bool) -> Result<Vec<Point>> {
        let mut arrivals = self.inbox.arrivals.subscribe();
        let waiting = async {
            loop {
                let points = self.points();
                if wanted(&points) || arrivals.changed().await.is_err() {
                    return points;
                }
            }
        };
        let waited = time::timeout(PATIENCE, waiting).await;
        waited.with_context(|| format!("not the wanted metrics; there are {:?}", self.points()))
    }
}

pub(super) fn points_of(request: ExportMetricsServiceRequest) -> Vec<Point> {
    let mut points = Vec::new();
    for group in request.resource_metrics {
        let resource =
            attributes(group.resource.map(|resource| resource.attributes).unwrap_or_default());
        for metric in group.scope_metrics.into_iter().flat_map(|scope| scope.metrics) {
            let empty = Point {
                name: metric.name,
                unit: metric.unit,
                description: metric.description,
                shape: Shape::Other,
                attributes: BTreeMap::new(),
                value: f64::NAN,
                ranges: None,
                resource: resource.clone(),
                start: 0,
                time: 0,
            };
            points.extend(of_metric(metric.data, &empty));
        }
    }
    points
}

fn of_metric(data: Option<Data>, empty: &Point) -> Vec<Point> {
    match data {
        Some(Data::Sum(sum)) => {
            let shape = match (sum.aggregation_temporality(), sum.is_monotonic) {
                (AggregationTemporality::Cumulative, true) => Shape::Counter,
                (AggregationTemporality::Cumulative, false) => Shape::UpDownCounter,
                _ => Shape::Other,
            };
            numbers(sum.data_points, &Point { shape, ..empty.clone() })
        }
        Some(Data::Gauge(gauge)) => {
            numbers(gauge.data_points, &Point { shape: Shape::Gauge, ..empty.clone() })
        }
        Some(Data::Histogram(histogram)) => {
            let shape = match histogram.aggregation_temporality() {
                AggregationTemporality::Cumulative => Shape::Histogram,
                _ => Shape::Other,
            };
            let of = |point: wire::HistogramDataPoint| Point {
                shape,
                attributes: attributes(point.attributes),
                value: point.count as f64,
                ranges: Some(Ranges {
                    bounds: point.explicit_bounds,
                    counts: point.bucket_counts,
                    sum: point.sum.unwrap_or(f64::NAN),
                }),
                start: point.start_time_unix_nano,
                time: point.time_unix_nano,
                ..empty.clone()
            };
            histogram.data_points.into_iter().map(of).collect()
        }
        _ => vec![empty.clone()],
    }
}

fn numbers(points: Vec<wire::NumberDataPoint>, empty: &Point) -> Vec<Point> {
    let of = |point: wire::NumberDataPoint| Point {
        attributes: attributes(point.attributes),
        value: match point.value {
            Some(number_data_point::Value::AsInt(whole)) => whole as f64,
            Some(number_data_point::Value::AsDouble(real)) => real,
            None => f64::NAN,
        },
        start: point.start_time_unix_nano,
        time: point.time_unix_nano,
        ..empty.clone()
    };
    points.into_iter().map(of).collect()
}

impl super::Inbox {
    pub(super) async fn receive_metrics(
        &self,
        headers: http::HeaderMap,
        request: ExportMetricsServiceRequest,
    ) -> Result<ExportMetricsServiceResponse, Refused> {
        self.metric_requests.fetch_add(1, Ordering::SeqCst);
        self.admit(headers, request.encoded_len()).await?;
        let points = points_of(request);
        let rejected = self.rejects.load(Ordering::SeqCst).min(points.len() as u64);
        *self.points.lock().unwrap_or_else(PoisonError::into_inner) = points;
        self.arrivals.send_replace(());
        let partial = ExportMetricsPartialSuccess {
            rejected_data_points: i64::try_from(rejected).unwrap_or(i64::MAX),
            error_message: "too old".into(),
        };
        Ok(ExportMetricsServiceResponse { partial_success: (rejected > 0).then_some(partial) })
    }
}

#[tonic::async_trait]
impl MetricsService for Grpc {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        match self.0.receive_metrics(metadata.into_headers(), request).await {
            Ok(response) => Ok(tonic::Response::new(response)),
            Err(refused) => Err(refused.into()),
        }
    }
}
