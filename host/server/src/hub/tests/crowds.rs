//! Many connections: nothing that one of them does keeps the others waiting.

use super::*;
use std::thread;
use tengen_wire::dialect::{Arrived, Asked};

fn all_grants() -> Grants {
    let all = || vec![Pattern("*".into())];
    Grants { publish: all(), push: all(), endpoint: true, ..Grants::default() }
}

/// How long it takes until they have all gone.
fn time_to_close(hub: &Hub, links: &[Arc<Link>]) -> Duration {
    let began = Instant::now();
    links.iter().for_each(|link| hub.close(link, &Reason::Lost));
    began.elapsed()
}

#[test]
fn a_users_connection_goes_as_quickly_among_thousands() {
    const COUNT: usize = 20_000;
    let hub = hub(all_grants());
    let strangers: Vec<_> =
        (0..COUNT).map(|number| connect(&hub, 0, Some(&number.to_string()))).collect();
    let apart = time_to_close(&hub, &strangers);
    let crowd: Vec<_> = (0..COUNT).map(|_| connect(&hub, 0, Some("ann"))).collect();
    let together = time_to_close(&hub, &crowd);
    assert!(together < 10 * apart, "{together:?} for one user's, {apart:?} for strangers'");
    assert!(hub.is_empty() && hub.read_tables().of_user("ann").next().is_none());
}

#[test]
fn a_push_reaches_those_of_a_users_connections_that_are_left() {
    let hub = hub(all_grants());
    let mut links: Vec<_> = (0..4).map(|_| connect(&hub, 0, Some("ann"))).collect();
    let other = connect(&hub, 0, Some("bob"));
    while let Some(gone) = links.pop() {
        hub.close(&gone, &Reason::Lost);
        assert_eq!(act(&hub, &other, push(Target::User("ann".into()), None)), Ok(()));
        assert!(links.iter().all(|link| frames(link) == [PUSHED]), "{} are left", links.len());
        assert!(frames(&gone).is_empty());
    }
}

#[test]
fn an_endpoint_is_all_of_its_connections() {
    let hub = hub(all_grants());
    let links: Vec<_> = (0..200).map(|_| connect(&hub, 0, None)).collect();
    let elsewhere = connect(&hub, 1, None);
    assert_eq!(act(&hub, &links[0], push(Target::Endpoint("/ws".into()), None)), Ok(()));
    assert!(links.iter().all(|link| frames(link) == [PUSHED]));
    assert!(frames(&elsewhere).is_empty());
    assert_eq!(hub.connections_of(&PLUGIN.into()).len(), 200);
    assert_eq!(hub.begin_drain().len(), 201);
}

// A publication to many took the lock of all tables, then that of its channel, and whoever came or went waited for it.
#[test]
fn who_comes_or_goes_waits_for_no_publication_however_long_it_takes() {
    let hub = hub(all_grants());
    let (ann, bob) = (connect(&hub, 0, None), connect(&hub, 0, None));
    let (room, other) = (Channel::from("room/1"), Channel::from("room/2"));
    for link in [&ann, &bob] {
        hub.subscribe(link, &room).unwrap();
    }
    let open = hub.channels.find(&room).expect("it has two members");
    let publishing = open.line();
    // Would any of these wait, the test would not end.
    let late = connect(&hub, 0, None);
    hub.subscribe(&late, &room).unwrap();
    assert!(hub.unsubscribe(&bob, &room));
    hub.close(&ann, &Reason::Lost);
    hub.subscribe(&late, &other).unwrap();
    assert_eq!(hub.channels(), 2);
    assert_eq!(act(&hub, &late, publish("room/2", None)), Ok(()), "another channel is free");
    drop(publishing);
    let left: Vec<_> = open.members().iter().map(|member| member.handle).collect();
    assert_eq!(left, [late.facts.handle]);
}

#[test]
fn channels_are_looked_up_without_the_tables() {
    let hub = hub(all_grants());
    let link = connect(&hub, 0, None);
    let tables = hub.write_tables();
    // Would any of these wait, the test would not end.
    hub.subscribe(&link, &"room/1".into()).unwrap();
    assert_eq!(act(&hub, &link, publish("room/1", None)), Ok(()));
    assert_eq!((frames(&link).len(), hub.channels()), (1, 1));
    assert!(hub.unsubscribe(&link, &"room/1".into()));
    drop(tables);
}

