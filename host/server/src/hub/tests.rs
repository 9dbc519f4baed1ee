//! Effects against the tables: who may touch what, and who gets it.

use super::*;
use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};
use tengen_core::{
    capability::{
        close::Close,
        publish::Publish,
        push::{Push, Target},
        reply::Reply,
        subscription::{Subscribe, Unsubscribe},
    },
    effect::{Caused, Content, Effect, Failure, Outcome},
    event::{Data, Event, Message, Occurrence, User, Waiting},
    handler::{Actor, Declined, Progress, Work},
    meter::Metric,
    trace::{NoTracer, Span},
};
use tengen_settings::{Outbox, Pattern};
use tengen_wire::{
    dialect::{Callback, Dialect, Wire},
    fault::{Fault, FaultId},
    id::{Channel, ConnectionId, EndpointIndex, UserId},
    payload::{Encoding, Payload},
};

mod asks;
mod channels;
mod clients;
mod data;
mod fetch;
mod here;
mod news;
mod occupancy;
mod refusals;
mod replies;
mod scrapes;
mod steps;
mod timers;
mod timers_model;
mod together;

const PLUGIN: &str = "chat";

/// What the connection's task would have to do.
fn left(link: &Link) -> Left {
    link.drain(|_| ControlFlow::Continue(()))
}

fn hub(grants: Grants) -> Hub {
    let hub = Hub::new(Limits { subscriptions: 2, ..Limits::default() }, Arc::new(NoTracer));
    let rights = Rights { grants, endpoints: vec![Some("/ws".into()), None], ..Rights::default() };
    hub.set_rights(HashMap::from([(PLUGIN.into(), rights)]));
    hub
}

/// A connection on endpoint 0, the plugin's own, or on endpoint 1, somebody else's.
fn connect(hub: &Hub, endpoint: u16, user: Option<&str>) -> Arc<Link> {
    connect_with(hub, endpoint, user, Wire { dialect: Dialect::Tengen, format: Encoding::Json })
}

/// A connection on endpoint 0 that speaks something else.
fn connect_as(hub: &Hub, wire: Wire) -> Arc<Link> {
    connect_with(hub, 0, None, wire)
}

fn connect_with(hub: &Hub, endpoint: u16, user: Option<&str>, wire: Wire) -> Arc<Link> {
    connect_at(hub, hub.reserve().unwrap(), endpoint, user, wire)
}

fn connect_at(
    hub: &Hub,
    handle: Handle,
    endpoint: u16,
    user: Option<&str>,
    wire: Wire,
) -> Arc<Link> {
    let user = user.map(|id| User { id: UserId::from(id), claims: Vec::new(), expires_at: None });
    let facts = Arc::new(Connection {
        handle,
        id: ConnectionId::from_bytes([0; 16]),
        user,
        endpoint: "/ws".into(),
        endpoint_index: EndpointIndex(endpoint),
        peer: ([127, 0, 0, 1], 1).into(),
        dialect: "tengen",
        more: Vec::new(),
        upgrade: None,
        waiting: Waiting::default(),
        data: Data::default(),
    });
    let link = Arc::new(Link::new(facts, wire, Outbox::default(), Vec::new()));
    hub.open(&link);
    link
}

fn frames(link: &Link) -> Vec<String> {
    let mut frames = Vec::new();
    link.drain(|item| {
        frames.push(String::from_utf8_lossy(&item.frame.body).into_owned());
        ControlFlow::Continue(())
    });
    frames
}

fn event(link: &Arc<Link>, reply_to: Option<u32>) -> Event {
    let payload = Payload::new(Encoding::Json, &b"7"[..]);
    Event {
        connection: Some(Arc::clone(&link.facts)),
        seq: 1,
        at: SystemTime::UNIX_EPOCH,
        what: Occurrence::Message(Message { id: "a/b".into(), payload, reply_to }),
        span: Span::none(),
        permit: None,
    }
}

fn push(to: Target, except: Option<Handle>) -> Effect {
    Effect::Push(Push { to, except, id: "a/b".into(), content: Content::OfEvent(0) })
}

