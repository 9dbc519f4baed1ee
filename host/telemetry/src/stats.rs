//! What telemetry did, what it lost, and why.

use serde::Serialize;
use std::{collections::BTreeMap, fmt};
use tengen_core::meter::Reading;

/// A snapshot of all telemetry.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// None where tracing is off.
    pub spans: Option<SpanStats>,
    /// Why there is no tracing although it was asked for.
    pub no_spans: Option<String>,
    /// None where metrics are not sent to a collector.
    pub metrics: Option<MetricStats>,
    /// Why they are not, although it was asked for.
    pub no_metrics: Option<String>,
    pub signals: SignalStats,
    /// By name.
    pub sinks: BTreeMap<String, SinkStats>,
}

/// Every span that ended is in one of the counts: `ended = exported + dropped + queued + in_flight + spilled`. What an earlier run
/// left on the disk counts as ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SpanStats {
    /// Without its query, which may be a secret.
    pub endpoint: String,
    pub protocol: &'static str,
    /// Traces that were told after the fact: of what was not among the sample and failed, was refused, or was slow.
    pub late: u64,
    /// Those that were not told because there were so many within a second.
    pub late_over_limit: u64,
    /// Spans that were recorded and have ended.
    pub ended: u64,
    pub exported: u64,
    pub queued: u64,
    /// In the batch that is being exported.
    pub in_flight: u64,
    /// What is queued and in flight takes up, about.
    pub bytes: u64,
    /// On the disk, until a collector takes them.
    pub spilled: u64,
    /// How the disk is, if there is one for them.
    pub spill: Option<SpillStats>,
    pub dropped: SpansDropped,
    pub last_error: Option<String>,
}

/// Spans that no collector confirmed, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SpansDropped {
    /// The collector was slower than the gateway: as many spans, or bytes of them, waited as may.
    pub queue_full: u64,
    /// The collector was not there, or took nothing, also after retries.
    pub export_failed: u64,
    /// The collector said that it did not take them.
    pub refused: u64,
    /// Each of them alone is more than the collector takes.
    pub too_large: u64,
    /// There was no room for them on the disk.
    pub spill_full: u64,
    /// The disk did not take them, or does not give them back.
    pub spill_failed: u64,
    /// The gateway ended first.
    pub shutdown: u64,
}

impl SpansDropped {
    pub fn total(self) -> u64 {
        self.by_reason().into_iter().map(|(_, count)| count).sum()
    }

    /// With the words for their reasons.
    pub fn by_reason(self) -> [(&'static str, u64); 7] {
        [
            ("queue-full", self.queue_full),
            ("export-failed", self.export_failed),
            ("refused", self.refused),
            ("too-large", self.too_large),
            ("spill-full", self.spill_full),
            ("spill-failed", self.spill_failed),
            ("shutdown", self.shutdown),
        ]
    }
}

/// What became of the metrics on their way to a collector.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct MetricStats {
    /// Without its query, which may be a secret.
    pub endpoint: String,
    pub protocol: &'static str,
    pub every_ms: u64,
    /// Exports that the collector has confirmed.
    pub exports: u64,
    /// Exports that it has not, after all tries.
    pub failed: u64,
    /// Values that it has taken,
    pub points: u64,
    /// and that it has refused of exports which it took.
    pub rejected: u64,
    pub last_error: Option<String>,
}

/// All signals of the process: `created = filtered + sampled_out + limited + accepted`.
///
/// What its call site's level or name keeps from being made at all is not created.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SignalStats {
    pub created: u64,
    /// By level, namespace or id, where only the signal itself could tell.
    pub filtered: u64,
    pub sampled_out: u64,
    /// Over the limit of its key.
    pub limited: u64,
    /// Offered to every sink.
    pub accepted: u64,
    /// Of the filtered: kept by the flight recorder.
    pub recorded: u64,
    /// Of those: told with an error of their connection, and so created and accepted once more.
    pub recorded_told: u64,
}

