//! Positions, and who gets what while publications are under way.

use super::{steps::*, *};
use tengen_core::broker::{Broker, Log, Position, Published};
use tengen_wire::dialect::{Arrived, Asked};

/// A broker that counts all channels together, as one that keeps them in one stream does.
#[derive(Debug, Default)]
struct Stream(Arc<AtomicU64>);

#[derive(Debug)]
struct Part {
    all: Arc<AtomicU64>,
    last: AtomicU64,
}

impl Broker for Stream {
    fn subscribe(&self, _: &Channel) -> Arc<dyn Log> {
        Arc::new(Part { all: Arc::clone(&self.0), last: AtomicU64::new(0) })
    }

    fn unsubscribe(&self, _: &Channel) {}

    fn publish(&self, _: &Channel) -> Position {
        let offset = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        Position { epoch: "stream".into(), offset }
    }
}

impl Log for Part {
    fn publish(&self) -> Published {
        let offset = self.all.fetch_add(1, Ordering::Relaxed) + 1;
        Published { offset, prev: self.last.swap(offset, Ordering::Relaxed) }
    }

    fn position(&self) -> Position {
        Position { epoch: "stream".into(), offset: self.last.load(Ordering::Relaxed) }
    }
}

/// What follows the offset in a publication.
fn offsets_and_prevs(link: &Link) -> Vec<String> {
    let of = |frame: String| {
        let (_, rest) = frame.split_once(r#""offset":"#).unwrap();
        rest.split_once('}').unwrap().0.to_owned()
    };
    frames(link).into_iter().map(of).collect()
}

#[test]
fn a_publication_names_the_one_before_it_where_that_is_not_one_less() {
    let all = || vec![Pattern("*".into())];
    let hub = hub(Grants { publish: all(), ..Grants::default() });
    let hub = hub.with_broker(Arc::new(Stream::default()));
    let rights = Rights {
        grants: Grants { publish: all(), ..Grants::default() },
        endpoints: vec![Some("/ws".into())],
        ..Rights::default()
    };
    hub.set_rights(HashMap::from([(PLUGIN.into(), rights)]));
    let link = connect(&hub, 0, None);
    for room in ["a", "b"] {
        hub.subscribe(&link, &room.into()).unwrap();
    }
    for room in ["a", "a", "b", "nobody's", "a"] {
        assert_eq!(super::act(&hub, &link, publish(room, None)), Ok(()));
    }
    assert_eq!(offsets_and_prevs(&link), ["1", "2", "3,\"prev\":0", "5,\"prev\":2"]);
}

/// What a client is told that asks for the subscription that it has.
fn ask(hub: &Hub, link: &Arc<Link>, data: &str) -> String {
    let arrived = Arrived {
        id: "tengen/subscribe".into(),
        payload: Payload::new(Encoding::Json, data.as_bytes().to_vec()),
        callback: Some(Callback((*b"\"cb\"").into())),
        traceparent: None,
        tracestate: None,
    };
    hub.request(link, Asked::Subscribe, arrived, None);
    frames(link).pop().expect("it is answered")
}

fn offset_of(answer: &str) -> u64 {
    let (_, rest) = answer.split_once(r#""offset":"#).unwrap_or_else(|| panic!("{answer}"));
    rest.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
}

fn epoch_of(answer: &str) -> String {
    let (_, rest) = answer.split_once(r#""epoch":""#).unwrap_or_else(|| panic!("{answer}"));
    rest.split_once('"').unwrap().0.to_owned()
}

#[test]
fn a_channel_keeps_its_position_when_its_last_subscriber_has_gone() {
    let hub = hub_of_channels();
    let (ann, bob) = (connect(&hub, 0, None), connect(&hub, 0, None));
    hub.subscribe(&ann, &"room".into()).unwrap();
    assert_eq!(super::act(&hub, &ann, publish("room", None)), Ok(()));
    let before = ask(&hub, &ann, r#"{"channel":"room"}"#);
    assert!(before.contains(r#""recovered":null"#) && before.ends_with(r#","cb"]"#), "{before}");
    hub.close(&ann, &Reason::Lost);
    assert_eq!(super::act(&hub, &bob, publish("room", None)), Ok(()), "nobody is there");
    hub.subscribe(&bob, &"room".into()).unwrap();
    let after = ask(&hub, &bob, r#"{"channel":"room","since":{"epoch":"x","offset":1}}"#);
    assert!(after.contains(r#""recovered":false"#), "without a history: {after}");
    assert_eq!((offset_of(&before), offset_of(&after)), (1, 2), "one was missed, and that is seen");
    assert_eq!(epoch_of(&before), epoch_of(&after));
    assert_eq!(super::act(&hub, &bob, publish("room", None)), Ok(()));
    assert_eq!(offsets_and_prevs(&bob), ["3"]);
}

#[test]
fn who_has_no_subscription_has_to_ask_the_application() {
    let hub = hub_of_channels();
    let link = connect(&hub, 0, None);
    assert!(ask(&hub, &link, r#"{"channel":"room"}"#).contains("not-allowed"));
    connect_and_subscribe(&hub);
    assert!(ask(&hub, &link, r#"{"channel":"room"}"#).contains("not-allowed"));
}

fn connect_and_subscribe(hub: &Hub) -> Arc<Link> {
    let link = connect(hub, 0, None);
    hub.subscribe(&link, &"room".into()).unwrap();
    link
}

/// While publications are under way, each member is told where it is itself: what it gets later has higher numbers, what it
/// has got has not.
#[test]
fn a_position_is_told_between_what_has_come_and_what_comes() {
    let hub = hub_of_channels();
    let links = members(&hub, 9_000);
    let events = [event(&links[0], None)];
    let mut work = publications(2);
    assert_eq!(hub.act(&PLUGIN.into(), &events, &mut work), Progress::More);
    let late = connect_and_subscribe(&hub);
    let (first, last) = (&links[0], &links[8_999]);
    assert_eq!(offset_of(&ask(&hub, first, r#"{"channel":"room"}"#)), 1, "it has it");
    assert_eq!(offset_of(&ask(&hub, last, r#"{"channel":"room"}"#)), 0, "it is on its way");
    assert_eq!(offset_of(&ask(&hub, &late, r#"{"channel":"room"}"#)), 1, "it came after it");
    while hub.act(&PLUGIN.into(), &events, &mut work) == Progress::More {}
    assert_eq!(offsets_and_prevs(first), ["2"]);
    assert_eq!(offsets_and_prevs(last), ["1", "2"]);
    assert_eq!(offsets_and_prevs(&late), ["2"]);
}

/// Whoever leaves and comes back while a publication walks through the members of an earlier moment gets nothing of it.
#[test]
fn who_leaves_and_comes_back_is_not_who_was_there() {
    let hub = hub_of_channels();
    let links = members(&hub, 9_000);
    let events = [event(&links[0], None)];
    let mut work = publications(1);
    assert_eq!(hub.act(&PLUGIN.into(), &events, &mut work), Progress::More);
    let last = &links[8_999];
    assert!(hub.unsubscribe(last, &"room".into()));
    hub.subscribe(last, &"room".into()).unwrap();
    while hub.act(&PLUGIN.into(), &events, &mut work) == Progress::More {}
    assert!(frames(last).is_empty(), "it came after that one");
    assert_eq!(super::act(&hub, last, publish("room", None)), Ok(()));
    assert_eq!(offsets_and_prevs(last), ["2"]);
}

#[test]
fn a_connection_that_has_ended_subscribes_to_nothing_any_more() {
    let hub = hub_of_channels();
    let link = connect(&hub, 0, None);
    hub.close(&link, &Reason::Lost);
    let why = hub.subscribe(&link, &"room".into()).unwrap_err();
    assert_eq!((why.id, hub.channels()), (FaultId::Closed, 0));
}