/// Carries out one effect caused by an event of `link`; the fault when it was refused.
fn act(hub: &Hub, link: &Arc<Link>, what: Effect) -> Result<(), FaultId> {
    let outcome = Outcome::of(vec![Caused::new(0, what)]);
    let work = carry_out(hub, PLUGIN, &[event(link, None)], outcome);
    match work.tallies() {
        [] => Ok(()),
        [tally] => Err(tally.why.id),
        several => panic!("one effect, refused more than once: {several:?}"),
    }
}

/// Carries out an outcome to its end.
fn carry_out(hub: &Hub, plugin: &str, events: &[Event], outcome: Outcome) -> Work {
    let mut work = Work::new(outcome, events.len());
    while hub.act(&plugin.into(), events, &mut work) == Progress::More {}
    work
}

const PUSHED: &str = r#"[[["a/b",7]],null]"#;

#[test]
fn a_plugin_reaches_its_own_connections_and_no_others() {
    let hub = hub(Grants::default());
    let (own, foreign) = (connect(&hub, 0, None), connect(&hub, 1, None));
    let both = vec![own.facts.handle, foreign.facts.handle];
    assert_eq!(act(&hub, &own, push(Target::Connection(own.facts.handle), None)), Ok(()));
    assert_eq!(frames(&own), [PUSHED]);
    for target in [Target::Connection(foreign.facts.handle), Target::Connections(both)] {
        assert_eq!(act(&hub, &own, push(target, None)), Err(FaultId::NotAllowed));
    }
    let gone = Target::Connection(Handle(4711));
    assert_eq!(act(&hub, &own, push(gone, None)), Err(FaultId::Closed));
    assert!(frames(&own).is_empty() && frames(&foreign).is_empty());
    assert_eq!(hub.meter.sum(Metric::RefusedEffects), 3);
}

#[test]
fn a_plugin_changes_nothing_of_connections_that_are_not_its_own() {
    let hub = hub(Grants { publish: vec![Pattern("*".into())], ..Grants::default() });
    let (own, foreign) = (connect(&hub, 0, None), connect(&hub, 1, None));
    let connection = foreign.facts.handle;
    let worst = [
        Effect::Subscribe(Subscribe { connection, channel: Channel::new("tea") }),
        Effect::Unsubscribe(Unsubscribe { connection, channel: Channel::new("tea") }),
        Effect::Close(Close { connection, code: 3000, reason: String::new() }),
    ];
    let effects = worst.into_iter().map(|what| Caused::new(0, what)).collect();
    let outcome = Outcome::of(effects);
    carry_out(&hub, PLUGIN, &[event(&own, None)], outcome);
    assert_eq!(hub.meter.sum(Metric::RefusedEffects), 3);
    assert!(foreign.subscriptions().is_empty());
    assert!(!matches!(left(&foreign), Left::Close(_)), "it stays open");
}

#[test]
fn users_and_the_endpoint_need_a_grant() {
    let bare = hub(Grants::default());
    let own = connect(&bare, 0, Some("ann"));
    for target in [
        Target::User("ann".into()),
        Target::Users(vec!["ann".into()]),
        Target::Endpoint("/ws".into()),
    ] {
        assert_eq!(act(&bare, &own, push(target, None)), Err(FaultId::NotAllowed));
    }

    let push_a = Grants { push: vec![Pattern("a*".into())], endpoint: true, ..Grants::default() };
    let hub = hub(push_a);
    let (one, two) = (connect(&hub, 0, Some("ann")), connect(&hub, 1, Some("ann")));
    let bob = connect(&hub, 0, Some("bob"));
    assert_eq!(act(&hub, &one, push(Target::User("ann".into()), None)), Ok(()));
    assert_eq!((frames(&one).len(), frames(&two).len(), frames(&bob).len()), (1, 1, 0));
    let mixed = Target::Users(vec!["ann".into(), "bob".into()]);
    assert_eq!(act(&hub, &one, push(mixed, None)), Err(FaultId::NotAllowed));
    assert_eq!(
        act(&hub, &one, push(Target::Endpoint("/ws".into()), Some(one.facts.handle))),
        Ok(())
    );
    assert_eq!((frames(&one).len(), frames(&two).len(), frames(&bob).len()), (0, 0, 1));
    let elsewhere = push(Target::Endpoint("/elsewhere".into()), None);
    assert_eq!(act(&hub, &one, elsewhere), Err(FaultId::NotAllowed), "it is not the plugin's");
}

