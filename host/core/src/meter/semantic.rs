//! The same table as OpenTelemetry names it: names with dots, units by UCUM, attributes, and which values add up.
//!
//! A metric that is not named here has the name that scrapers see, with dots, so that it is exported all the same.

use super::{Kind, Metric};
use std::{borrow::Cow, fmt::Write as _};

/// How OpenTelemetry wants to have a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instrument {
    /// A sum that only grows.
    Counter,
    /// A sum that grows and shrinks: adding those of several gateways makes sense.
    UpDownCounter,
    Gauge,
    Histogram,
}

impl Instrument {
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::UpDownCounter => "up-down counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The attributes that messaging systems say of themselves.
const CONSUMED: &[(&str, &str)] =
    &[("messaging.system", "tengen"), ("messaging.operation.name", "process")];
const SENT: &[(&str, &str)] =
    &[("messaging.system", "tengen"), ("messaging.operation.name", "send")];

impl Metric {
    /// Its name among OpenTelemetry's: of the conventions where they have one, below `tengen.` otherwise.
    pub fn dotted(self) -> Cow<'static, str> {
        self.of_connections()
            .or_else(|| self.of_events())
            .or_else(|| self.of_plugins())
            .or_else(|| self.of_store())
            .or_else(|| self.of_telemetry())
            .map_or_else(|| Cow::Owned(self.derived()), Cow::Borrowed)
    }

