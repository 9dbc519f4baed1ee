//! A request with metrics that is more than a collector takes, in two parts.

use super::points::Page;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{Metric, metric::Data},
};

impl Page {
    /// Err: it has one point, or none.
    pub(super) fn halves(mut self) -> Result<[Self; 2], Self> {
        if self.points < 2 {
            return Err(self);
        }
        let metrics = metrics_of(&mut self.request).map(std::mem::take).unwrap_or_default();
        let other = self.request.clone();
        let (first, second) = split(metrics);
        Ok([page(self.request, first), page(other, second)])
    }
}

fn metrics_of(request: &mut ExportMetricsServiceRequest) -> Option<&mut Vec<Metric>> {
    let resource = request.resource_metrics.first_mut()?;
    resource.scope_metrics.first_mut().map(|scope| &mut scope.metrics)
}

fn page(mut request: ExportMetricsServiceRequest, metrics: Vec<Metric>) -> Page {
    let points = metrics.iter().map(points).sum::<usize>() as u64;
    if let Some(place) = metrics_of(&mut request) {
        *place = metrics;
    }
    Page { request, points }
}

fn points(of: &Metric) -> usize {
    match &of.data {
        Some(Data::Sum(sum)) => sum.data_points.len(),
        Some(Data::Gauge(gauge)) => gauge.data_points.len(),
        Some(Data::Histogram(histogram)) => histogram.data_points.len(),
        _ => 0,
    }
}

/// Between two metrics, or, where there is but one, between two of its points.
fn split(mut metrics: Vec<Metric>) -> (Vec<Metric>, Vec<Metric>) {
    if metrics.len() > 1 {
        let second = metrics.split_off(metrics.len() / 2);
        return (metrics, second);
    }
    let mut second = metrics.clone();
    for (metric, other) in metrics.iter_mut().zip(&mut second) {
        match (&mut metric.data, &mut other.data) {
            (Some(Data::Sum(one)), Some(Data::Sum(other))) => {
                other.data_points = half(&mut one.data_points);
            }
            (Some(Data::Gauge(one)), Some(Data::Gauge(other))) => {
                other.data_points = half(&mut one.data_points);
            }
            (Some(Data::Histogram(one)), Some(Data::Histogram(other))) => {
                other.data_points = half(&mut one.data_points);
            }
            _ => {}
        }
    }
    (metrics, second)
}

fn half<T>(points: &mut Vec<T>) -> Vec<T> {
    points.split_off(points.len() / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::metrics::v1::{
        Gauge, NumberDataPoint, ResourceMetrics, ScopeMetrics,
    };

    #[test]
    fn halves_of_halves_are_single_points_and_none_is_left_out() {
        let gauge = |points: std::ops::Range<u64>| {
            let point = |at| NumberDataPoint { time_unix_nano: at, ..NumberDataPoint::default() };
            let data = Data::Gauge(Gauge { data_points: points.map(point).collect() });
            Metric { data: Some(data), ..Metric::default() }
        };
        let scope = ScopeMetrics { metrics: Vec::new(), ..ScopeMetrics::default() };
        let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
        let request = ExportMetricsServiceRequest { resource_metrics: vec![resource] };
        let mut left = vec![page(request, vec![gauge(0..5), gauge(5..6), gauge(6..13)])];
        let mut single = Vec::new();
        while let Some(page) = left.pop() {
            match page.halves() {
                Ok([first, second]) => left.extend([second, first]),
                Err(page) => single.push(page),
            }
        }
        let times = single.iter_mut().flat_map(|page| {
            let metrics = metrics_of(&mut page.request).map(std::mem::take).unwrap_or_default();
            metrics.into_iter().flat_map(|metric| match metric.data {
                Some(Data::Gauge(gauge)) => gauge.data_points,
                other => panic!("{other:?}"),
            })
        });
        let times: Vec<_> = times.map(|point| point.time_unix_nano).collect();
        assert_eq!(times, (0..13).collect::<Vec<_>>());
        assert!(single.iter().all(|page| page.points == 1));
    }
}
