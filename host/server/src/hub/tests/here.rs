//! Who is here, as plugins ask: in pages that are whole, and of their own connections alone.

use super::*;
use std::collections::BTreeSet;
use tengen_core::{
    capability::data::Change,
    directory::{Directory as _, NoPlace, PAGE_BYTES, Page, Totals, Wanted, Whom},
};

fn page(hub: &Hub, whom: &Whom, after: Option<&str>, limit: usize) -> Page {
    hub.page(&PLUGIN.into(), whom, Wanted { after, limit }).expect("a page says where to go on")
}

/// All pages: whom they show, and how many they are.
fn all(hub: &Hub, whom: &Whom, limit: usize) -> (Vec<Handle>, usize) {
    let (mut found, mut after, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let page = page(hub, whom, after.as_deref(), limit);
        assert!(page.connections.len() <= limit);
        found.extend(page.connections.iter().map(|it| it.connection.handle));
        (pages, after) = (pages + 1, page.next);
        if after.is_none() {
            return (found, pages);
        }
    }
}

/// That all pages together show these, each once.
#[track_caller]
fn check(hub: &Hub, whom: &Whom, limit: usize, expected: &[Arc<Link>]) {
    let (found, _) = all(hub, whom, limit);
    let once: BTreeSet<_> = found.iter().copied().collect();
    assert_eq!(once.len(), found.len(), "nobody twice: {whom:?}");
    assert_eq!(once, expected.iter().map(|link| link.facts.handle).collect(), "{whom:?}");
}

fn granted() -> Hub {
    let hub = hub(Grants { publish: vec![Pattern("*".into())], ..Grants::default() });
    assert_eq!(hub.totals(&PLUGIN.into()), Totals::default());
    hub
}

#[test]
fn pages_show_each_of_a_plugins_connections_once_and_no_others() {
    let hub = granted();
    let many = |endpoint, user| (0..300).map(|_| connect(&hub, endpoint, user)).collect::<Vec<_>>();
    let (ann, nobody, foreign) = (many(0, Some("ann")), many(0, None), many(1, Some("ann")));
    let own: Vec<_> = ann.iter().chain(&nobody).cloned().collect();
    let tea = Channel::from("tea");
    for link in own.iter().chain(&foreign).step_by(2) {
        hub.subscribe(link, &tea).unwrap();
    }
    let in_tea: Vec<_> = own.iter().step_by(2).cloned().collect();
    let red = Change { tag: vec!["red".into()], ..Change::default() };
    for link in &nobody {
        hub.change_data(link, &PLUGIN.into(), red.clone()).unwrap();
        hub.change_data(link, &"game".into(), red.clone()).unwrap();
    }
    for limit in [1, 7, 300, 1000] {
        check(&hub, &Whom::Everybody, limit, &own);
        check(&hub, &Whom::User("ann".into()), limit, &ann);
        check(&hub, &Whom::Channel(tea.clone()), limit, &in_tea);
        check(&hub, &Whom::Tag("red".into()), limit, &nobody);
    }
    for nothing in [Whom::User("bob".into()), Whom::Channel("b".into()), Whom::Tag("b".into())] {
        assert_eq!(all(&hub, &nothing, 10), (Vec::new(), 1));
    }
    assert_eq!(hub.totals(&PLUGIN.into()), Totals { connections: 600, users: 1 });
    assert_eq!(hub.totals(&"game".into()), Totals::default(), "it owns nothing");
    assert_eq!((hub.members(&tea), hub.members(&"coffee".into())), (450, 0));
    let shown = page(&hub, &Whom::Tag("red".into()), None, 1);
    assert_eq!(shown.connections[0].data.as_ref().unwrap().tags(), ["red".into()]);
}

