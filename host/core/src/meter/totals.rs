//! Counts of all connections together.

#[cfg(feature = "testing")]
use super::Value;
use super::{ByLabel, Happened, Metric, Samples, Spread};
use crate::{
    count::Count,
    effect::{Kind, Refusals, Tally},
};
use std::sync::atomic::{AtomicU64, Ordering};
use tengen_wire::{
    close::{self, Reason},
    dialect::Asked,
    fault,
};

/// How often each thing has happened. What comes with each event is a [`Count`].
#[derive(Debug, Default)]
pub struct Totals {
    opened: AtomicU64,
    ended: Box<[[AtomicU64; close::LABELS.len()]; Reason::KINDS.len()]>,
    read_too_slowly: AtomicU64,
    shed: AtomicU64,
    upgrades_refused: ByLabel<(&'static str, u16)>,
    refused_for_memory: AtomicU64,
    requests_failed: ByLabel<&'static str>,
    received: Count,
    malformed: AtomicU64,
    unrouted: AtomicU64,
    declined: fault::Counts,
    requests_refused: Box<[fault::Counts; Asked::ALL.len()]>,
    client_signals: ByLabel<&'static str>,
    given_up: AtomicU64,
    replied: Count,
    stray: AtomicU64,
    timed_out: AtomicU64,
    unanswered: AtomicU64,
    delivered: Count,
    dropped: AtomicU64,
    unsupported: AtomicU64,
    timers_fired: AtomicU64,
    timers_put_off: AtomicU64,
    timers_forgotten: AtomicU64,
    answers_put_off: AtomicU64,
    answers_forgotten: AtomicU64,
    asks: ByLabel<&'static str>,
    effects_refused: Refusals,
    round_trips: Spread,
}

impl Totals {
    #[inline]
    pub fn note(&self, what: Happened<'_>) {
        let (counter, by) = match what {
            Happened::Received => return self.received.add(1),
            Happened::Replied => return self.replied.add(1),
            Happened::Delivered => return self.delivered.add(1),
            Happened::Ended(reason) => return self.ended(reason),
            Happened::UpgradeRefused(why, status) => {
                return self.upgrades_refused.add((why, status), 1);
            }
            Happened::RequestFailed(why) => return self.requests_failed.add(why, 1),
            Happened::Declined(why) => {
                self.declined.add(why, 1);
                return;
            }
            Happened::RequestRefused(asked, why) => {
                if let Some(counts) = self.requests_refused.get(asked as usize) {
                    counts.add(why, 1);
                }
                return;
            }
            Happened::ClientSignals(fate, count) => {
                if count > 0 {
                    self.client_signals.add(fate, count);
                }
                return;
            }
            Happened::AskEnded(outcome, count) => {
                if count > 0 {
                    self.asks.add(outcome, count);
                }
                return;
            }
            Happened::Opened => (&self.opened, 1),
            Happened::ReadTooSlowly => (&self.read_too_slowly, 1),
            Happened::Shed => (&self.shed, 1),
            Happened::RefusedForMemory => (&self.refused_for_memory, 1),
            Happened::Malformed => (&self.malformed, 1),
            Happened::Unrouted => (&self.unrouted, 1),
            Happened::GivenUp(count) => (&self.given_up, count),
            Happened::Stray => (&self.stray, 1),
            Happened::TimedOut => (&self.timed_out, 1),
            Happened::Unanswered => (&self.unanswered, 1),
            Happened::Dropped(count) => (&self.dropped, count),
            Happened::TimerFired => (&self.timers_fired, 1),
            Happened::TimerPutOff => (&self.timers_put_off, 1),
            Happened::TimersForgotten(count) => (&self.timers_forgotten, count),
            Happened::AnswerPutOff => (&self.answers_put_off, 1),
            Happened::AnswerForgotten => (&self.answers_forgotten, 1),
            Happened::Unsupported => (&self.unsupported, 1),
        };
        if by > 0 {
            counter.fetch_add(by, Ordering::Relaxed);
        }
    }