/// Every signal that was offered to this sink is in one of the counts:
/// `offered = filtered + sampled_out + limited + withheld + accepted` and
/// `accepted = processed + dropped + queued + in_flight + spilled`. What an earlier run left on the disk is accepted as well,
/// and was offered to that one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SinkStats {
    pub kind: &'static str,
    /// All that passed the filter of all.
    pub offered: u64,
    pub filtered: u64,
    pub sampled_out: u64,
    pub limited: u64,
    /// Said by the sink's own work.
    pub withheld: u64,
    pub accepted: u64,
    pub processed: u64,
    pub queued: u64,
    /// In the batch that is being delivered.
    pub in_flight: u64,
    /// What is queued and in flight takes up, about.
    pub bytes: u64,
    /// On the disk, until it has caught up.
    pub spilled: u64,
    /// How its disk is, if it has one.
    pub spill: Option<SpillStats>,
    /// Most that may be queued.
    pub buffer: u64,
    pub dropped: SignalsDropped,
    /// Deliveries that failed.
    pub errors: u64,
    /// Deliveries that the sink asked to repeat later.
    pub retries: u64,
    /// Of the last ten seconds, about.
    pub accepted_per_s: u64,
    pub processed_per_s: u64,
    /// How long the first in the queue has waited.
    pub oldest_ms: u64,
    pub latency: Latency,
    /// `closed`, or `open` because it kept failing, or `half-open`: one batch is being tried.
    pub breaker: &'static str,
    /// How often that opened.
    pub breaker_openings: u64,
    /// `healthy`, `behind`, `failing`, `paused` or `gone`.
    pub health: &'static str,
    /// What to do about it.
    pub advice: Option<String>,
    pub last_error: Option<String>,
    /// Whether the sink gave itself up.
    pub gone: bool,
}

/// What a sink has on its disk.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SpillStats {
    /// What its files take up.
    pub bytes: u64,
    /// Signals that an earlier run had left there.
    pub recovered: u64,
    /// What could not be read of that, in bytes, with what another version has left.
    pub damaged: u64,
    /// Times that it could not be read or written.
    pub errors: u64,
    /// Why, if it cannot be now.
    pub error: Option<String>,
}

/// From when a signal was said to when the sink had taken it, of all that it has taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    pub count: u64,
    /// Half of them took no longer, by the ends of the histogram's ranges; none where there are none, or it is over 10 s.
    pub p50_us: Option<u64>,
    /// The same of 99 %.
    pub p99_us: Option<u64>,
    #[serde(skip)]
    pub times: Reading,
}

impl Latency {
    pub(crate) fn of(times: Reading) -> Self {
        let within = |share| {
            times.within(share).map(|end| u64::try_from(end.as_micros()).unwrap_or(u64::MAX))
        };
        Self { count: times.count(), p50_us: within(0.5), p99_us: within(0.99), times }
    }
}

/// Records that a sink did not get, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct SignalsDropped {
    /// The sink was slower than the gateway, and the newest found no room.
    pub queue_full: u64,
    /// The same, and the oldest made room for newer ones.
    pub displaced: u64,
    /// A rule of the sink's drops them.
    pub rule: u64,
    /// The sink kept failing, or gave them up.
    pub sink_error: u64,
    /// The sink said that it did not take them.
    pub refused: u64,
    /// Each of them alone is more than the sink takes.
    pub too_large: u64,
    /// There was no room for them on the disk either.
    pub spill_full: u64,
    /// The disk did not take them, or does not give them back.
    pub spill_failed: u64,
    /// The gateway ended first.
    pub shutdown: u64,
}

impl SignalsDropped {
    pub fn total(self) -> u64 {
        self.by_reason().into_iter().map(|(_, count)| count).sum()
    }

    /// Those that the sink was to get and did not.
    pub fn of_the_sink(self) -> u64 {
        self.total() - self.rule
    }

    /// With the words for their reasons.
    pub fn by_reason(self) -> [(&'static str, u64); 9] {
        [
            ("queue-full", self.queue_full),
            ("displaced", self.displaced),
            ("rule", self.rule),
            ("sink-error", self.sink_error),
            ("refused", self.refused),
            ("too-large", self.too_large),
            ("spill-full", self.spill_full),
            ("spill-failed", self.spill_failed),
            ("shutdown", self.shutdown),
        ]
    }
}

/// How the end of telemetry went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Spans that were lost while ending.
    pub spans_lost: u64,
    /// Why, if the exporter said.
    pub last_error: Option<String>,
    /// Why the last export of the metrics failed, if it did.
    pub metrics_lost: Option<String>,
    /// Records that were lost while ending, by sink; only sinks that lost some.
    pub signals_lost: BTreeMap<String, u64>,
    /// Those that wait on the disk for the next start.
    pub signals_kept: BTreeMap<String, u64>,
    /// Spans that do.
    pub spans_kept: u64,
    /// The final counts.
    pub stats: Stats,
}

