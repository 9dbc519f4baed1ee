//! A sink of kind `otlp` that has nobody to send to.

use super::*;
use crate::{filter::Filter, station::Traits};
use std::time::Instant;
use tengen_core::sink::Level;
use tengen_settings::SinkKind;

#[tokio::test]
async fn without_a_way_to_a_collector_the_sink_says_why_and_counts_what_that_costs() {
    let settings = settings::Sink::new(SinkKind::Otlp);
    let station = Station::new(Traits::of(&settings), Filter::default());
    for message in ["a", "b"] {
        let signal = Arc::new(Signal::new(Level::Info, "test", message));
        station.take_in(&signal, signal.weight(), true);
    }
    let mut done = start(&station, &settings, Err("`X` is wrong".into()), "node").unwrap();
    station.close(Instant::now() + Duration::from_secs(60));
    while done.changed().await.is_ok() {}
    let stats = station.stats();
    assert_eq!((stats.accepted, stats.dropped.sink_error, stats.health), (2, 2, "gone"));
    assert_eq!(stats.last_error.as_deref(), Some("no logs are sent: `X` is wrong"));
    assert!(stats.advice.unwrap().contains("gave itself up"));
}