#[test]
fn whoever_stays_is_in_a_page_whoever_else_comes_and_goes() {
    let hub = granted();
    let tea = Channel::from("tea");
    let mut links: Vec<_> = (0..400).map(|_| connect(&hub, 0, None)).collect();
    links.iter().for_each(|link| hub.subscribe(link, &tea).unwrap());
    for whom in [Whom::Everybody, Whom::Channel(tea.clone())] {
        let (mut seen, mut after) = (BTreeSet::new(), None::<String>);
        loop {
            let page = page(&hub, &whom, after.as_deref(), 50);
            seen.extend(page.connections.iter().map(|it| it.connection.handle));
            // Some of the first, of the middle, and of the last.
            for place in [links.len() - 2, links.len() / 2, 1] {
                hub.close(&links.remove(place), &Reason::Lost);
            }
            hub.subscribe(&connect(&hub, 0, None), &tea).unwrap();
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert!(links.iter().all(|link| seen.contains(&link.facts.handle)), "{whom:?}");
    }
}

#[test]
fn a_page_ends_for_its_bytes_and_for_those_it_passes_over() {
    let hub = granted();
    let long: Vec<_> = (0..16).map(|n| format!("{n:02}{}", "t".repeat(254)).into()).collect();
    let links: Vec<_> = (0..100).map(|_| connect(&hub, 0, None)).collect();
    for link in &links {
        let change = Change { tag: long.clone(), ..Change::default() };
        hub.change_data(link, &PLUGIN.into(), change).unwrap();
    }
    let first = page(&hub, &Whom::Everybody, None, 1000);
    let bytes: usize = first.connections.iter().map(|it| it.texts()).sum();
    assert!(bytes <= PAGE_BYTES && bytes + first.connections[0].texts() > PAGE_BYTES, "{bytes}");
    assert!(first.next.is_some());
    check(&hub, &Whom::Everybody, 1000, &links);

    let hub = granted();
    let tea = Channel::from("tea");
    let own = connect(&hub, 0, None);
    hub.subscribe(&own, &tea).unwrap();
    let foreign: Vec<_> = (0..4000).map(|_| connect(&hub, 1, None)).collect();
    foreign.iter().for_each(|link| hub.subscribe(link, &tea).unwrap());
    for whom in [Whom::Everybody, Whom::Channel(tea)] {
        let (found, pages) = all(&hub, &whom, 1);
        assert_eq!(found, [own.facts.handle]);
        assert!((3..=5).contains(&pages), "no page looks at all of them: {pages}");
    }
}

#[test]
fn to_go_on_where_no_page_ended_is_refused() {
    let hub = granted();
    let ann = connect(&hub, 0, Some("ann"));
    hub.subscribe(&ann, &"tea".into()).unwrap();
    for whom in [Whom::Everybody, Whom::User("ann".into()), Whom::Channel("tea".into())] {
        for after in ["", "x", "1.", "-1", "1.2.3"] {
            let wanted = Wanted { after: Some(after), limit: 1 };
            let found = hub.page(&PLUGIN.into(), &whom, wanted).map(|page| page.next);
            assert_eq!(found, Err(NoPlace), "{whom:?} {after}");
        }
        let none = if whom == Whom::Everybody { "9999.0" } else { "0" };
        page(&hub, &whom, Some(none), 0);
    }
}

#[test]
fn users_count_once_at_however_many_endpoints_they_are() {
    let hub = granted();
    let rights = |endpoints: [bool; 2]| Rights {
        endpoints: endpoints.iter().map(|own| own.then(|| "/ws".into())).collect(),
        ..Rights::default()
    };
    let plugins = [("one", [true, false]), ("two", [false, true]), ("both", [true, true])];
    hub.set_rights(plugins.map(|(name, own)| (name.into(), rights(own))).into());
    let check = |expected: [(usize, usize); 3]| {
        let totals = plugins.map(|(name, _)| hub.totals(&name.into()));
        assert_eq!(totals.map(|it| (it.connections, it.users)), expected);
    };
    let ann = [0, 0, 1].map(|endpoint| connect(&hub, endpoint, Some("ann")));
    let bob = connect(&hub, 1, Some("bob"));
    connect(&hub, 1, None);
    check([(2, 1), (3, 2), (5, 2)]);
    hub.close(&ann[0], &Reason::Lost);
    check([(1, 1), (3, 2), (4, 2)]);
    hub.close(&ann[1], &Reason::Lost);
    check([(0, 0), (3, 2), (3, 2)]);
    hub.close(&bob, &Reason::Lost);
    hub.close(&ann[2], &Reason::Lost);
    check([(0, 0), (1, 0), (1, 0)]);
}

#[test]
fn nobody_is_here_before_there_is_a_hub() {
    let reception = Reception::default();
    let everybody = Wanted { after: None, limit: 10 };
    let page = |reception: &Reception| {
        reception.page(&PLUGIN.into(), &Whom::Everybody, everybody).unwrap().connections.len()
    };
    assert_eq!((page(&reception), reception.members(&"tea".into())), (0, 0));
    let hub = Arc::new(granted());
    connect(&hub, 0, Some("ann"));
    reception.open(&hub);
    assert_eq!((page(&reception), reception.totals(&PLUGIN.into()).users), (1, 1));
    drop(hub);
    assert_eq!(page(&reception), 0, "it does not keep the hub alive");
}
