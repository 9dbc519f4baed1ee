//! What no filter lets pass, and an error that has it told after all.

use super::page::Page;
use crate::{
    encode::{Encoder, Format},
    filter::Filter,
    pipe::{Layer, Pipe},
    recorder::Recorder,
    station::{Station, Traits},
    writer::{self, stream::Stream},
};
use serde_json::Value;
use std::{num::NonZeroUsize, sync::Arc};
use tengen_core::testing::somebody_listens;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt;

/// A log of errors that is read by a sink of its own level.
fn log(bytes: Option<usize>) -> (Arc<Pipe>, Page, DefaultGuard) {
    somebody_listens();
    let (pipe, page) = (Arc::<Pipe>::default(), Page::default());
    pipe.set_filter(Filter::of_level("test", "warn").unwrap());
    pipe.set_recorder(bytes.and_then(NonZeroUsize::new));
    let filter = Filter::of_level("test", "warn").unwrap();
    let station = Station::new(Traits::new("log", "stderr"), filter);
    writer::at_once(&station, Stream(page.clone()), Encoder(Format::Json));
    pipe.attach(station).unwrap();
    let layer = tracing_subscriber::registry().with(Layer(Arc::clone(&pipe)));
    (pipe, page, tracing::subscriber::set_default(layer))
}

fn lines(page: &Page) -> Vec<Value> {
    page.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn an_error_has_told_what_was_kept_of_its_connection_and_of_no_other() {
    let (pipe, page, _log) = log(Some(1 << 20));
    tracing::debug!(connection = "a", "first");
    tracing::trace!(connection = "b", "of another");
    tracing::debug!("of none");
    tracing::debug!(target: "plugin", plugin = "p", connection = "a", "second");
    tracing::debug!(target: "hyper", connection = "a", "of a library");
    tracing::warn!(connection = "a", "no error");
    assert_eq!(lines(&page).len(), 1);
    tracing::error!(connection = "a", "wrong");
    tracing::error!(connection = "a", "wrong again");
    let told = lines(&page);
    let told: Vec<_> = told
        .iter()
        .map(|line| (line["message"].as_str().unwrap(), line["data"]["recorded"].is_boolean()))
        .collect();
    let expected = [
        ("no error", false),
        ("first", true),
        ("second", true),
        ("wrong", false),
        ("wrong again", false),
    ];
    assert_eq!(told, expected);
    let stats = pipe.stats();
    assert_eq!((stats.recorded, stats.recorded_told), (3, 2), "{stats:?}");
    assert_eq!(stats.created, stats.filtered + stats.accepted, "{stats:?}");
    pipe.turn(false);
    tracing::debug!(connection = "a", "while it is off");
    pipe.turn(true);
    assert_eq!(pipe.stats().recorded, 3, "off is off");
}

#[test]
fn without_a_recorder_nothing_is_made_of_what_does_not_pass() {
    let (pipe, _page, _log) = log(None);
    let before = super::heap::allocations();
    for _ in 0..100 {
        tracing::debug!(connection = "a", number = 7, "not recorded");
    }
    assert_eq!(super::heap::allocations(), before);
    assert!(!Recorder::has_ring());
    assert_eq!(pipe.stats().created, 0);
    pipe.set_recorder(NonZeroUsize::new(1 << 20));
    tracing::debug!(connection = "a", "recorded");
    assert!(super::heap::allocations() > before && Recorder::has_ring(), "it would be seen");
}