#[test]
fn a_connection_that_a_list_names_again_and_again_gets_one() {
    let hub = hub(Grants { push: vec![Pattern("*".into())], ..Grants::default() });
    let (one, two) = (connect(&hub, 0, Some("ann")), connect(&hub, 0, Some("ann")));
    let bob = connect(&hub, 0, Some("bob"));
    let users = ["ann", "bob", "ann", "ann"].map(Into::into).to_vec();
    assert_eq!(act(&hub, &one, push(Target::Users(users), None)), Ok(()));
    assert_eq!((frames(&one).len(), frames(&two).len(), frames(&bob).len()), (1, 1, 1));
    let handles = vec![one.facts.handle, bob.facts.handle, one.facts.handle];
    assert_eq!(act(&hub, &one, push(Target::Connections(handles), None)), Ok(()));
    assert_eq!((frames(&one).len(), frames(&two).len(), frames(&bob).len()), (1, 0, 1));
}

fn subscribe(link: &Link, channel: &str) -> Effect {
    Effect::Subscribe(Subscribe { connection: link.facts.handle, channel: channel.into() })
}

fn publish(channel: &str, except: Option<Handle>) -> Effect {
    let (channel, id) = (channel.into(), "a/said".into());
    let content = Content::OfEvent(0);
    Effect::Publish(Publish { channel, id, content, except, keep: false })
}

