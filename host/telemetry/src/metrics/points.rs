//! Samples as OTLP has them: cumulative sums, gauges, and histograms with the ranges that there are.

use crate::sending;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Exemplar, Gauge, Histogram, HistogramDataPoint, Metric as Written,
        NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, exemplar, metric::Data,
        number_data_point,
    },
    resource::v1,
};
use opentelemetry_sdk::Resource;
use std::time::{SystemTime, UNIX_EPOCH};
use tengen_core::meter::{self, Instrument, Metric, Reading, Sample, Samples, Value};

/// Points of one request: some 200 bytes each, so that it stays well within the 4 MiB that collectors take over gRPC.
const POINTS: usize = 4096;

/// What is the same in every export.
#[derive(Debug)]
pub(super) struct Sheet {
    resource: v1::Resource,
    /// Since when is counted, in nanoseconds since 1970.
    since: u64,
    /// Whether histograms have traces that show what they count.
    exemplars: bool,
}

/// A request, and how many points are in it.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) request: ExportMetricsServiceRequest,
    pub(super) points: u64,
}

impl Sheet {
    pub(super) fn new(resource: &Resource, since: SystemTime, exemplars: bool) -> Self {
        Self { resource: sending::resource(resource), since: nanos(since), exemplars }
    }

    /// All of it as it was at that time, in as many requests as it takes.
    pub(super) fn pages(&self, samples: Samples, now: SystemTime) -> Vec<Page> {
        let times = Times { since: self.since, now: nanos(now), exemplars: self.exemplars };
        let samples = samples.sorted();
        samples.chunks(POINTS).map(|part| self.page(part, times)).collect()
    }

    fn page(&self, samples: &[Sample], times: Times) -> Page {
        let of_one = samples.chunk_by(|one, next| one.metric == next.metric);
        let metrics = of_one.filter_map(|its| written(its, times)).collect();
        let scope = Some(sending::scope());
        let scope = ScopeMetrics { scope, metrics, schema_url: String::new() };
        let resource = ResourceMetrics {
            resource: Some(self.resource.clone()),
            scope_metrics: vec![scope],
            schema_url: String::new(),
        };
        let request = ExportMetricsServiceRequest { resource_metrics: vec![resource] };
        Page { request, points: samples.len() as u64 }
    }
}

/// From when to when is counted, in nanoseconds since 1970.
#[derive(Clone, Copy)]
struct Times {
    since: u64,
    now: u64,
    /// Whether some of them are shown by a trace.
    exemplars: bool,
}

fn nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The samples of one metric; none where there are none.
fn written(samples: &[Sample], times: Times) -> Option<Written> {
    let metric = samples.first()?.metric;
    let numbers = || samples.iter().filter_map(|sample| number(sample, times)).collect();
    let sum = |is_monotonic| {
        let aggregation_temporality = AggregationTemporality::Cumulative.into();
        Data::Sum(Sum { data_points: numbers(), aggregation_temporality, is_monotonic })
    };
    let data = match metric.instrument() {
        Instrument::Counter => sum(true),
        Instrument::UpDownCounter => sum(false),
        Instrument::Gauge => Data::Gauge(Gauge { data_points: numbers() }),
        Instrument::Histogram => Data::Histogram(Histogram {
            data_points: samples.iter().filter_map(|sample| ranges(sample, times)).collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        }),
    };
    Some(Written {
        name: metric.dotted().into_owned(),
        description: metric.help().into(),
        unit: metric.ucum().into_owned(),
        metadata: Vec::new(),
        data: Some(data),
    })
}

fn number(sample: &Sample, times: Times) -> Option<NumberDataPoint> {
    let value = match &sample.value {
        Value::Whole(count) => {
            number_data_point::Value::AsInt(i64::try_from(*count).unwrap_or(i64::MAX))
        }
        Value::Real(level) => number_data_point::Value::AsDouble(*level),
        Value::Fact => number_data_point::Value::AsInt(1),
        // Of a histogram alone.
        Value::Times(_) => return None,
    };
    let is_level = sample.metric.instrument() == Instrument::Gauge;
    Some(NumberDataPoint {
        attributes: attributes(sample),
        // What is not counted has no beginning.
        start_time_unix_nano: if is_level { 0 } else { times.since },
        time_unix_nano: times.now,
        value: Some(value),
        ..NumberDataPoint::default()
    })
}

