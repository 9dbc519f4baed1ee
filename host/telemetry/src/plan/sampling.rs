//! Which new traces are recorded.

use crate::environment::Environment;
use opentelemetry::trace::{SpanKind, TraceId};
use opentelemetry_sdk::trace::{Sampler, SamplingDecision, ShouldSample};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Which new traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampling {
    /// Whether a span with a parent does as its parent.
    pub(crate) follow_parent: bool,
    /// The share of the others, 0 to 1.
    pub(crate) share: f64,
}

/// A choice that may change while everything runs: each new trace asks once.
#[derive(Debug)]
pub(crate) struct Current {
    follow_parent: AtomicBool,
    /// The bits of the share.
    share: AtomicU64,
}

impl Current {
    pub(crate) fn new(Sampling { follow_parent, share }: Sampling) -> Self {
        Self { follow_parent: follow_parent.into(), share: share.to_bits().into() }
    }

    /// From now on. A trace that begins at this moment may go by one half of it and not the other.
    pub(crate) fn set(&self, Sampling { follow_parent, share }: Sampling) {
        self.follow_parent.store(follow_parent, Ordering::Relaxed);
        self.share.store(share.to_bits(), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Sampling {
        Sampling {
            follow_parent: self.follow_parent.load(Ordering::Relaxed),
            share: f64::from_bits(self.share.load(Ordering::Relaxed)),
        }
    }
}

impl Sampling {
    /// Whether a trace of this id is among the share; the same for all who ask with the same share.
    pub(crate) fn chooses(self, trace_id: TraceId) -> bool {
        let sampler = match self.share {
            share if share >= 1.0 => return true,
            share if share <= 0.0 => return false,
            share => Sampler::TraceIdRatioBased(share),
        };
        let answer = sampler.should_sample(None, trace_id, "", &SpanKind::Internal, &[], &[]);
        answer.decision == SamplingDecision::RecordAndSample
    }

    /// The file's share, or what the environment says, or everything.
    pub(crate) fn new(share: Option<f64>, environment: &Environment<'_>) -> Self {
        if let Some(share) = share {
            return Self { follow_parent: true, share };
        }
        let all = Self { follow_parent: true, share: 1.0 };
        let Some(name) = environment.get("OTEL_TRACES_SAMPLER") else { return all };
        let name = name.to_ascii_lowercase();
        let (follow_parent, root) = match name.strip_prefix("parentbased_") {
            Some(root) => (true, root),
            None => (false, name.as_str()),
        };
        let share = match root {
            "always_on" => 1.0,
            "always_off" => 0.0,
            "traceidratio" => Self::argument(environment),
            _ => {
                environment.note(format_args!(
                    "`OTEL_TRACES_SAMPLER` is ignored: `{name}` is not a sampler we know"
                ));
                return all;
            }
        };
        Self { follow_parent, share }
    }

    fn argument(environment: &Environment<'_>) -> f64 {
        let share = environment.number(&["OTEL_TRACES_SAMPLER_ARG"]).unwrap_or(1.0);
        if (0.0..=1.0).contains(&share) {
            return share;
        }
        environment.note(format_args!(
            "`OTEL_TRACES_SAMPLER_ARG` is ignored: {share} is not between 0 and 1"
        ));
        1.0
    }
}
