//! Reading what is counted keeps nobody waiting, and waits for nobody.

use super::*;
use std::{sync::mpsc, thread};
use tengen_core::meter::{Sample, Samples};

const PATIENCE: Duration = Duration::from_secs(20);

fn scrape(hub: &Hub) -> Vec<Sample> {
    let mut samples = Samples::default();
    hub.collect(&mut samples);
    samples.sorted()
}

#[test]
fn a_scrape_does_not_wait_for_the_places_where_events_find_connections() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, Some("ann"));
    let held = hub.links.hold();
    let (done, is_done) = mpsc::sync_channel(1);
    thread::scope(|scope| {
        let hub = &hub;
        scope.spawn(move || done.send(scrape(hub)));
        let samples = is_done.recv_timeout(PATIENCE).expect("it looks into none of them");
        let users = samples.iter().find(|sample| sample.metric == Metric::OnlineUsers);
        assert_eq!(users.unwrap().value, 1_usize.into());
        drop(held);
    });
    assert!(hub.link(link.facts.handle).is_some());
}

#[test]
fn a_scrape_is_as_long_and_takes_as_long_with_ten_thousand_connections() {
    const SCRAPES: u32 = 200;
    let took = |hub: &Hub| {
        let began = Instant::now();
        (0..SCRAPES).for_each(|_| drop(scrape(hub)));
        began.elapsed()
    };
    let hub = hub(Grants::default());
    let mut links = vec![connect(&hub, 0, Some("somebody"))];
    let (few, before) = (scrape(&hub).len(), took(&hub));
    for number in 1..10_000 {
        let link = connect(&hub, 0, Some(&number.to_string()));
        assert_eq!(hub.subscribe(&link, &number.to_string().as_str().into()), Ok(()));
        links.push(link);
    }
    let (many, after) = (scrape(&hub).len(), took(&hub));
    assert_eq!(many, few, "whoever is connected has no line of their own");
    assert!(after < 10 * before, "{SCRAPES} took {before:?} with one and {after:?} with all");
}
