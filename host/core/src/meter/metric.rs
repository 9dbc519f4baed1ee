//! The table of everything that is counted: its name, its unit, its labels, where `/stats` shows it, and what it means.
//!
//! A row is `Variant = Kind "name" "unit" [labels] [places in /stats] "meaning"`. The name is without its unit, which follows
//! it, and without the `_total` of a counter. In a place, `{label}` stands for a label's value; values that come to the same
//! place add up. `docs/metrics.md` shows the same table, held by a test.

use std::fmt::Write as _;

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows.
    Counter,
    Gauge,
    Histogram,
    /// Always 1: what there is to say is in its labels.
    Info,
}

impl Kind {
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

struct Row {
    kind: Kind,
    name: &'static str,
    unit: &'static str,
    labels: &'static [&'static str],
    places: &'static [&'static str],
    help: &'static str,
}

macro_rules! metrics {
    ($($metric:ident = $kind:ident $name:literal $unit:literal [$($label:literal),*] [$($place:literal),*] $help:literal;)+) => {
        /// Everything that is counted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Metric {
            $(#[doc = $help] $metric,)+
        }

        impl Metric {
            pub const ALL: &[Self] = &[$(Self::$metric),+];

            fn row(self) -> Row {
                match self {
                    $(Self::$metric => Row {
                        kind: Kind::$kind,
                        name: $name,
                        unit: $unit,
                        labels: &[$($label),*],
                        places: &[$($place),*],
                        help: $help,
                    },)+
                }
            }
        }
    };
}

impl Metric {
    pub fn kind(self) -> Kind {
        self.row().kind
    }

    /// Without the unit, and without what its kind adds.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Empty: it has none, as what is no quantity.
    pub fn unit(self) -> &'static str {
        self.row().unit
    }

    pub fn labels(self) -> &'static [&'static str] {
        self.row().labels
    }

    /// Where `/stats` shows it: words with dots between.
    pub fn places(self) -> &'static [&'static str] {
        self.row().places
    }

    pub fn help(self) -> &'static str {
        self.row().help
    }

    /// The name of its samples; of a histogram, what theirs begin with.
    pub fn full_name(self) -> String {
        let Row { kind, name, unit, .. } = self.row();
        let mut full = name.to_owned();
        let kind = match kind {
            Kind::Counter => "total",
            Kind::Info => "info",
            Kind::Gauge | Kind::Histogram => "",
        };
        for part in [unit, kind] {
            if !part.is_empty() {
                full.push('_');
                full.push_str(part);
            }
        }
        full
    }

    /// The table as documents show it.
    pub fn table() -> String {
        let mut table =
            "| Name | Type | Unit | Labels | Meaning |\n|---|---|---|---|---|\n".to_owned();
        for metric in Self::ALL {
            let Row { kind, unit, labels, help, .. } = metric.row();
            let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>();
            let (name, kind, labels) = (metric.full_name(), kind.word(), labels.join(", "));
            // Writing to a string does not fail.
            let _written = writeln!(table, "| `{name}` | {kind} | {unit} | {labels} | {help} |");
        }
        table
    }
}

