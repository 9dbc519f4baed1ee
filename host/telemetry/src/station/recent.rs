//! What a sink got last, for who wants to try a filter.

use std::{collections::VecDeque, sync::Arc};
use tengen_core::sink::Signal;

/// So many signals,
pub(super) const COUNT: usize = 256;
/// and so many bytes of them.
pub(super) const BYTES: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Recent {
    signals: VecDeque<(Arc<Signal>, usize)>,
    bytes: usize,
}

impl Recent {
    pub(super) fn add(&mut self, signals: &[Arc<Signal>]) {
        let (_, last) = signals.split_at(signals.len().saturating_sub(COUNT));
        for signal in last {
            let weight = signal.weight();
            self.bytes += weight;
            self.signals.push_back((Arc::clone(signal), weight));
        }
        while self.signals.len() > COUNT || self.bytes > BYTES {
            let Some((_, weight)) = self.signals.pop_front() else { break };
            self.bytes -= weight;
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<Signal>> {
        self.signals.iter().map(|(signal, _)| Arc::clone(signal)).collect()
    }
}