#[test]
fn subscribing_and_leaving_at_once_comes_to_what_the_connection_thinks() {
    let hub = Arc::new(hub(all_grants()));
    let (ann, keeper) = (connect(&hub, 0, None), connect(&hub, 0, None));
    let room = Channel::from("room/1");
    hub.subscribe(&keeper, &room).unwrap();
    let turns = |change: fn(&Hub, &Arc<Link>, &Channel)| {
        let (hub, link, room) = (Arc::clone(&hub), Arc::clone(&ann), room.clone());
        thread::spawn(move || {
            for _ in 0..2000 {
                change(&hub, &link, &room);
            }
        })
    };
    let comes = |hub: &Hub, link: &Arc<Link>, room: &Channel| hub.subscribe(link, room).unwrap();
    let goes = |hub: &Hub, link: &Arc<Link>, room: &Channel| {
        hub.unsubscribe(link, room);
    };
    let threads = [turns(comes), turns(goes), turns(comes)];
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let members = hub.channels.find(&room).expect("one stays").members();
    let is_member = members.iter().any(|member| member.handle == ann.facts.handle);
    assert_eq!(is_member, !ann.subscriptions().is_empty());
    hub.close(&ann, &Reason::Lost);
    hub.close(&keeper, &Reason::Lost);
    assert_eq!(hub.channels(), 0, "every coming and going was counted");
}

/// A Sente client of this user and name, from this address.
fn tab(hub: &Hub, user: Option<&str>, name: &str, last: u8) -> Arc<Link> {
    let user = user.map(|id| User { id: UserId::from(id), claims: Vec::new(), expires_at: None });
    let facts = Connection {
        handle: hub.reserve().unwrap(),
        user,
        peer: ([10, 0, 0, last], 1).into(),
        ..Connection::anybody(0)
    };
    let wire = Wire { dialect: Dialect::Sente, format: Encoding::Edn };
    let link = Link::new(Arc::new(facts), wire, Outbox::default(), Vec::new());
    link.set_client(name.to_owned());
    let link = Arc::new(link);
    hub.open(&link);
    link
}

// B9: who knows an id is not who bears it.
#[test]
fn a_client_comes_back_as_the_same_user_or_from_the_same_address() {
    let hub = hub(Grants::default());
    let (ann, nobody) = (tab(&hub, Some("ann"), "tab", 1), tab(&hub, None, "tab", 1));
    tab(&hub, Some("bob"), "tab", 1);
    tab(&hub, Some("ann"), "other", 1);
    tab(&hub, None, "tab", 2);
    assert!(!ann.is_superseded() && !nobody.is_superseded());
    let (again, nobody_again) = (tab(&hub, Some("ann"), "tab", 9), tab(&hub, None, "tab", 1));
    assert!(ann.is_superseded() && nobody.is_superseded());
    assert!(!again.is_superseded() && !nobody_again.is_superseded());
    assert!([&ann, &nobody].iter().all(|link| !link.is_ending()), "they live while they live");
}

// Brother: what a peer may ask for as often as it likes, with a name of a megabyte.
#[test]
fn a_request_carries_no_long_name_back() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    for asked in [Asked::Unsubscribe, Asked::Subscribe, Asked::Publish] {
        let data = format!(r#"{{"channel":"{}"}}"#, "x".repeat(100_000));
        let arrived = Arrived {
            id: format!("tengen/{}", asked.word()).into(),
            payload: Payload::new(Encoding::Json, data.into_bytes()),
            callback: Some(Callback((*b"\"cb1\"").into())),
            traceparent: None,
            tracestate: None,
        };
        hub.request(&link, asked, arrived, None);
        let answers = frames(&link);
        assert!(answers.len() == 1 && answers[0].len() < 1000, "{} bytes", answers[0].len());
        assert!(answers[0].contains(r#""id":"malformed""#), "{answers:?}");
    }
}