fn ranges(sample: &Sample, times: Times) -> Option<HistogramDataPoint> {
    let Value::Times(reading) = &sample.value else { return None };
    let reading: &Reading = reading;
    Some(HistogramDataPoint {
        attributes: attributes(sample),
        start_time_unix_nano: times.since,
        time_unix_nano: times.now,
        count: reading.count(),
        sum: Some(reading.seconds()),
        bucket_counts: reading.ranges().map(|(_, count)| count).collect(),
        // The last range has no end.
        explicit_bounds: reading.ranges().map(|(end, _)| end).filter(|it| it.is_finite()).collect(),
        exemplars: reading
            .exemplars()
            .filter(|_| times.exemplars)
            .map(|(_, it)| exemplar(it))
            .collect(),
        ..HistogramDataPoint::default()
    })
}

fn exemplar(of: &meter::Exemplar) -> Exemplar {
    Exemplar {
        filtered_attributes: Vec::new(),
        time_unix_nano: nanos(of.at),
        span_id: of.span_id.to_be_bytes().to_vec(),
        trace_id: of.trace_id.to_be_bytes().to_vec(),
        value: Some(exemplar::Value::AsDouble(of.time.as_secs_f64())),
    }
}

fn attributes(sample: &Sample) -> Vec<KeyValue> {
    let metric: Metric = sample.metric;
    let labels = sample.labels().map(|(label, value)| text(&metric.attribute(label), value));
    let fixed = metric.fixed_attributes().iter().map(|(name, value)| text(name, value));
    labels.chain(fixed).collect()
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = match key {
        // The one attribute that the conventions have as a number.
        "http.response.status_code" => value.parse().map(any_value::Value::IntValue).ok(),
        _ => None,
    }
    .unwrap_or_else(|| any_value::Value::StringValue(value.to_owned()));
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const SECOND: Duration = Duration::from_secs(1);

    fn pages(samples: Samples) -> Vec<Page> {
        let since = UNIX_EPOCH + SECOND;
        let sheet = Sheet::new(&Resource::builder_empty().build(), since, true);
        sheet.pages(samples, since + SECOND)
    }

    fn metrics(page: &Page) -> &[Written] {
        &page.request.resource_metrics[0].scope_metrics[0].metrics
    }

    fn one(samples: Samples) -> Written {
        let pages = pages(samples);
        let [page] = &pages[..] else { panic!("{} pages", pages.len()) };
        let [metric] = metrics(page) else { panic!("{} metrics", metrics(page).len()) };
        metric.clone()
    }

    #[test]
    fn counts_are_cumulative_sums_that_only_grow() {
        let mut samples = Samples::default();
        samples.add(Metric::RefusedUpgrades, &["origin", "403"], 7_u64);
        let metric = one(samples);
        assert_eq!((&*metric.name, &*metric.unit), ("tengen.connection.rejected", "{connection}"));
        let Some(Data::Sum(sum)) = metric.data else { panic!("{:?}", metric.data) };
        assert!(sum.is_monotonic);
        assert_eq!(sum.aggregation_temporality(), AggregationTemporality::Cumulative);
        let [point] = &sum.data_points[..] else { panic!("{sum:?}") };
        assert_eq!(point.value, Some(number_data_point::Value::AsInt(7)));
        let times = (point.start_time_unix_nano, point.time_unix_nano);
        assert_eq!(times, (1_000_000_000, 2_000_000_000));
        let status = any_value::Value::IntValue(403);
        let expected = [
            text("error.type", "origin"),
            KeyValue {
                key: "http.response.status_code".into(),
                value: Some(AnyValue { value: Some(status) }),
                ..KeyValue::default()
            },
        ];
        assert_eq!(point.attributes, expected);
    }

    #[test]
    fn what_adds_up_is_a_sum_that_may_shrink_and_other_levels_are_gauges() {
        let mut samples = Samples::default();
        samples.add(Metric::OpenConnections, &[], 3_u64);
        samples.add(Metric::Uptime, &[], 5_u64);
        samples.add(Metric::PluginOwnSum, &["chat", "load"], -1.5);
        let pages = pages(samples);
        let all = metrics(&pages[0]);
        let of = |name: &str| all.iter().find(|it| it.name == name).unwrap().data.clone().unwrap();
        let Data::Sum(open) = of("tengen.connection.active") else { panic!("{all:?}") };
        assert!(!open.is_monotonic);
        let Data::Gauge(uptime) = of("tengen.uptime") else { panic!("{all:?}") };
        assert_eq!(uptime.data_points[0].start_time_unix_nano, 0);
        let Data::Gauge(own) = of("tengen.plugin.measure.sum") else { panic!("{all:?}") };
        assert_eq!(own.data_points[0].value, Some(number_data_point::Value::AsDouble(-1.5)));
    }

    #[test]
    fn a_histogram_has_one_range_more_than_it_has_bounds_and_all_times_in_them() {
        let times = meter::Histogram::default();
        times.record(Duration::from_micros(30));
        times.record(Duration::from_secs(60));
        let mut samples = Samples::default();
        samples.add(Metric::PingRoundTrip, &[], times.read());
        let metric = one(samples);
        let Some(Data::Histogram(histogram)) = metric.data else { panic!("{:?}", metric.data) };
        let [point] = &histogram.data_points[..] else { panic!("{histogram:?}") };
        assert_eq!(point.explicit_bounds.len() + 1, point.bucket_counts.len());
        assert_eq!(point.explicit_bounds[..2], [0.00001, 0.000025]);
        assert_eq!((point.bucket_counts[2], point.bucket_counts.last()), (1, Some(&1)));
        assert_eq!((point.count, point.sum), (2, Some(60.00003)));
        assert_eq!((&*metric.unit, &*metric.name), ("s", "tengen.heartbeat.rtt"));
    }

    #[test]
    fn the_traces_that_show_times_go_with_them_where_somebody_wants_them() {
        let times = meter::Histogram::default();
        let (time, at) = (Duration::from_micros(30), UNIX_EPOCH + SECOND);
        times.record(time);
        times.show(meter::Exemplar { trace_id: 0xabc, span_id: 0xdef, time, at });
        for wanted in [true, false] {
            let mut samples = Samples::default();
            samples.add(Metric::PingRoundTrip, &[], times.read());
            let sheet = Sheet::new(&Resource::builder_empty().build(), UNIX_EPOCH, wanted);
            let pages = sheet.pages(samples, UNIX_EPOCH + SECOND);
            let Some(Data::Histogram(histogram)) = &metrics(&pages[0])[0].data else { panic!() };
            let exemplars = &histogram.data_points[0].exemplars;
            assert_eq!(exemplars.len(), usize::from(wanted));
            for one in exemplars {
                assert_eq!(one.trace_id, 0xabc_u128.to_be_bytes());
                assert_eq!(one.span_id, 0xdef_u64.to_be_bytes());
                assert_eq!(one.value, Some(exemplar::Value::AsDouble(0.000_03)));
                assert_eq!(one.time_unix_nano, 1_000_000_000);
            }
        }
    }

    #[test]
    fn many_points_go_in_several_requests_and_none_is_left_out() {
        let mut samples = Samples::default();
        for place in 0..POINTS + 10 {
            samples.add(Metric::PluginCalls, &[&place.to_string()], place);
        }
        samples.add(Metric::OpenConnections, &[], 1_u64);
        let pages = pages(samples);
        let points: Vec<_> = pages.iter().map(|page| page.points).collect();
        assert_eq!(points, [POINTS as u64, 11]);
        let written = pages.iter().flat_map(metrics).map(|metric| match &metric.data {
            Some(Data::Sum(sum)) => sum.data_points.len(),
            other => panic!("{other:?}"),
        });
        assert_eq!(written.sum::<usize>(), POINTS + 11);
    }

    #[test]
    fn whole_numbers_that_no_protocol_holds_stay_at_the_largest() {
        let mut samples = Samples::default();
        samples.add(Metric::OpenConnections, &[], u64::MAX);
        let Some(Data::Sum(sum)) = one(samples).data else { panic!("a sum") };
        assert_eq!(sum.data_points[0].value, Some(number_data_point::Value::AsInt(i64::MAX)));
    }
}
