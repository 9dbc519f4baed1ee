//! Samples as one value of JSON, each at the place that its metric's row names.

use serde_json::{Map, Value, map::Entry};
use tengen_core::meter::{Metric, Sample, Samples, Value as Counted};

/// What comes to one place adds up. A place without labels is there from the beginning; of one with labels, what is around
/// them: what never happened is an empty object, or zero.
pub fn stats(samples: Samples) -> Map<String, Value> {
    let mut stats = Map::new();
    for place in Metric::ALL.iter().flat_map(|metric| metric.places()) {
        begin(&mut stats, place);
    }
    for sample in samples.sorted() {
        let Counted::Whole(count) = sample.value else { continue };
        for place in sample.metric.places() {
            add(&mut stats, place.split('.').map(|word| said(&sample, word)), count);
        }
    }
    stats
}

fn begin(stats: &mut Map<String, Value>, place: &str) {
    let fixed = place.split('.').take_while(|word| !word.starts_with('{'));
    if place.contains('{') {
        let _around = fixed.map(ToOwned::to_owned).try_fold(stats, inside);
    } else {
        add(stats, fixed.map(ToOwned::to_owned), 0);
    }
}

/// A word of a place: itself, or the value of the label that it names.
fn said(sample: &Sample, word: &str) -> String {
    let name = word.strip_prefix('{').and_then(|word| word.strip_suffix('}'));
    let of = |name| sample.labels().find(|(label, _)| *label == name).map(|(_, value)| value);
    name.and_then(of).unwrap_or(word).to_owned()
}

fn add(stats: &mut Map<String, Value>, words: impl Iterator<Item = String>, count: u64) {
    let mut words: Vec<_> = words.collect();
    let Some(last) = words.pop() else { return };
    let Some(around) = words.into_iter().try_fold(stats, inside) else { return };
    match around.entry(last) {
        Entry::Vacant(entry) => drop(entry.insert(count.into())),
        Entry::Occupied(mut entry) => {
            let before = entry.get().as_u64().unwrap_or_default();
            entry.insert((before + count).into());
        }
    }
}

fn inside(around: &mut Map<String, Value>, word: String) -> Option<&mut Map<String, Value>> {
    around.entry(word).or_insert_with(|| Map::new().into()).as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn samples_stand_at_the_places_of_their_metrics_and_add_up() {
        let mut samples = Samples::default();
        samples.add(Metric::OpenConnections, &[], 7_usize);
        samples.add(Metric::RefusedUpgrades, &["origin", "403"], 2_u64);
        samples.add(Metric::RefusedUpgrades, &["full", "503"], 3_u64);
        samples.add(Metric::ClosedConnections, &["peer", "1000"], 1_u64);
        samples.add(Metric::ClosedConnections, &["peer", "1001"], 4_u64);
        samples.add(Metric::PluginRefusedEffects, &["a.b", "push", "closed"], 5_u64);
        let stats = Value::from(stats(samples));
        let connections = &stats["connections"];
        assert_eq!((&connections["open"], &connections["rejected"]), (&json!(7), &json!(5)));
        assert_eq!(connections["rejected-by"], json!({ "full": 3, "origin": 2 }));
        assert_eq!(connections["ended"], json!({ "peer": 5 }));
        assert_eq!(stats["plugins"]["a.b"]["refused-effects"], json!({ "closed": { "push": 5 } }));
    }

    #[test]
    fn what_never_happened_is_zero_or_empty() {
        let stats = Value::from(stats(Samples::default()));
        let timers = json!({ "waiting": 0, "fired": 0, "put-off": 0, "forgotten": 0 });
        assert_eq!(stats["timers"], timers);
        assert_eq!(stats["effects"], json!({ "refused": 0, "refused-by-reason": {} }));
        assert_eq!((&stats["plugins"], &stats["notable"]), (&json!({}), &json!({})));
    }

    /// Otherwise something would be left out in silence.
    #[test]
    fn no_two_metrics_have_places_inside_each_other() {
        let places: Vec<_> = Metric::ALL.iter().flat_map(|metric| metric.places()).collect();
        for one in &places {
            let inside = format!("{one}.");
            assert!(!places.iter().any(|other| other.starts_with(&inside)), "{one}");
            assert_eq!(places.iter().filter(|other| *other == one).count(), 1, "{one}");
        }
    }
}
