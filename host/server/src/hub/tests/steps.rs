//! Large outcomes in steps: others have their turn, and the order is one for all.

use super::*;
use tengen_core::capability::{push::Target, subscription::Unsubscribe};

pub(super) fn hub_of_channels() -> Hub {
    let grants = Grants { publish: vec![Pattern("*".into())], endpoint: true, ..Grants::default() };
    hub(grants)
}

pub(super) fn members(hub: &Hub, count: usize) -> Vec<Arc<Link>> {
    let links: Vec<_> = (0..count).map(|_| connect(hub, 0, None)).collect();
    for link in &links {
        hub.subscribe(link, &"room".into()).unwrap();
    }
    links
}

pub(super) fn publications(count: usize) -> Work {
    let effects = (0..count).map(|_| Caused::new(0, publish("room", None))).collect();
    Work::new(Outcome::of(effects), 1)
}

/// The offsets that a member got, in its order.
fn offsets(link: &Link) -> Vec<u64> {
    let offset = |frame: &String| {
        let (_, rest) = frame.split_once(r#""offset":"#).unwrap();
        rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    frames(link).iter().map(offset).collect()
}

fn act(hub: &Hub, plugin: &str, events: &[Event], work: &mut Work) -> Progress {
    hub.act(&plugin.into(), events, work)
}

/// Deliveries that were made since it was last asked.
fn deliveries() -> impl FnMut(&Hub) -> u64 {
    let mut before = 0;
    move |hub| {
        let all = hub.meter.sum(Metric::QueuedFrames);
        all - std::mem::replace(&mut before, all)
    }
}

#[test]
fn one_publication_to_many_is_cut_into_steps() {
    let (hub, mut delivered) = (hub_of_channels(), deliveries());
    let links = members(&hub, 10_000);
    let events = [event(&links[0], None)];
    let (mut work, mut steps) = (publications(1), 0);
    while act(&hub, PLUGIN, &events, &mut work) == Progress::More {
        assert!(delivered(&hub) <= 4096, "a step ends after so many");
        steps += 1;
    }
    assert!(steps >= 2, "{steps}");
    assert!(links.iter().all(|link| offsets(link) == [1]));
}

#[test]
fn many_publications_are_cut_into_steps_and_stay_in_order() {
    let (hub, mut delivered) = (hub_of_channels(), deliveries());
    let links = members(&hub, 500);
    let events = [event(&links[0], None)];
    let (mut work, mut steps) = (publications(100), 0);
    while act(&hub, PLUGIN, &events, &mut work) == Progress::More {
        assert!(delivered(&hub) <= 4096 + 256);
        steps += 1;
    }
    assert!(steps >= 100 * 500 / 4096, "{steps}");
    for link in &links {
        assert_eq!(offsets(link), (1..=100).collect::<Vec<_>>());
    }
}

#[test]
fn two_who_publish_at_once_have_one_order_for_all_subscribers() {
    let hub = hub_of_channels();
    let rights = Rights {
        grants: Grants { publish: vec![Pattern("*".into())], ..Grants::default() },
        endpoints: vec![Some("/ws".into())],
        ..Rights::default()
    };
    hub.set_rights(HashMap::from([(PLUGIN.into(), rights.clone()), ("other".into(), rights)]));
    let links = members(&hub, 6_000);
    let events = [event(&links[0], None)];
    let (mut one, mut other) = (publications(3), publications(3));
    loop {
        let of_one = act(&hub, PLUGIN, &events, &mut one);
        let of_other = act(&hub, "other", &events, &mut other);
        if (of_one, of_other) == (Progress::Done, Progress::Done) {
            break;
        }
    }
    assert!(links.iter().all(|link| offsets(link) == [1, 2, 3, 4, 5, 6]));
}

#[test]
fn who_comes_or_goes_during_a_publication_hears_what_is_theirs() {
    let hub = hub_of_channels();
    let links = members(&hub, 9_000);
    let events = [event(&links[0], None)];
    let mut work = publications(1);
    assert_eq!(act(&hub, PLUGIN, &events, &mut work), Progress::More);
    let late = connect(&hub, 0, None);
    hub.subscribe(&late, &"room".into()).unwrap();
    let leaves = links.last().unwrap();
    assert!(hub.unsubscribe(leaves, &"room".into()));
    while act(&hub, PLUGIN, &events, &mut work) == Progress::More {}
    assert!(offsets(&late).is_empty() && offsets(leaves).is_empty());
    assert!(links[..8_999].iter().all(|link| offsets(link) == [1]));
    assert_eq!(super::act(&hub, &links[0], publish("room", None)), Ok(()));
    assert_eq!(offsets(&late), [2]);
}

#[test]
fn pushes_to_lists_and_endpoints_are_cut_into_steps_too() {
    let (hub, mut delivered) = (hub_of_channels(), deliveries());
    let links: Vec<_> = (0..9_000).map(|_| connect(&hub, 0, None)).collect();
    let events = [event(&links[0], None)];
    let all = links.iter().map(|link| link.facts.handle).collect();
    for to in [Target::Connections(all), Target::Endpoint("/ws".into())] {
        let effects = vec![Caused::new(0, push(to, None))];
        let mut work = Work::new(Outcome::of(effects), 1);
        let (mut steps, _before) = (1, delivered(&hub));
        while act(&hub, PLUGIN, &events, &mut work) == Progress::More {
            assert!(delivered(&hub) <= 4096);
            steps += 1;
        }
        assert!(steps >= 3, "{steps}");
        assert!(links.iter().all(|link| frames(link) == [PUSHED]));
    }
}

#[test]
fn a_list_with_a_foreign_connection_at_its_end_reaches_nobody() {
    let hub = hub_of_channels();
    let links: Vec<_> = (0..5_000).map(|_| connect(&hub, 0, None)).collect();
    let foreign = connect(&hub, 1, None);
    let mut all: Vec<_> = links.iter().map(|link| link.facts.handle).collect();
    all.push(foreign.facts.handle);
    let refused = super::act(&hub, &links[0], push(Target::Connections(all), None));
    assert_eq!(refused, Err(FaultId::NotAllowed));
    assert!(links.iter().all(|link| frames(link).is_empty()));
}

/// Twice the effects and failures take twice the time, not four times: 64,000 × 64,000 would take minutes.
#[test]
fn effects_and_failures_are_matched_in_one_pass() {
    let hub = hub_of_channels();
    let link = connect(&hub, 0, None);
    let (count, handle) = (64_000, link.facts.handle);
    hub.close(&link, &Reason::Lost);
    let events: Vec<_> = (0..count).map(|_| event(&link, None)).collect();
    let what = || Effect::Unsubscribe(Unsubscribe { connection: handle, channel: "room".into() });
    let effects = (0..count).map(|by| Caused::new(by, what())).collect();
    let why = Fault::new(FaultId::NotFound, "no");
    let failures = (1..count).map(|by| Failure { by, why: why.clone(), close: None }).collect();
    let started = Instant::now();
    let work =
        carry_out(&hub, PLUGIN, &events, Outcome { effects, failures, ..Outcome::default() });
    assert_eq!(work.tallies()[0].count, 1, "only the event that did not fail has effects");
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