#[test]
fn a_publication_reaches_the_subscribers_in_the_order_of_its_offsets() {
    let hub = hub(Grants { publish: vec![Pattern("room/*".into())], ..Grants::default() });
    let (ann, bob) = (connect(&hub, 0, None), connect(&hub, 0, None));
    for link in [&ann, &bob] {
        assert_eq!(act(&hub, link, subscribe(link, "room/1")), Ok(()));
    }
    assert_eq!(act(&hub, &ann, publish("room/1", None)), Ok(()));
    assert_eq!(act(&hub, &ann, publish("room/1", Some(ann.facts.handle))), Ok(()));
    assert_eq!(act(&hub, &ann, publish("secret/1", None)), Err(FaultId::NotAllowed));
    let (of_ann, of_bob) = (frames(&ann), frames(&bob));
    assert_eq!((of_ann.len(), of_bob.len()), (1, 2));
    assert!(
        of_bob[0].contains(r#""offset":1"#) && of_bob[1].contains(r#""offset":2"#),
        "{of_bob:?}"
    );

    act(
        &hub,
        &bob,
        Effect::Unsubscribe(Unsubscribe { connection: bob.facts.handle, channel: "room/1".into() }),
    )
    .unwrap();
    assert_eq!(act(&hub, &ann, publish("room/1", None)), Ok(()));
    assert!(frames(&bob).is_empty());
    hub.close(&ann, &Reason::Lost);
    assert_eq!(hub.channels(), 0, "subscriptions end with their connection");
}

#[test]
fn subscriptions_of_a_connection_are_bounded() {
    let hub = hub(Grants { publish: vec![Pattern("*".into())], ..Grants::default() });
    let link = connect(&hub, 0, None);
    for channel in ["a", "b", "b"] {
        assert_eq!(act(&hub, &link, subscribe(&link, channel)), Ok(()));
    }
    for channel in ["c", "d"] {
        assert_eq!(act(&hub, &link, subscribe(&link, channel)), Err(FaultId::LimitReached));
    }
    assert_eq!(link.subscriptions(), ["a".into(), "b".into()]);
    assert_eq!(hub.meter.sum(Metric::RefusedEffects), 2);
}

fn expect(hub: &Hub, link: &Arc<Link>, callback: &'static str) -> u32 {
    let callback = Callback(callback.as_bytes().into());
    let expected = Expected::new(Arc::clone(link), callback, "a/b".into());
    hub.expect_reply(Box::new(expected), &PLUGIN.into(), Instant::now()).unwrap()
}

fn reply(hub: &Hub, plugin: &str, link: &Arc<Link>, reply_to: u32) {
    let what = Effect::Reply(Reply { reply_to, value: Ok(Content::OfEvent(0)) });
    let outcome = Outcome::of(vec![Caused::new(0, what)]);
    carry_out(hub, plugin, &[event(link, None)], outcome);
}

#[test]
fn a_reply_is_given_once_and_by_the_plugin_that_was_asked() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    let first = expect(&hub, &link, r#""cb1""#);
    reply(&hub, "other", &link, first);
    assert!(frames(&link).is_empty());
    reply(&hub, PLUGIN, &link, first);
    reply(&hub, PLUGIN, &link, first);
    assert_eq!(frames(&link), [r#"[7,"cb1"]"#]);
    let second = expect(&hub, &link, r#""cb2""#);
    assert_ne!(first, second, "a number that was used means nothing any more");
    reply(&hub, PLUGIN, &link, first);
    assert!(frames(&link).is_empty());
    assert_eq!(hub.meter.sum(Metric::StrayReplies), 3);
}

#[test]
fn a_caller_that_nobody_answers_is_told_so_in_time() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    let number = expect(&hub, &link, r#""cb1""#);
    hub.expire_replies(Instant::now() + Duration::from_secs(29));
    assert!(frames(&link).is_empty());
    hub.expire_replies(Instant::now() + Duration::from_secs(31));
    let answers = frames(&link);
    assert!(
        answers[0].contains(r#""id":"timeout""#) && answers[0].ends_with(r#""cb1"]"#),
        "{answers:?}"
    );
    reply(&hub, PLUGIN, &link, number);
    assert!(frames(&link).is_empty(), "the late reply goes nowhere");
}

#[test]
fn effects_of_a_failed_event_are_discarded_and_its_sender_is_told() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    let number = expect(&hub, &link, r#""cb1""#);
    let effect = |by| Caused::new(by, push(Target::Connection(link.facts.handle), None));
    let why = Fault::application("full", "the room is full");
    let outcome = Outcome {
        effects: vec![effect(0), effect(1)],
        failures: vec![Failure { by: 0, why, close: Some(4900) }],
        ..Outcome::default()
    };
    carry_out(&hub, PLUGIN, &[event(&link, Some(number)), event(&link, None)], outcome);
    let seen = frames(&link);
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0], PUSHED, "the other event's effect stands");
    assert!(
        seen[1].contains(r#""id":"application""#) && seen[1].contains(r#""code":"full""#),
        "{seen:?}"
    );
    assert!(matches!(left(&link), Left::Close(Reason::Plugin { code: 4900, .. })));
}

#[test]
fn a_plugin_closes_with_codes_of_its_own_range_only() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    for code in [1001, 1012, 2999, 5000] {
        let handle = link.facts.handle;
        let close = Effect::Close(Close { connection: handle, code, reason: "bye".into() });
        assert_eq!(act(&hub, &link, close), Err(FaultId::NotAllowed));
        assert!(matches!(left(&link), Left::Nothing), "{code}");
    }
    act(
        &hub,
        &link,
        Effect::Close(Close { connection: link.facts.handle, code: 3000, reason: "bye".into() }),
    )
    .unwrap();
    assert!(matches!(left(&link), Left::Close(Reason::Plugin { code: 3000, .. })));
}

#[test]
fn a_full_gateway_and_a_draining_one_reserve_nothing() {
    let limits = Limits { connections: std::num::NonZeroUsize::MIN, ..Limits::default() };
    let hub = Hub::new(limits, Arc::new(NoTracer));
    let handle = hub.reserve().unwrap();
    assert_eq!(hub.reserve(), Err(Unwelcome::Full));
    hub.release(handle);
    assert_eq!(
        (hub.reserve(), hub.closing()),
        (Err(Unwelcome::Full), 1),
        "its socket is there still"
    );
    hub.gone();
    assert_eq!(hub.closing(), 0);
    assert_ne!(hub.reserve().unwrap(), handle, "a handle is not used again");
    assert!(hub.begin_drain().is_empty());
    assert_eq!(hub.reserve(), Err(Unwelcome::Draining));
}

mod crowds;