metrics! {
    Build = Info "tengen_build" "" ["version"] []
        "Which version runs";
    Uptime = Gauge "tengen_uptime" "seconds" [] ["uptime-s"]
        "For how long the gateway has been running";
    OpenConnections = Gauge "tengen_open" "connections" [] ["connections.open"]
        "Connections that are open or about to open";
    ConnectionsLimit = Gauge "tengen_limit" "connections" [] ["connections.limit"]
        "The most connections that may be open: `limits.connections`, or what the system has room for";
    ClosingConnections = Gauge "tengen_closing" "connections" [] ["connections.closing"]
        "Sockets whose connection has ended and that say goodbye";
    OpenedConnections = Counter "tengen_opened" "connections" [] ["connections.opened"]
        "Connections that have opened";
    ClosedConnections = Counter "tengen_closed" "connections" ["reason", "code"] ["connections.ended.{reason}"]
        "Connections that have ended, by the reason and the close code that the peer saw; 1006: there was none. Rare codes of peers and plugins are named by their range";
    SlowConnections = Counter "tengen_slow" "connections" [] ["connections.slow-consumers"]
        "Connections that were to be closed because they read too slowly";
    ShedConnections = Counter "tengen_shed" "connections" [] ["memory.closed"]
        "Connections that were to be closed because they held most when memory was short";
    OnlineUsers = Gauge "tengen_online" "users" [] ["users"]
        "Users who have at least one open connection";
    Channels = Gauge "tengen" "channels" [] ["channels"]
        "Channels that have a subscriber";
    RefusedUpgrades = Counter "tengen_refused" "upgrades" ["reason", "status"] ["connections.rejected", "connections.rejected-by.{reason}"]
        "Requests for a connection that were refused, by the reason and the HTTP status of the answer";
    UpgradesRefusedForMemory = Counter "tengen_refused_for_memory" "upgrades" [] ["memory.refused"]
        "Those of them that were refused because memory was short";
    FailedRequests = Counter "tengen_failed" "requests" ["reason"] ["connections.failed-requests", "connections.failed-by.{reason}"]
        "HTTP connections that ended in the middle, by what was wrong with them";
    RefusedPosts = Counter "tengen_refused" "posts" ["reason"] ["connections.refused-posts-by.{reason}"]
        "Messages that were posted and refused, by the reason";
    UnservedFiles = Counter "tengen_unserved" "files" [] ["files.unserved"]
        "Requests for files that could not be read";
    HeldMemory = Gauge "tengen_held" "bytes" [] ["memory.held"]
        "What connections hold of memory: outboxes, unfinished messages, waiting events, channels";
    MemoryLimit = Gauge "tengen_held_limit" "bytes" [] ["memory.limit"]
        "The most that they may hold: `limits.memory`";
    ReceivedEvents = Counter "tengen_received" "events" [] ["events.received"]
        "Events that peers have sent";
    MalformedMessages = Counter "tengen_malformed" "messages" [] ["events.malformed"]
        "Messages of peers that could not be read";
    UnroutedEvents = Counter "tengen_unrouted" "events" [] ["events.unrouted"]
        "Events that no route leads anywhere";
    DeclinedEvents = Counter "tengen_declined" "events" ["reason"] ["events.declined.{reason}"]
        "Events that were not let in or that a handler did not take, by the reason that the sender was told";
    RefusedRequests = Counter "tengen_refused" "requests" ["request", "reason"] ["requests.refused.{request}.{reason}"]
        "What clients asked of the gateway itself and did not get, such as a subscription, by the reason that they were told";
    ClientSignals = Counter "tengen_client" "signals" ["fate"] ["client-signals.{fate}"]
        "Signals that clients have sent: `accepted` as signals like others, `filtered`, `malformed`, or of a batch that was `too-large` or `rate-limited`";
    GivenUpEvents = Counter "tengen_given_up" "events" [] ["memory.lost-events"]
        "Events that waited and were given up because memory was short";
    SentReplies = Counter "tengen_sent" "replies" [] ["replies.sent"]
        "Replies that were put into an outbox";
    WaitingRequests = Gauge "tengen_waiting" "requests" [] ["replies.waiting"]
        "Requests of clients that wait for a reply";
    TimedOutRequests = Counter "tengen_timed_out" "requests" [] ["replies.timed-out"]
        "Requests of clients about which nobody decided within `limits.reply`";
    UnansweredRequests = Counter "tengen_unanswered" "requests" [] ["replies.unanswered"]
        "Requests of clients that were decided about without a reply";
    StrayReplies = Counter "tengen_stray" "replies" [] ["replies.stray"]
        "Replies of plugins to what nobody waited for: unknown, too late, or given twice";
    WaitingTimers = Gauge "tengen_waiting" "timers" [] ["timers.waiting"]
        "Timers of plugins that are set";
    FiredTimers = Counter "tengen_fired" "timers" [] ["timers.fired"]
        "Timers that plugins were told of";
    PutOffTimers = Counter "tengen_put_off" "timers" [] ["timers.put-off"]
        "How often a timer found no room in its plugin's queue and was tried again";
    ForgottenTimers = Counter "tengen_forgotten" "timers" [] ["timers.forgotten"]
        "Timers that went with a plugin that left the configuration";
    OutgoingRequests = Counter "tengen_outgoing" "requests" ["outcome"] ["outgoing.ended.{outcome}"]
        "Requests of plugins to other people's servers that have ended: `answered`, whatever the status, or by the reason why there was no answer";
    OutgoingUnderWay = Gauge "tengen_outgoing_under_way" "requests" [] ["outgoing.under-way"]
        "Such requests that have a place: under way, or their plugin has not heard of the end yet";
    OutgoingTime = Histogram "tengen_outgoing" "seconds" [] []
        "How long such a request took, from its beginning to the last byte of the answer";
    OutgoingSent = Counter "tengen_outgoing_sent" "bytes" [] ["outgoing.sent-bytes"]
        "Bytes of their bodies";
    OutgoingReceived = Counter "tengen_outgoing_received" "bytes" [] ["outgoing.received-bytes"]
        "Bytes of the answers' bodies, as they were unpacked";
    PutOffAnswers = Counter "tengen_put_off" "answers" [] ["outgoing.put-off"]
        "How often the end of a request found no room in its plugin's queue and was tried again";
    ForgottenAnswers = Counter "tengen_forgotten" "answers" [] ["outgoing.forgotten"]
        "Ends of requests whose plugin had left the configuration";
    OpenAsks = Gauge "tengen_open" "asks" [] ["asks.open"]
        "Questions of plugins to clients that have no answer yet";
    EndedAsks = Counter "tengen_ended" "asks" ["outcome"] ["asks.ended.{outcome}"]
        "Questions of plugins to clients, by what came of them: `answered`, a `fault` of the client's own, `timeout`, `closed` with their connection, `refused` as an effect, `forgotten` with a plugin that left the configuration";
    QueuedFrames = Counter "tengen_queued" "frames" [] ["outbox.enqueued"]
        "Frames that were put into an outbox";
    DroppedFrames = Counter "tengen_dropped" "frames" [] ["outbox.dropped"]
        "Frames that an outbox did not take, or gave up";
    UnsupportedPayloads = Counter "tengen_unsupported" "payloads" [] ["outbox.unsupported"]
        "Payloads that a receiver's format cannot hold";
    RefusedEffects = Counter "tengen_refused" "effects" ["effect", "reason"] ["effects.refused", "effects.refused-by-reason.{reason}.{effect}"]
        "Effects that were not carried out, by their kind and the reason";
    NotableThings = Counter "tengen_notable" "things" ["what"] ["notable.{what}"]
        "What single peers make happen and the log tells once in a minute";
    PingRoundTrip = Histogram "tengen_ping_round_trip" "seconds" [] []
        "From a ping to the next byte of its peer, which is its answer unless the peer had something to say itself";
    Plugin = Info "tengen_plugin" "" ["plugin", "component", "version", "revision"] []
        "Which component runs under a plugin's name";
    PluginGeneration = Gauge "tengen_plugin_generation" "" ["plugin"] []
        "How many versions have run under this name, the present one included";
    PluginState = Gauge "tengen_plugin_state" "" ["plugin", "state"] []
        "1 for the state that it is in, 0 for the others";
    PluginBreaker = Gauge "tengen_plugin_breaker" "" ["plugin", "phase"] []
        "1 for the phase that its breaker is in, 0 for the others; the worst of its roles";
    PluginCalls = Counter "tengen_plugin" "calls" ["plugin"] ["plugins.{plugin}.calls"]
        "Calls of the functions of its roles";
    PluginCallTime = Histogram "tengen_plugin_call" "seconds" ["plugin"] []
        "How long such a call took, a whole batch of events; with the gateway's work for it";
    PluginEvents = Counter "tengen_plugin" "events" ["plugin"] ["plugins.{plugin}.events"]
        "Events that were handed to it";
    PluginWaitTime = Histogram "tengen_plugin_queue_wait" "seconds" ["plugin"] []
        "How long an event of a client waited, from the turn that read it to the call that decided about it";
    PluginEventTime = Histogram "tengen_plugin_event" "seconds" ["plugin"] []
        "How old an event of a client was after the call that decided about it, from the turn that read it";
    PluginErrors = Counter "tengen_plugin" "errors" ["plugin", "reason"] ["plugins.{plugin}.errors"]
        "Events and requests that failed, by the reason that the sender was told";
    PluginFailedCalls = Counter "tengen_plugin_failed" "calls" ["plugin", "kind"] ["plugins.{plugin}.failed-calls.{kind}"]
        "Calls of any of its functions that gave nothing, by what went wrong";
    PluginRefusedEffects = Counter "tengen_plugin_refused" "effects" ["plugin", "effect", "reason"] ["plugins.{plugin}.refused-effects.{reason}.{effect}"]
        "Effects of it that were not carried out, by their kind and the reason";
    PluginDeclinedEvents = Counter "tengen_plugin_declined" "events" ["plugin", "reason"] ["plugins.{plugin}.declined-events.{reason}"]
        "Events that it did not take: its queue stayed full, or it was down";
    PluginUnusableVerdicts = Counter "tengen_plugin_unusable" "verdicts" ["plugin", "mistake"] []
        "Answers of its authenticator that could not be used, by what was wrong with them";
    PluginDroppedSignals = Counter "tengen_plugin_dropped" "signals" ["plugin"] []
        "Signals of it that were more than one call may say";
    PluginDroppedMeasures = Counter "tengen_plugin_dropped" "measures" ["plugin"] []
        "Values of its own measures that were not kept";
    PluginRestarts = Counter "tengen_plugin" "restarts" ["plugin"] []
        "How often its handler was started again after it had broken";
    PluginPanics = Counter "tengen_plugin" "panics" ["plugin"] []
        "How often the gateway itself failed at its events";
    PluginBreakerOpened = Counter "tengen_plugin_breaker" "openings" ["plugin"] []
        "How often it was left out of the path because it kept failing";
    PluginShunned = Counter "tengen_plugin_shunned" "connections" ["plugin"] []
        "Connections that were left alone because their events kept breaking it";
    PluginLostStates = Counter "tengen_plugin_lost" "states" ["plugin"] []
        "How often an instance was lost that had a state to hand over";
    PluginCheckpoints = Counter "tengen_plugin" "checkpoints" ["plugin", "outcome"] []
        "How often the state was saved for after a trap (`ok`), and could not be (`failed`)";
    PluginRevivals = Counter "tengen_plugin" "revivals" ["plugin", "state"] []
        "How often a new instance had all of the state of one that broke (`recovered`), or what was saved last of it (`restored`)";
    PluginStatesPutAside = Counter "tengen_plugin_states_put" "aside" ["plugin"] []
        "How often a saved state was put aside, because nothing went well on it";
    PluginRecycled = Counter "tengen_plugin_recycled" "instances" ["plugin"] []
        "How often an instance that had grown was replaced by one with its state";
    PluginStateSize = Gauge "tengen_plugin_state" "bytes" ["plugin"] []
        "The state as it was saved last";
    PluginReloads = Counter "tengen_plugin" "reloads" ["plugin", "outcome"] []
        "Reloads that replaced it (`ok`), and that left the old version serving (`failed`)";
    PluginWaiting = Gauge "tengen_plugin_waiting" "events" ["plugin"] ["plugins.{plugin}.waiting"]
        "Events that wait for a decision";
    PluginInstances = Gauge "tengen_plugin" "instances" ["plugin"] ["plugins.{plugin}.instances"]
        "Instances that there are, those that are tried or that end included";
    PluginMemory = Gauge "tengen_plugin_memory" "bytes" ["plugin"] ["plugins.{plugin}.memory"]
        "Linear memory of all its instances";
    PluginEachRuns = Gauge "tengen_plugin_instance_running" "" ["plugin", "plugin_instance"] []
        "Whether an instance of its handler runs, 1 or 0";
    PluginEachWaiting = Gauge "tengen_plugin_instance_waiting" "events" ["plugin", "plugin_instance"] []
        "Events that wait for an instance of its handler";
    PluginEachConnections = Gauge "tengen_plugin_instance" "connections" ["plugin", "plugin_instance"] []
        "Connections that an instance of its handler has been told of";
    PluginEachMemory = Gauge "tengen_plugin_instance_memory" "bytes" ["plugin", "plugin_instance"] []
        "Linear memory of an instance of its handler, as it was after its last call";
    PluginOwnTimes = Counter "tengen_plugin_own" "observations" ["plugin", "measure"] []
        "How often the plugin added to, or observed, a measure of its own";
    PluginOwnSum = Gauge "tengen_plugin_own_sum" "" ["plugin", "measure"] []
        "The sum of what it added or observed, in the measure's own unit";
    PluginOwnGauge = Gauge "tengen_plugin_own_gauge" "" ["plugin", "measure"] []
        "The value that the plugin set a gauge of its own to last, in the gauge's own unit";
    StoreBuckets = Gauge "tengen_store" "buckets" [] ["store.buckets"]
        "Buckets of the key-value store in which something is";
    StoreEntries = Gauge "tengen_store" "entries" [] ["store.entries"]
        "Keys at which something stands";
    StoreMemory = Gauge "tengen_store_memory" "bytes" [] ["store.memory"]
        "What they take, with what each costs beside its key and its value: at most `store.memory`";
    StoreWrites = Counter "tengen_store" "writes" ["outcome"] ["store.writes.{outcome}"]
        "Writes of plugins: `put`, `deleted`, or refused, by the reason";
    StoreWaitingWrites = Gauge "tengen_store_waiting" "writes" [] ["store.waiting-writes"]
        "Writes that are not on the disk yet";
    StoreWaiting = Gauge "tengen_store_waiting" "bytes" [] ["store.waiting"]
        "What they take: at most `store.waiting`";
    StoreCommits = Histogram "tengen_store_commit" "seconds" [] []
        "How long the disk took for a batch of writes";
    StoreFailedCommits = Counter "tengen_store_failed" "commits" [] ["store.failed-commits"]
        "Tries to bring a batch to the disk that failed; each batch is tried again";
    LateTraces = Counter "tengen_late" "traces" ["outcome"] []
        "Traces of events that were not among the sample and failed, were refused or slow: sent after the fact (`recorded`), or too many within a second (`over-limit`)";
    EndedSpans = Counter "tengen_ended" "spans" [] []
        "Spans that were recorded and have ended; each is exported, dropped, queued or in flight";
    ExportedSpans = Counter "tengen_exported" "spans" [] []
        "Spans that the collector has confirmed";
    DroppedSpans = Counter "tengen_dropped" "spans" ["reason"] []
        "Spans that no collector has confirmed, by the reason";
    QueuedSpans = Gauge "tengen_queued" "spans" [] []
        "Spans that wait for the exporter";
    InFlightSpans = Gauge "tengen_in_flight" "spans" [] []
        "Spans of the batch that is being exported";
    SpanMemory = Gauge "tengen_span_queue" "bytes" [] []
        "What spans take up that are queued or in flight";
    SpilledSpans = Gauge "tengen_spilled" "spans" [] []
        "Spans on the disk, until a collector takes them";
    MetricExports = Counter "tengen_metric" "exports" ["outcome"] []
        "Exports of all metrics to a collector that it has confirmed (`ok`), and that it has not after all tries (`failed`)";
    ExportedPoints = Counter "tengen_exported" "points" [] []
        "Values of metrics that the collector has confirmed";
    RejectedPoints = Counter "tengen_rejected" "points" [] []
        "Values of metrics that the collector has refused, of exports that it took";
    SignalsCreated = Counter "tengen_created" "signals" [] []
        "Signals that were made; each is filtered, sampled out, limited or accepted. What its call site's level keeps from being made is none";
    Signals = Counter "tengen_decided" "signals" ["fate"] []
        "Signals by what became of them before any sink: `filtered`, `sampled-out`, `limited` or `accepted`";
    SinkOffered = Counter "tengen_sink_offered" "signals" ["sink"] []
        "Accepted signals that came to a sink; each is passed over or accepted by it";
    SinkPassed = Counter "tengen_sink_passed_over" "signals" ["sink", "reason"] []
        "Signals that are not for it: by its filter, its share, its limit, or because its own work says them";
    SinkAccepted = Counter "tengen_sink_accepted" "signals" ["sink"] []
        "Signals that it is to get, those that an earlier run left on its disk included; each is processed, dropped, queued, in flight or spilled";
    SinkProcessed = Counter "tengen_sink_processed" "signals" ["sink"] []
        "Signals that it has taken";
    SinkDropped = Counter "tengen_sink_dropped" "signals" ["sink", "reason"] []
        "Signals that it did not get, by the reason";
    SinkQueued = Gauge "tengen_sink_queued" "signals" ["sink"] []
        "Signals that wait for it";
    SinkInFlight = Gauge "tengen_sink_in_flight" "signals" ["sink"] []
        "Signals of the batch that is being delivered";
    SinkMemory = Gauge "tengen_sink_queue" "bytes" ["sink"] []
        "What signals take up that are queued or in flight";
    SinkOldest = Gauge "tengen_sink_oldest" "seconds" ["sink"] []
        "How long the first signal of its queue has waited";
    SinkLatency = Histogram "tengen_sink_latency" "seconds" ["sink"] []
        "From when a signal was said to when the sink had taken it";
    SinkRate = Gauge "tengen_sink_rate" "" ["sink", "of"] []
        "Signals a second over the last ten seconds, about: `accepted` and `processed`";
    SinkSpilled = Gauge "tengen_sink_spilled" "signals" ["sink"] []
        "Signals that wait for it on the disk";
    SinkSpillMemory = Gauge "tengen_sink_spill" "bytes" ["sink"] []
        "What its files take up on the disk";
    SinkRecovered = Counter "tengen_sink_recovered" "signals" ["sink"] []
        "Signals that an earlier run had left on the disk";
    SinkDamaged = Counter "tengen_sink_spill_damaged" "bytes" ["sink"] []
        "Of files of an earlier run, what could not be read";
    SinkSpillErrors = Counter "tengen_sink_spill" "errors" ["sink"] []
        "Times that its files could not be read or written";
    SinkHealth = Gauge "tengen_sink_health" "" ["sink", "health"] []
        "1 for how it is, 0 for the others: `healthy`, `behind`, `failing`, `paused` or `gone`";
    SinkErrors = Counter "tengen_sink" "errors" ["sink"] []
        "Deliveries that failed";
    SinkRetries = Counter "tengen_sink" "retries" ["sink"] []
        "Deliveries that were, or are to be, repeated";
    SinkBreaker = Gauge "tengen_sink_breaker" "" ["sink", "phase"] []
        "1 for the phase that its breaker is in, 0 for the others: `closed`, `half-open` or `open`";
    SinkBreakerOpened = Counter "tengen_sink_breaker" "openings" ["sink"] []
        "How often it was left alone for a while because it kept failing";
    SinkGone = Gauge "tengen_sink_gone" "" ["sink"] []
        "1: the sink gave itself up";
    LostLines = Counter "tengen_log_lost" "lines" [] ["log.lost-lines"]
        "Lines of the log that were lost because whoever reads it was too slow";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_metrics_have_one_name() {
        let names: HashSet<_> = Metric::ALL.iter().map(|metric| metric.full_name()).collect();
        assert_eq!(names.len(), Metric::ALL.len());
    }

    #[test]
    fn names_labels_and_texts_are_as_scrapers_want_them() {
        for metric in Metric::ALL {
            let word =
                |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let name = metric.full_name();
            assert!(name.starts_with("tengen_") && word(&name), "{name}");
            assert!(metric.labels().iter().all(|label| word(label) && *label != "le"), "{name}");
            assert!(word(metric.unit()), "{name}");
            let help = metric.help();
            assert!(help.len() > 15 && !help.contains(['\\', '\n', '|']), "{name}: {help}");
            assert!(!help.ends_with('.'), "{name}: {help}");
            let quantity = matches!(metric.kind(), Kind::Counter | Kind::Histogram);
            assert!(!quantity || !metric.unit().is_empty(), "{name} counts something");
        }
    }

    #[test]
    fn places_name_labels_that_there_are() {
        for metric in Metric::ALL {
            for place in metric.places() {
                for word in place.split('.').filter_map(|word| word.strip_prefix('{')) {
                    let label = word.strip_suffix('}').unwrap();
                    assert!(metric.labels().contains(&label), "{metric:?}: {place}");
                }
            }
        }
    }
}