impl Report {
    /// Whether everything was delivered.
    pub fn is_complete(&self) -> bool {
        self.spans_lost == 0 && self.metrics_lost.is_none() && self.signals_lost.is_empty()
    }

    pub(super) fn between(before: &Stats, after: Stats) -> Self {
        let spans = |stats: &Stats| stats.spans.as_ref().map_or(0, |spans| spans.dropped.total());
        let unsettled = after.spans.as_ref().map_or(0, |spans| spans.queued + spans.in_flight);
        let spans_lost = spans(&after).saturating_sub(spans(before)) + unsettled;
        let last_error = after
            .spans
            .as_ref()
            .filter(|_| spans_lost > 0)
            .and_then(|spans| spans.last_error.clone());
        let signals_lost = after
            .sinks
            .iter()
            .filter_map(|(name, sink)| {
                let earlier = before.sinks.get(name).map_or(0, |sink| sink.dropped.of_the_sink());
                let lost = sink.dropped.of_the_sink().saturating_sub(earlier)
                    + sink.queued
                    + sink.in_flight;
                (lost > 0).then(|| (name.clone(), lost))
            })
            .collect();
        let metrics_lost = Self::metrics_lost(before, &after);
        let kept = after.sinks.iter().filter(|(_, sink)| sink.spilled > 0);
        let signals_kept = kept.map(|(name, sink)| (name.clone(), sink.spilled)).collect();
        let spans_kept = after.spans.as_ref().map_or(0, |spans| spans.spilled);
        Self {
            spans_lost,
            last_error,
            metrics_lost,
            signals_lost,
            signals_kept,
            spans_kept,
            stats: after,
        }
    }

    fn metrics_lost(before: &Stats, after: &Stats) -> Option<String> {
        let failed = |stats: &Stats| stats.metrics.as_ref().map_or(0, |metrics| metrics.failed);
        let metrics = after.metrics.as_ref().filter(|_| failed(after) > failed(before))?;
        Some(metrics.last_error.clone().unwrap_or_default())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = |(sink, kept)| format!("{kept} signals for sink `{sink}` wait on its disk");
        let mut kept: Vec<_> = self.signals_kept.iter().map(kept).collect();
        if self.spans_kept > 0 {
            kept.push(format!("{} spans wait on the disk", self.spans_kept));
        }
        if self.is_complete() {
            f.write_str("all telemetry was delivered")?;
            return kept.iter().try_for_each(|kept| write!(f, "; {kept}"));
        }
        let mut parts = Vec::new();
        if self.spans_lost > 0 {
            parts.push(format!("{} spans", self.spans_lost));
        }
        if let Some(why) = &self.metrics_lost {
            parts.push(format!("the last metrics ({why})"));
        }
        parts.extend(
            self.signals_lost
                .iter()
                .map(|(sink, lost)| format!("{lost} signals for sink `{sink}`")),
        );
        write!(f, "not delivered: {}", parts.join(", "))?;
        kept.iter().try_for_each(|kept| write!(f, "; {kept}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(dropped: u64, queued: u64) -> Stats {
        let spans = SpanStats {
            dropped: SpansDropped { shutdown: dropped, ..SpansDropped::default() },
            last_error: Some("refused".into()),
            ..SpanStats::default()
        };
        let sink = SinkStats { queued, ..SinkStats::default() };
        let sinks = [("file".to_owned(), sink)].into();
        Stats { spans: Some(spans), sinks, ..Stats::default() }
    }

    #[test]
    fn a_report_counts_only_what_was_lost_while_ending() {
        let report = Report::between(&stats(5, 3), stats(7, 4));
        assert_eq!((report.spans_lost, report.signals_lost.get("file")), (2, Some(&4)));
        assert_eq!(report.to_string(), "not delivered: 2 spans, 4 signals for sink `file`");
        assert_eq!(report.last_error.as_deref(), Some("refused"));
    }

    #[test]
    fn without_losses_a_report_says_so() {
        let report = Report::between(&stats(5, 0), stats(5, 0));
        assert!(report.is_complete());
        assert_eq!(report.last_error, None, "an old error is no news");
        assert_eq!(report.to_string(), "all telemetry was delivered");
    }
}
