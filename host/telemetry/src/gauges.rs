//! Telemetry's own counts, as metrics.

use crate::stats::{MetricStats, SignalStats, SinkStats, SpanStats, Stats};
use tengen_core::meter::{Metric, Samples};

impl Stats {
    pub fn collect(&self, into: &mut Samples) {
        if let Some(spans) = &self.spans {
            of_spans(spans, into);
        }
        if let Some(metrics) = &self.metrics {
            of_metrics(metrics, into);
        }
        of_signals(&self.signals, into);
        for (name, sink) in &self.sinks {
            of_sink(name, sink, into);
        }
    }
}

fn of_spans(spans: &SpanStats, into: &mut Samples) {
    for (metric, value) in [
        (Metric::EndedSpans, spans.ended),
        (Metric::ExportedSpans, spans.exported),
        (Metric::QueuedSpans, spans.queued),
        (Metric::InFlightSpans, spans.in_flight),
        (Metric::SpanMemory, spans.bytes),
        (Metric::SpilledSpans, spans.spilled),
    ] {
        into.add(metric, &[], value);
    }
    into.add(Metric::LateTraces, &["recorded"], spans.late);
    into.add(Metric::LateTraces, &["over-limit"], spans.late_over_limit);
    for (why, count) in spans.dropped.by_reason() {
        into.add(Metric::DroppedSpans, &[why], count);
    }
}

fn of_metrics(metrics: &MetricStats, into: &mut Samples) {
    into.add(Metric::MetricExports, &["ok"], metrics.exports);
    into.add(Metric::MetricExports, &["failed"], metrics.failed);
    into.add(Metric::ExportedPoints, &[], metrics.points);
    into.add(Metric::RejectedPoints, &[], metrics.rejected);
}

fn of_signals(signals: &SignalStats, into: &mut Samples) {
    into.add(Metric::SignalsCreated, &[], signals.created);
    for (fate, count) in [
        ("filtered", signals.filtered),
        ("sampled-out", signals.sampled_out),
        ("limited", signals.limited),
        ("accepted", signals.accepted),
    ] {
        into.add(Metric::Signals, &[fate], count);
    }
}

fn of_sink(name: &str, sink: &SinkStats, into: &mut Samples) {
    for (metric, value) in [
        (Metric::SinkOffered, sink.offered),
        (Metric::SinkAccepted, sink.accepted),
        (Metric::SinkProcessed, sink.processed),
        (Metric::SinkQueued, sink.queued),
        (Metric::SinkInFlight, sink.in_flight),
        (Metric::SinkMemory, sink.bytes),
        (Metric::SinkErrors, sink.errors),
        (Metric::SinkRetries, sink.retries),
        (Metric::SinkBreakerOpened, sink.breaker_openings),
    ] {
        into.add(metric, &[name], value);
    }
    let spill = sink.spill.clone().unwrap_or_default();
    for (metric, value) in [
        (Metric::SinkSpilled, sink.spilled),
        (Metric::SinkSpillMemory, spill.bytes),
        (Metric::SinkRecovered, spill.recovered),
        (Metric::SinkDamaged, spill.damaged),
        (Metric::SinkSpillErrors, spill.errors),
    ] {
        into.add(metric, &[name], value);
    }
    into.add(Metric::SinkOldest, &[name], sink.oldest_ms as f64 / 1000.0);
    into.add(Metric::SinkLatency, &[name], sink.latency.times.clone());
    into.add(Metric::SinkRate, &[name, "accepted"], sink.accepted_per_s);
    into.add(Metric::SinkRate, &[name, "processed"], sink.processed_per_s);
    into.add(Metric::SinkGone, &[name], sink.gone);
    for phase in ["closed", "half-open", "open"] {
        into.add(Metric::SinkBreaker, &[name, phase], sink.breaker == phase);
    }
    for health in ["healthy", "behind", "failing", "paused", "gone"] {
        into.add(Metric::SinkHealth, &[name, health], sink.health == health);
    }
    for (why, count) in [
        ("filtered", sink.filtered),
        ("sampled-out", sink.sampled_out),
        ("limited", sink.limited),
        ("withheld", sink.withheld),
    ] {
        into.add(Metric::SinkPassed, &[name, why], count);
    }
    for (why, count) in sink.dropped.by_reason() {
        into.add(Metric::SinkDropped, &[name, why], count);
    }
}