    fn ended(&self, reason: &Reason) {
        let of_kind = self.ended.get(reason.kind());
        if let Some(counter) = of_kind.and_then(|of| of.get(close::label(reason.code()))) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Effects were not carried out. True when these are the first of their kind and reason.
    pub fn refused(&self, tally: &Tally) -> bool {
        if tally.kind == Kind::Ask {
            self.asks.add("refused", tally.count);
        }
        self.effects_refused.add(tally)
    }

    /// What there is of one metric, without zeros.
    #[cfg(feature = "testing")]
    pub fn counts(&self, metric: Metric) -> Vec<(Vec<String>, u64)> {
        let mut samples = Samples::default();
        self.collect(&mut samples);
        let its = samples.sorted().into_iter().filter(|sample| sample.metric == metric);
        its.filter_map(|sample| match sample.value {
            Value::Whole(count) if count > 0 => Some((sample.labels, count)),
            _ => None,
        })
        .collect()
    }

    /// All of one metric.
    #[cfg(feature = "testing")]
    pub fn sum(&self, metric: Metric) -> u64 {
        self.counts(metric).iter().map(|(_, count)| count).sum()
    }

    /// From a ping to the next byte of its peer.
    pub fn round_trip(&self, time: std::time::Duration) {
        self.round_trips.record(time);
    }

    /// All of it, as it is now.
    pub fn collect(&self, into: &mut Samples) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for (metric, counter) in [
            (Metric::OpenedConnections, &self.opened),
            (Metric::SlowConnections, &self.read_too_slowly),
            (Metric::ShedConnections, &self.shed),
            (Metric::UpgradesRefusedForMemory, &self.refused_for_memory),
            (Metric::MalformedMessages, &self.malformed),
            (Metric::UnroutedEvents, &self.unrouted),
            (Metric::GivenUpEvents, &self.given_up),
            (Metric::StrayReplies, &self.stray),
            (Metric::TimedOutRequests, &self.timed_out),
            (Metric::UnansweredRequests, &self.unanswered),
            (Metric::DroppedFrames, &self.dropped),
            (Metric::FiredTimers, &self.timers_fired),
            (Metric::PutOffTimers, &self.timers_put_off),
            (Metric::ForgottenTimers, &self.timers_forgotten),
            (Metric::PutOffAnswers, &self.answers_put_off),
            (Metric::ForgottenAnswers, &self.answers_forgotten),
            (Metric::UnsupportedPayloads, &self.unsupported),
        ] {
            into.add(metric, &[], read(counter));
        }
        into.add(Metric::ReceivedEvents, &[], self.received.get());
        into.add(Metric::SentReplies, &[], self.replied.get());
        into.add(Metric::QueuedFrames, &[], self.delivered.get());
        into.add(Metric::PingRoundTrip, &[], self.round_trips.read());
        for ((why, status), count) in self.upgrades_refused.all() {
            into.add(Metric::RefusedUpgrades, &[why, &status.to_string()], count);
        }
        for (why, count) in self.requests_failed.all() {
            into.add(Metric::FailedRequests, &[why], count);
        }
        for (why, count) in self.declined.all() {
            into.add(Metric::DeclinedEvents, &[why], count);
        }
        for (asked, counts) in Asked::ALL.iter().zip(&*self.requests_refused) {
            for (why, count) in counts.all() {
                into.add(Metric::RefusedRequests, &[asked.word(), why], count);
            }
        }
        for (fate, count) in self.client_signals.all() {
            into.add(Metric::ClientSignals, &[fate], count);
        }
        for (outcome, count) in self.asks.all() {
            into.add(Metric::EndedAsks, &[outcome], count);
        }
        for (why, by_effect) in self.effects_refused.all() {
            for (effect, count) in by_effect {
                into.add(Metric::RefusedEffects, &[effect, why], count);
            }
        }
        self.collect_ends(into);
    }

    /// The code that a reason has nearly always is there from the beginning, so that its first end is a step from zero.
    fn collect_ends(&self, into: &mut Samples) {
        for ((kind, usual), by_code) in Reason::KINDS.iter().zip(Reason::USUAL).zip(&*self.ended) {
            for (place, (code, counter)) in close::LABELS.iter().zip(by_code).enumerate() {
                let count = counter.load(Ordering::Relaxed);
                if count > 0 || place == close::label(usual) {
                    into.add(Metric::ClosedConnections, &[kind, code], count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Value;

    fn read(totals: &Totals, metric: Metric) -> Vec<(Vec<String>, Value)> {
        let mut samples = Samples::default();
        totals.collect(&mut samples);
        let all = samples.sorted().into_iter().filter(|sample| sample.metric == metric);
        all.map(|sample| (sample.labels, sample.value)).collect()
    }

    #[test]
    fn ends_are_counted_by_reason_and_by_a_code_that_peers_cannot_make_many_of() {
        let totals = Totals::default();
        for code in 1000..5000 {
            totals.note(Happened::Ended(&Reason::Peer(code)));
        }
        totals.note(Happened::Ended(&Reason::Drained));
        let ends = read(&totals, Metric::ClosedConnections);
        let of = |reason: &'static str| ends.iter().filter(move |(labels, _)| labels[0] == reason);
        assert!(of("peer").count() <= close::LABELS.len());
        let sum = of("peer").map(|(_, value)| match value {
            Value::Whole(count) => *count,
            other => panic!("a count is whole: {other:?}"),
        });
        assert_eq!(sum.sum::<u64>(), 4000);
        assert_eq!(
            of("drain").collect::<Vec<_>>(),
            [&(vec!["drain".into(), "1012".into()], Value::Whole(1))]
        );
        assert_eq!(
            of("lost").collect::<Vec<_>>(),
            [&(vec!["lost".into(), "1006".into()], Value::Whole(0))]
        );
    }

    #[test]
    fn nothing_that_happens_is_lost_from_what_is_read() {
        let totals = Totals::default();
        for what in [
            Happened::Opened,
            Happened::Ended(&Reason::Lost),
            Happened::ReadTooSlowly,
            Happened::Shed,
            Happened::UpgradeRefused("origin", 403),
            Happened::RefusedForMemory,
            Happened::RequestFailed("head-slow"),
            Happened::Received,
            Happened::Malformed,
            Happened::Unrouted,
            Happened::Declined(fault::FaultId::Overloaded),
            Happened::RequestRefused(Asked::Publish, fault::FaultId::NotAllowed),
            Happened::ClientSignals("accepted", 1),
            Happened::GivenUp(1),
            Happened::Replied,
            Happened::Stray,
            Happened::TimedOut,
            Happened::Unanswered,
            Happened::Delivered,
            Happened::Dropped(1),
            Happened::TimerFired,
            Happened::TimerPutOff,
            Happened::TimersForgotten(1),
            Happened::AnswerPutOff,
            Happened::AnswerForgotten,
            Happened::AskEnded("answered", 1),
            Happened::Unsupported,
        ] {
            let counted = |totals: &Totals| {
                let mut samples = Samples::default();
                totals.collect(&mut samples);
                let whole = |value| match value {
                    Value::Whole(count) => count,
                    _ => 0,
                };
                samples.sorted().into_iter().map(|sample| whole(sample.value)).sum::<u64>()
            };
            let before = counted(&totals);
            totals.note(what);
            assert_eq!(counted(&totals), before + 1, "{what:?}");
        }
    }
}
