//! A plugin's status as metrics: the same numbers under their names.

use super::{State, Status};
use crate::breaker::Phase;
use std::collections::BTreeMap;
use tengen_core::meter::{Metric, Samples, Value};

impl Status {
    pub fn collect(&self, into: &mut Samples) {
        let name = self.name.as_str();
        let facts = [name, &self.component, &self.version, &self.revision];
        into.add(Metric::Plugin, &facts, Value::Fact);
        for (metric, value) in [
            (Metric::PluginGeneration, self.generation),
            (Metric::PluginCalls, self.calls),
            (Metric::PluginEvents, self.events),
            (Metric::PluginDroppedSignals, self.dropped_signals),
            (Metric::PluginDroppedMeasures, self.dropped_measures),
            (Metric::PluginRestarts, self.restarts),
            (Metric::PluginPanics, self.panics),
            (Metric::PluginBreakerOpened, self.breaker_opened),
            (Metric::PluginShunned, self.shunned_connections),
            (Metric::PluginLostStates, self.lost_states),
            (Metric::PluginStatesPutAside, self.states_put_aside),
            (Metric::PluginRecycled, self.recycled),
        ] {
            into.add(metric, &[name], value);
        }
        for (metric, value) in [
            (Metric::PluginWaiting, self.waiting),
            (Metric::PluginInstances, self.instances),
            (Metric::PluginMemory, self.memory_bytes),
        ] {
            into.add(metric, &[name], value);
        }
        into.add(Metric::PluginReloads, &[name, "ok"], self.reloads);
        into.add(Metric::PluginReloads, &[name, "failed"], self.failed_reloads);
        for (metric, how, count) in [
            (Metric::PluginCheckpoints, "ok", self.checkpoints),
            (Metric::PluginCheckpoints, "failed", self.failed_checkpoints),
            (Metric::PluginRevivals, "recovered", self.recovered_states),
            (Metric::PluginRevivals, "restored", self.restored_states),
        ] {
            into.add(metric, &[name, how], count);
        }
        if let Some(kept) = &self.kept_state {
            into.add(Metric::PluginStateSize, &[name], kept.bytes);
        }
        self.collect_each(into);
        self.collect_phases(into);
        self.collect_losses(into);
        for (measure, own) in &self.measures {
            into.add(Metric::PluginOwnTimes, &[name, measure], own.count);
            into.add(Metric::PluginOwnSum, &[name, measure], own.sum);
            if let Some(last) = own.last {
                into.add(Metric::PluginOwnGauge, &[name, measure], last);
            }
        }
    }

    fn collect_each(&self, into: &mut Samples) {
        for each in &self.each {
            let labels = [self.name.as_str(), &each.instance.to_string()];
            into.add(Metric::PluginEachRuns, &labels, each.state == State::Running);
            into.add(Metric::PluginEachWaiting, &labels, each.waiting);
            into.add(Metric::PluginEachConnections, &labels, each.connections);
            into.add(Metric::PluginEachMemory, &labels, each.memory_bytes);
        }
    }

    fn collect_phases(&self, into: &mut Samples) {
        for (state, word) in [
            (State::Running, "running"),
            (State::Unavailable, "unavailable"),
            (State::Stopped, "stopped"),
        ] {
            into.add(Metric::PluginState, &[&self.name, word], self.state == state);
        }
        for (phase, word) in
            [(Phase::Closed, "closed"), (Phase::HalfOpen, "half-open"), (Phase::Open, "open")]
        {
            into.add(Metric::PluginBreaker, &[&self.name, word], self.breaker == phase);
        }
    }

    fn collect_losses(&self, into: &mut Samples) {
        let mut by = |metric, counts: &BTreeMap<&'static str, u64>| {
            for (why, count) in counts {
                into.add(metric, &[&self.name, why], *count);
            }
        };
        by(Metric::PluginErrors, &self.errors_by_reason);
        by(Metric::PluginFailedCalls, &self.failed_calls);
        by(Metric::PluginDeclinedEvents, &self.declined_by_reason);
        by(Metric::PluginUnusableVerdicts, &self.unusable_verdicts);
        for (why, by_effect) in &self.refused_by_reason {
            for (effect, count) in by_effect {
                into.add(Metric::PluginRefusedEffects, &[&self.name, effect, why], *count);
            }
        }
    }
}
