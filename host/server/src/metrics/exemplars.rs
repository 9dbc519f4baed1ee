//! Traces beside the ranges of histograms, in a text that the library has written without them: what it takes for an exemplar
//! only its own histograms can make, and ours are not those.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    time::UNIX_EPOCH,
};
use tengen_core::meter::{Exemplar, Sample, Value};

/// By the name of a histogram: of each of its lines with a range, in their order, the trace that shows it.
#[derive(Debug, Default)]
pub(super) struct Exemplars(BTreeMap<String, VecDeque<Option<Exemplar>>>);

impl Exemplars {
    /// Of samples in the order in which they are written.
    pub(super) fn of(samples: &[Sample]) -> Self {
        let mut all = BTreeMap::<_, VecDeque<_>>::new();
        for sample in samples {
            let Value::Times(times) = &sample.value else { continue };
            let mut lines = vec![None; times.ranges().count()];
            for (range, exemplar) in times.exemplars() {
                if let Some(line) = lines.get_mut(range) {
                    *line = Some(exemplar.clone());
                }
            }
            all.entry(sample.metric.full_name()).or_default().extend(lines);
        }
        all.retain(|_, lines| lines.iter().any(Option::is_some));
        Self(all)
    }

    /// Puts each at the end of its line.
    pub(super) fn put(mut self, text: String) -> String {
        if self.0.is_empty() {
            return text;
        }
        let mut written = String::with_capacity(text.len() + text.len() / 4);
        for line in text.split_inclusive('\n') {
            let name = line.split_once("_bucket{").map(|(name, _)| name);
            let lines = name.and_then(|name| self.0.get_mut(name));
            match lines.and_then(VecDeque::pop_front).flatten() {
                Some(exemplar) => {
                    written.push_str(line.trim_end_matches('\n'));
                    write(&exemplar, &mut written);
                }
                None => written.push_str(line),
            }
        }
        written
    }
}

/// As OpenMetrics have it: labels, the value in seconds, and when it was.
fn write(exemplar: &Exemplar, to: &mut String) {
    let Exemplar { trace_id, span_id, time, at } = exemplar;
    let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (seconds, millis) = (at.as_secs(), at.subsec_millis());
    let time = time.as_secs_f64();
    // Writing to a string does not fail.
    let _written = writeln!(
        to,
        " # {{trace_id=\"{trace_id:032x}\",span_id=\"{span_id:016x}\"}} {time} {seconds}.{millis:03}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Form, text};
    use std::time::Duration;
    use tengen_core::meter::{Histogram, Metric, Samples};

    fn times(micros: u64, trace_id: u128) -> Histogram {
        let times = Histogram::default();
        let time = Duration::from_micros(micros);
        times.record(time);
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
        times.show(Exemplar { trace_id, span_id: 0xdef, time, at });
        times
    }

    fn written(form: Form) -> String {
        let mut samples = Samples::default();
        samples.add(Metric::PluginCallTime, &["quiet"], Histogram::default().read());
        samples.add(Metric::PluginCallTime, &["chat"], times(30, 0xabc).read());
        samples.add(Metric::PingRoundTrip, &[], times(60_000_000, 0x123).read());
        samples.add(Metric::PluginOwnSum, &["chat", "tengen_plugin_call_seconds_bucket{"], 1.5);
        text(samples, form).unwrap()
    }

    #[test]
    fn a_trace_stands_at_the_range_that_it_shows_and_nowhere_else() {
        let open = written(Form::OpenMetrics);
        let shown: Vec<_> = open.lines().filter(|line| line.contains(" # {")).collect();
        let [ping, call] = &shown[..] else { panic!("{shown:#?}") };
        assert!(call.starts_with("tengen_plugin_call_seconds_bucket{"), "{call}");
        assert!(call.contains("plugin=\"chat\"") && call.contains("le=\"0.00005\""), "{call}");
        let end = "} 1 # {trace_id=\"00000000000000000000000000000abc\",span_id=\"0000000000000def\"} 0.00003 1700000000.250";
        assert!(call.ends_with(end), "{call}");
        assert!(ping.contains("le=\"+Inf\"") && ping.contains("} 60 1700000000.250"), "{ping}");
        assert!(open.ends_with("# EOF\n"));
    }

    #[test]
    fn the_older_format_has_none() {
        assert!(!written(Form::Text).contains("trace_id"));
    }
}
