//! Samples as scrapers read them.

use super::exemplars::Exemplars;
use http::{HeaderMap, header};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text},
    metrics::MetricType,
    registry::{Registry, Unit},
};
use std::{fmt, thread};
use tengen_core::meter::{Kind, Metric, Sample, Samples, Value};

/// The formats that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Prometheus' own, which everything reads that scrapes.
    Text,
    /// The one with units, for who asks for it.
    OpenMetrics,
}

impl Form {
    /// What a caller wants by its `Accept`. Weights are not looked at: who names OpenMetrics at all, as Prometheus does, reads
    /// it.
    pub fn wanted(headers: &HeaderMap) -> Self {
        let mut accepted = headers.get_all(header::ACCEPT).iter();
        let open = |value: &http::HeaderValue| {
            let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
            value.contains("application/openmetrics-text")
        };
        if accepted.any(open) { Self::OpenMetrics } else { Self::Text }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All metrics of the table, those without samples too.
pub fn text(samples: Samples, form: Form) -> Result<String, fmt::Error> {
    let samples = samples.sorted();
    let exemplars = match form {
        Form::Text => Exemplars::default(),
        Form::OpenMetrics => Exemplars::of(&samples),
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Read(samples)));
    let mut written = String::new();
    match form {
        Form::Text => prometheus_text::encode(&mut written, &registry)?,
        Form::OpenMetrics => text::encode(&mut written, &registry)?,
    }
    Ok(exemplars.put(written))
}

/// Samples in the order of the table.
#[derive(Debug)]
struct Read(Vec<Sample>);

impl Collector for Read {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut left = self.0.as_slice();
        for metric in Metric::ALL {
            // It is a lot of text where there are many plugins, and who serves connections may need this core.
            thread::yield_now();
            let others = left.iter().position(|sample| sample.metric != *metric);
            let (its, others) =
                left.split_at_checked(others.unwrap_or(left.len())).unwrap_or_default();
            left = others;
            let unit = unit(metric.unit());
            let mut encoder = encoder.encode_descriptor(
                metric.name(),
                metric.help(),
                unit.as_ref(),
                kind(metric.kind()),
            )?;
            its.iter().try_for_each(|sample| write(sample, &mut encoder))?;
        }
        Ok(())
    }
}

fn write(sample: &Sample, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
    let labels: Vec<_> = sample.labels().collect();
    if sample.metric.kind() == Kind::Info {
        return encoder.encode_info(&labels);
    }
    match labels.is_empty() {
        true => value(sample, encoder),
        false => value(sample, &mut encoder.encode_family(&labels)?),
    }
}

fn value(sample: &Sample, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
    let counts = sample.metric.kind() == Kind::Counter;
    match &sample.value {
        Value::Whole(count) if counts => encoder.encode_counter::<NoLabelSet, _, f64>(count, None),
        Value::Real(count) if counts => encoder.encode_counter::<NoLabelSet, _, f64>(count, None),
        Value::Whole(level) => encoder.encode_gauge(level),
        Value::Real(level) => encoder.encode_gauge(level),
        Value::Times(times) => {
            let ranges: Vec<_> = times.ranges().collect();
            let (sum, count) = (times.seconds(), times.count());
            encoder.encode_histogram::<NoLabelSet>(sum, count, &ranges, None)
        }
        Value::Fact => Ok(()),
    }
}

fn kind(kind: Kind) -> MetricType {
    match kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
    }
}

fn unit(unit: &str) -> Option<Unit> {
    match unit {
        "" => None,
        "seconds" => Some(Unit::Seconds),
        "bytes" => Some(Unit::Bytes),
        other => Some(Unit::Other(other.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tengen_core::meter::Histogram;

    fn written(form: Form) -> String {
        let mut samples = Samples::default();
        let histogram = Histogram::default();
        histogram.record(Duration::from_micros(30));
        histogram.record(Duration::from_secs(60));
        samples.add(Metric::PluginCallTime, &["chat"], histogram.read());
        samples.add(Metric::PluginCalls, &["chat"], 2_u64);
        samples.add(Metric::PluginOwnSum, &["chat", "a \"b\"\\c"], -1.5);
        samples.add(Metric::Build, &["1.2.3"], Value::Fact);
        text(samples, form).unwrap()
    }

    #[test]
    fn both_forms_have_names_labels_and_texts() {
        for form in [Form::Text, Form::OpenMetrics] {
            let written = written(form);
            for line in [
                "tengen_build_info{version=\"1.2.3\"} 1\n",
                "tengen_plugin_calls_total{plugin=\"chat\"} 2\n",
                "tengen_plugin_call_seconds_count{plugin=\"chat\"} 2\n",
                "tengen_plugin_call_seconds_sum{plugin=\"chat\"} 60.00003\n",
                "tengen_plugin_own_sum{plugin=\"chat\",measure=\"a \\\"b\\\"\\\\c\"} -1.5\n",
            ] {
                assert!(written.contains(line), "no {line} in {written}");
            }
        }
    }

    /// Numbers as each of the two standards writes them.
    #[test]
    fn ranges_add_up_to_all_and_end_with_infinity() {
        let ranges = |form, ends: [&str; 4]| {
            let written = written(form);
            for (end, count) in ends.into_iter().zip([0, 1, 1, 2]) {
                let its = |line: &&str| {
                    line.starts_with("tengen_plugin_call_seconds_bucket{")
                        && line.contains(&format!("le=\"{end}\""))
                        && line.contains("plugin=\"chat\"")
                };
                let line = written.lines().find(its).unwrap_or_else(|| panic!("no {end}"));
                assert!(line.ends_with(&format!("}} {count}")), "{line}");
            }
        };
        ranges(Form::Text, ["2.5e-05", "5e-05", "10", "+Inf"]);
        ranges(Form::OpenMetrics, ["0.000025", "0.00005", "10.0", "+Inf"]);
    }

    #[test]
    fn open_metrics_name_a_counter_without_its_end_and_have_units_and_an_end() {
        let open = written(Form::OpenMetrics);
        assert!(
            open.contains("# TYPE tengen_plugin_calls counter\n# UNIT tengen_plugin_calls calls\n")
        );
        assert!(open.ends_with("# EOF\n"));
        let plain = written(Form::Text);
        assert!(plain.contains("# TYPE tengen_plugin_calls_total counter\n"));
        assert!(!plain.contains("# UNIT") && !plain.contains("# EOF"));
    }

    #[test]
    fn open_metrics_are_for_who_asks_for_them() {
        let of = |accept: &'static str| {
            let value = http::HeaderValue::from_static(accept);
            Form::wanted(&HeaderMap::from_iter([(header::ACCEPT, value)]))
        };
        let prometheus =
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.2,*/*;q=0.1";
        assert_eq!(of(prometheus), Form::OpenMetrics);
        assert_eq!(of("*/*"), Form::Text);
        assert_eq!(Form::wanted(&HeaderMap::new()), Form::Text);
    }
}