    fn of_connections(self) -> Option<&'static str> {
        Some(match self {
            Self::Build => "tengen.build.info",
            Self::Uptime => "tengen.uptime",
            Self::OpenConnections => "tengen.connection.active",
            Self::ConnectionsLimit => "tengen.connection.limit",
            Self::ClosingConnections => "tengen.connection.closing",
            Self::OpenedConnections => "tengen.connection.opened",
            Self::ClosedConnections => "tengen.connection.closed",
            Self::SlowConnections => "tengen.connection.slow",
            Self::ShedConnections => "tengen.connection.shed",
            Self::OnlineUsers => "tengen.user.online",
            Self::Channels => "tengen.channel.active",
            Self::RefusedUpgrades => "tengen.connection.rejected",
            Self::UpgradesRefusedForMemory => "tengen.connection.rejected_for_memory",
            Self::FailedRequests => "tengen.request.failed",
            Self::RefusedPosts => "tengen.post.rejected",
            Self::UnservedFiles => "tengen.file.unserved",
            Self::HeldMemory => "tengen.memory.held",
            Self::MemoryLimit => "tengen.memory.limit",
            Self::PingRoundTrip => "tengen.heartbeat.rtt",
            Self::NotableThings => "tengen.notable",
            _ => return None,
        })
    }

    fn of_events(self) -> Option<&'static str> {
        Some(match self {
            Self::ReceivedEvents => "messaging.client.consumed.messages",
            Self::QueuedFrames => "messaging.client.sent.messages",
            Self::PluginEventTime => "messaging.process.duration",
            Self::MalformedMessages => "tengen.message.malformed",
            Self::UnroutedEvents => "tengen.event.unrouted",
            Self::DeclinedEvents => "tengen.event.declined",
            Self::GivenUpEvents => "tengen.event.given_up",
            Self::SentReplies => "tengen.reply.sent",
            Self::WaitingRequests => "tengen.reply.waiting",
            Self::TimedOutRequests => "tengen.reply.timed_out",
            Self::UnansweredRequests => "tengen.reply.unanswered",
            Self::StrayReplies => "tengen.reply.stray",
            Self::WaitingTimers => "tengen.timer.waiting",
            Self::FiredTimers => "tengen.timer.fired",
            Self::PutOffTimers => "tengen.timer.put_off",
            Self::ForgottenTimers => "tengen.timer.forgotten",
            Self::OutgoingRequests => "tengen.outgoing.requests",
            Self::OutgoingUnderWay => "tengen.outgoing.under_way",
            Self::OutgoingTime => "tengen.outgoing.duration",
            Self::OutgoingSent => "tengen.outgoing.sent",
            Self::OutgoingReceived => "tengen.outgoing.received",
            Self::PutOffAnswers => "tengen.outgoing.put_off",
            Self::ForgottenAnswers => "tengen.outgoing.forgotten",
            Self::OpenAsks => "tengen.ask.open",
            Self::EndedAsks => "tengen.ask.ended",
            Self::DroppedFrames => "tengen.outbox.dropped",
            Self::UnsupportedPayloads => "tengen.payload.unsupported",
            Self::RefusedEffects => "tengen.effect.rejected",
            _ => return None,
        })
    }

    fn of_plugins(self) -> Option<&'static str> {
        Some(match self {
            Self::Plugin => "tengen.plugin.info",
            Self::PluginGeneration => "tengen.plugin.generation",
            Self::PluginState => "tengen.plugin.status",
            Self::PluginBreaker => "tengen.plugin.breaker.phase",
            Self::PluginCalls => "tengen.plugin.calls",
            Self::PluginCallTime => "tengen.plugin.call.duration",
            Self::PluginEvents => "tengen.plugin.events",
            Self::PluginWaitTime => "tengen.plugin.queue.wait",
            Self::PluginErrors => "tengen.plugin.errors",
            Self::PluginFailedCalls => "tengen.plugin.call.failed",
            Self::PluginRefusedEffects => "tengen.plugin.effect.rejected",
            Self::PluginDeclinedEvents => "tengen.plugin.event.declined",
            Self::PluginUnusableVerdicts => "tengen.plugin.verdict.unusable",
            Self::PluginDroppedSignals => "tengen.plugin.signal.dropped",
            Self::PluginDroppedMeasures => "tengen.plugin.measure.dropped",
            Self::PluginRestarts => "tengen.plugin.restarts",
            Self::PluginPanics => "tengen.plugin.panics",
            Self::PluginBreakerOpened => "tengen.plugin.breaker.openings",
            Self::PluginShunned => "tengen.plugin.connection.shunned",
            Self::PluginLostStates => "tengen.plugin.state.lost",
            Self::PluginCheckpoints => "tengen.plugin.checkpoints",
            Self::PluginRevivals => "tengen.plugin.revivals",
            Self::PluginStatesPutAside => "tengen.plugin.state.put_aside",
            Self::PluginRecycled => "tengen.plugin.instance.recycled",
            Self::PluginStateSize => "tengen.plugin.state.size",
            Self::PluginReloads => "tengen.plugin.reloads",
            Self::PluginWaiting => "tengen.plugin.event.waiting",
            Self::PluginInstances => "tengen.plugin.instances",
            Self::PluginMemory => "tengen.plugin.memory",
            Self::PluginEachRuns => "tengen.plugin.instance.running",
            Self::PluginEachWaiting => "tengen.plugin.instance.event.waiting",
            Self::PluginEachConnections => "tengen.plugin.instance.connections",
            Self::PluginEachMemory => "tengen.plugin.instance.memory",
            Self::PluginOwnTimes => "tengen.plugin.measure.observations",
            Self::PluginOwnSum => "tengen.plugin.measure.sum",
            Self::PluginOwnGauge => "tengen.plugin.measure.last",
            _ => return None,
        })
    }

    fn of_store(self) -> Option<&'static str> {
        Some(match self {
            Self::StoreBuckets => "tengen.store.buckets",
            Self::StoreEntries => "tengen.store.entries",
            Self::StoreMemory => "tengen.store.memory",
            Self::StoreWrites => "tengen.store.writes",
            Self::StoreWaitingWrites => "tengen.store.write.waiting",
            Self::StoreWaiting => "tengen.store.write.waiting_memory",
            Self::StoreCommits => "tengen.store.commit.duration",
            Self::StoreFailedCommits => "tengen.store.commit.failed",
            _ => return None,
        })
    }

    fn of_telemetry(self) -> Option<&'static str> {
        Some(match self {
            Self::LateTraces => "tengen.trace.late",
            Self::EndedSpans => "tengen.span.ended",
            Self::ExportedSpans => "tengen.span.exported",
            Self::DroppedSpans => "tengen.span.dropped",
            Self::QueuedSpans => "tengen.span.queued",
            Self::InFlightSpans => "tengen.span.in_flight",
            Self::SpanMemory => "tengen.span.memory",
            Self::SpilledSpans => "tengen.span.spilled",
            Self::MetricExports => "tengen.metric.exports",
            Self::ExportedPoints => "tengen.metric.point.exported",
            Self::RejectedPoints => "tengen.metric.point.rejected",
            Self::SinkAccepted => "tengen.sink.accepted",
            Self::SinkProcessed => "tengen.sink.processed",
            Self::SinkDropped => "tengen.sink.dropped",
            Self::SinkQueued => "tengen.sink.queued",
            Self::SinkInFlight => "tengen.sink.in_flight",
            Self::SinkLatency => "tengen.sink.latency",
            Self::SinkSpilled => "tengen.sink.spilled",
            Self::SinkSpillMemory => "tengen.sink.spill.size",
            Self::SinkRecovered => "tengen.sink.recovered",
            Self::SinkDamaged => "tengen.sink.spill.damaged",
            Self::SinkSpillErrors => "tengen.sink.spill.errors",
            Self::SinkBreaker => "tengen.sink.breaker.phase",
            Self::SinkBreakerOpened => "tengen.sink.breaker.openings",
            Self::SinkErrors => "tengen.sink.errors",
            Self::SinkRetries => "tengen.sink.retries",
            Self::SinkGone => "tengen.sink.gone",
            Self::LostLines => "tengen.log.lost",
            _ => return None,
        })
    }

    /// The scrapers' name with dots; of a quantity in no unit of physics with what is counted.
    fn derived(self) -> String {
        let mut name = self.name().replace('_', ".");
        match (self.kind(), self.unit()) {
            (Kind::Info, _) => name.push_str(".info"),
            (_, "" | "seconds" | "bytes") => {}
            (_, counted) => {
                name.push('.');
                name.push_str(counted);
            }
        }
        name
    }

    /// Its unit by UCUM; what is counted stands in braces, one of it.
    pub fn ucum(self) -> Cow<'static, str> {
        match self {
            Self::RefusedUpgrades | Self::UpgradesRefusedForMemory => "{connection}".into(),
            Self::ReceivedEvents | Self::QueuedFrames | Self::DroppedFrames => "{message}".into(),
            _ => match self.unit() {
                "" => "1".into(),
                "seconds" => "s".into(),
                "bytes" => "By".into(),
                counted => format!("{{{}}}", one(counted)).into(),
            },
        }
    }

    pub fn instrument(self) -> Instrument {
        match self.kind() {
            Kind::Counter => Instrument::Counter,
            Kind::Histogram => Instrument::Histogram,
            Kind::Info => Instrument::UpDownCounter,
            Kind::Gauge if self.adds_up() => Instrument::UpDownCounter,
            Kind::Gauge => Instrument::Gauge,
        }
    }

    /// What is there of something: so much here and so much there is so much together.
    fn adds_up(self) -> bool {
        matches!(
            self,
            Self::OpenConnections
                | Self::ConnectionsLimit
                | Self::ClosingConnections
                | Self::HeldMemory
                | Self::MemoryLimit
                | Self::WaitingRequests
                | Self::WaitingTimers
                | Self::OpenAsks
                | Self::OutgoingUnderWay
                | Self::PluginWaiting
                | Self::PluginInstances
                | Self::PluginMemory
                | Self::PluginEachRuns
                | Self::PluginEachWaiting
                | Self::PluginEachConnections
                | Self::PluginEachMemory
                | Self::StoreBuckets
                | Self::StoreEntries
                | Self::StoreMemory
                | Self::StoreWaitingWrites
                | Self::StoreWaiting
                | Self::QueuedSpans
                | Self::InFlightSpans
                | Self::SpanMemory
                | Self::SpilledSpans
                | Self::SinkQueued
                | Self::SinkInFlight
                | Self::SinkSpilled
                | Self::SinkSpillMemory
        )
    }

    /// The attribute that a label is.
    pub fn attribute(self, label: &'static str) -> Cow<'static, str> {
        let name = match (self, label) {
            (Self::ClosedConnections, "reason") => "tengen.close.reason",
            (Self::ClosedConnections, "code") => "tengen.close.code",
            (Self::RefusedUpgrades, "status") => "http.response.status_code",
            (Self::Build, "version") => "service.version",
            (Self::Plugin, "component") => "tengen.plugin.component",
            (Self::Plugin, "version") => "tengen.plugin.version",
            (Self::Plugin, "revision") => "tengen.plugin.revision",
            (Self::PluginState, "state") => "tengen.plugin.state",
            (Self::PluginBreaker, "phase") => "tengen.plugin.breaker",
            (Self::NotableThings, "what") => "tengen.notable.what",
            (_, "plugin_instance") => "tengen.plugin.instance",
            (_, "plugin") => "tengen.plugin.name",
            (_, "sink") => "tengen.sink.name",
            (_, "measure") => "tengen.measure.name",
            (_, "effect") => "tengen.effect",
            (_, "reason" | "kind" | "mistake") => "error.type",
            (_, label) => return format!("tengen.{label}").into(),
        };
        name.into()
    }

    /// Attributes with which it always comes.
    pub fn fixed_attributes(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::ReceivedEvents | Self::PluginEventTime => CONSUMED,
            Self::QueuedFrames => SENT,
            _ => &[],
        }
    }

    /// The table as documents show it, with the names of scrapers beside.
    pub fn dotted_table() -> String {
        let mut table = "| OpenTelemetry | Instrument | Unit | Attributes | `/metrics` |\n|---|---|---|---|---|\n".to_owned();
        for metric in Self::ALL {
            let fixed = metric.fixed_attributes().iter();
            let fixed = fixed.map(|(name, value)| format!("`{name}` = `{value}`"));
            let labels = metric.labels().iter();
            let labels = labels.map(|label| format!("`{}`", metric.attribute(label)));
            let attributes = labels.chain(fixed).collect::<Vec<_>>().join(", ");
            let (name, unit, full) = (metric.dotted(), metric.ucum(), metric.full_name());
            let word = metric.instrument().word();
            // Writing to a string does not fail.
            let _written =
                writeln!(table, "| `{name}` | {word} | `{unit}` | {attributes} | `{full}` |");
        }
        table
    }
}

