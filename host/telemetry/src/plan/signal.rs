//! OpenTelemetry's signals, and which of the environment's variables are whose.

/// What is sent to a collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    pub(crate) const ALL: [Self; 3] = [Self::Traces, Self::Metrics, Self::Logs];

    /// Its path below the collector's address, over HTTP.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Traces => "/v1/traces",
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
        }
    }
}

/// The two variables that say one thing of a signal's exporter: its own, which wins, and the one of all signals.
macro_rules! variables {
    ($signal:expr, $what:literal) => {
        match $signal {
            $crate::plan::Signal::Traces => [
                concat!("OTEL_EXPORTER_OTLP_TRACES_", $what),
                concat!("OTEL_EXPORTER_OTLP_", $what),
            ],
            $crate::plan::Signal::Metrics => [
                concat!("OTEL_EXPORTER_OTLP_METRICS_", $what),
                concat!("OTEL_EXPORTER_OTLP_", $what),
            ],
            $crate::plan::Signal::Logs => {
                [concat!("OTEL_EXPORTER_OTLP_LOGS_", $what), concat!("OTEL_EXPORTER_OTLP_", $what)]
            }
        }
    };
}

pub(crate) use variables;
