//! What is told apart before it goes anywhere.

use super::*;
use crate::station::Traits;
use settings::SinkKind;
use tengen_settings as settings;

#[test]
fn what_sending_itself_says_is_told() {
    for target in
        ["tengen::telemetry::processor", "hyper::proto", "hyper_util", "h2", "opentelemetry_sdk"]
    {
        assert!(feeds_back(target), "{target}");
    }
    for target in ["tengen::hub", "h2o", "hyperspace", "plugin"] {
        assert!(!feeds_back(target), "{target}");
    }
}

// At level `debug` each request to a collector would have made signals for the next.
#[test]
fn what_carries_signals_to_a_collector_says_nothing_to_that_collector() {
    let pipe = Pipe::default();
    let station = |kind| {
        let traits = Traits::of(&settings::Sink::new(kind));
        let station = Station::new(traits, Filter::default());
        pipe.attach(Arc::clone(&station)).unwrap();
        station
    };
    let (otlp, file) = (station(SinkKind::Otlp), station(SinkKind::File));
    for namespace in ["h2::codec", "hyper_util::client", "tower::buffer", "tengen_telemetry::logs"]
    {
        pipe.put(Signal::new(Level::Info, namespace, "x"), None);
    }
    let counts = |station: &Station| (station.stats().withheld, station.stats().accepted);
    assert_eq!((counts(&otlp), counts(&file)), ((3, 1), (0, 4)));
}