/// The word for one of many.
fn one(many: &str) -> String {
    match many.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => many.strip_suffix('s').unwrap_or(many).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeSet, HashSet};

    #[test]
    fn no_two_metrics_have_one_name_and_none_is_a_namespace_of_another() {
        let names: BTreeSet<_> = Metric::ALL.iter().map(|metric| metric.dotted()).collect();
        assert_eq!(names.len(), Metric::ALL.len());
        for name in &names {
            let below = format!("{name}.");
            assert!(!names.iter().any(|other| other.starts_with(&below)), "{name}");
        }
    }

    #[test]
    fn names_units_and_attributes_are_as_the_conventions_want_them() {
        let word = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        for metric in Metric::ALL {
            let name = metric.dotted();
            assert!(name.split('.').all(word) && name.contains('.'), "{name}");
            assert!(!name.ends_with("total") && !name.ends_with("seconds"), "{name}");
            let unit = metric.ucum();
            let counted = unit.strip_prefix('{').and_then(|unit| unit.strip_suffix('}'));
            assert!(
                ["1", "s", "By"].contains(&&*unit) || counted.is_some_and(word),
                "{name}: {unit}"
            );
            let labels = metric.labels().iter().map(|label| metric.attribute(label));
            let fixed = metric.fixed_attributes().iter().map(|(name, _)| Cow::Borrowed(*name));
            let all: Vec<_> = labels.chain(fixed).collect();
            assert!(all.iter().all(|it| it.split('.').all(word) && it.contains('.')), "{all:?}");
            assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len(), "{name}: {all:?}");
        }
    }

    #[test]
    fn what_is_counted_stands_in_braces_one_of_it() {
        assert_eq!(Metric::SentReplies.ucum(), "{reply}");
        assert_eq!(Metric::OpenConnections.ucum(), "{connection}");
        assert_eq!((&*Metric::PingRoundTrip.ucum(), &*Metric::HeldMemory.ucum()), ("s", "By"));
    }

    #[test]
    fn a_metric_that_is_not_named_here_goes_by_its_other_name() {
        assert_eq!(Metric::SentReplies.derived(), "tengen.sent.replies");
        assert_eq!(Metric::HeldMemory.derived(), "tengen.held");
        assert_eq!(Metric::Build.derived(), "tengen.build.info");
    }
}
