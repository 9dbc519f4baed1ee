//! What is not carried out: who hears of it, and how it is counted.

use super::*;
use tengen_core::capability::{
    publish::Publish,
    push::{Push, Target},
    reply::Reply,
    timers::{CancelTimer, SetTimer},
};
use tengen_core::effect::Kind;

fn everything() -> Grants {
    let all = vec![Pattern("*".into())];
    Grants { publish: all.clone(), push: all, endpoint: true, ..Grants::default() }
}

/// Carries out one effect that an event of `link` causes: by which key the plugin hears of it, and why.
fn refused(hub: &Hub, link: &Arc<Link>, what: Effect) -> Option<(Kind, Option<String>, Fault)> {
    let outcome = Outcome::of(vec![Caused { by: 0, what, key: Some("k".into()) }]);
    let mut work = carry_out(hub, PLUGIN, &[event(link, None)], outcome);
    let told = work.take_told().into_iter().find_map(|refused| refused.key);
    work.tallies().first().map(|tally| (tally.kind, told, tally.why.clone()))
}

#[test]
fn a_refused_subscription_comes_back_under_its_key() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    let (kind, key, why) = refused(&hub, &link, subscribe(&link, "room/1")).unwrap();
    assert_eq!((kind, key.as_deref(), why.id), (Kind::Subscribe, Some("k"), FaultId::NotAllowed));
    let refused = hub.meter.counts(Metric::RefusedEffects);
    assert_eq!(refused, [(vec!["subscribe".into(), "not-allowed".into()], 1)]);
}

#[test]
fn a_refused_timer_comes_back_under_its_key() {
    let hub = hub(everything());
    let link = connect(&hub, 0, None);
    let key = || "tick".to_owned();
    let others = Some(connect(&hub, 1, None).facts.handle);
    let set = Effect::SetTimer(SetTimer {
        connection: others,
        key: key(),
        after: Duration::from_secs(1),
    });
    let cancel = Effect::CancelTimer(CancelTimer { connection: others, key: key() });
    for (what, expected) in [(set, Kind::SetTimer), (cancel, Kind::CancelTimer)] {
        let (kind, told, why) = refused(&hub, &link, what).unwrap();
        assert_eq!((kind, told, why.id), (expected, Some("k".to_owned()), FaultId::NotAllowed));
    }
}

#[test]
fn a_publication_that_nothing_keeps_is_delivered_and_said_not_to_be_kept() {
    let hub = hub(everything());
    let link = connect(&hub, 0, None);
    assert_eq!(act(&hub, &link, subscribe(&link, "room/1")), Ok(()));
    let Effect::Publish(Publish { channel, id, content, except, .. }) = publish("room/1", None)
    else {
        unreachable!()
    };
    let keep = Effect::Publish(Publish { channel, id, content, except, keep: true });
    let (kind, key, why) = refused(&hub, &link, keep).unwrap();
    assert_eq!((kind, key.as_deref(), why.id), (Kind::Keep, Some("k"), FaultId::Unsupported));
    assert_eq!(frames(&link).len(), 1, "it is delivered all the same");
}

#[test]
fn a_value_that_a_receivers_format_cannot_hold_is_told_to_whoever_sent_it() {
    let hub = hub(everything());
    let json = connect(&hub, 0, None);
    let edn = connect_as(&hub, Wire { dialect: Dialect::Sente, format: Encoding::Edn });
    let value = || Content::Payload(Payload::new(Encoding::Edn, &b"{[1] 2}"[..]));
    let push = |to| Effect::Push(Push { to, except: None, id: "a/b".into(), content: value() });
    let both = Target::Connections(vec![json.facts.handle, edn.facts.handle]);
    let (_, key, why) = refused(&hub, &json, push(both)).unwrap();
    assert_eq!((key.as_deref(), why.id), (Some("k"), FaultId::Unsupported));
    assert!(why.message.starts_with("1 of 2 receivers did not get it"), "{}", why.message);
    assert_eq!((frames(&json).len(), frames(&edn).len()), (0, 1));
    let (_, _, why) = refused(&hub, &json, push(Target::Connection(json.facts.handle))).unwrap();
    assert!(why.message.contains("JSON has no map key"), "{}", why.message);
}

#[test]
fn a_reply_that_cannot_be_sent_is_answered_and_counted() {
    let hub = hub(everything());
    let link = connect(&hub, 0, None);
    let unfit = [
        Content::Payload(Payload::new(Encoding::Edn, &b"{[1] 2}"[..])),
        Content::Payload(Payload::new(Encoding::Json, &b"[1"[..])),
        Content::OfEvent(7),
    ];
    for (number, content) in (1..).zip(unfit) {
        let reply_to = expect(&hub, &link, r#""cb1""#);
        let what = Effect::Reply(Reply { reply_to, value: Ok(content) });
        assert!(refused(&hub, &link, what).is_some());
        let answers = frames(&link);
        assert!(answers[0].starts_with(r#"[{"tengen/error":"#), "{answers:?}");
        assert!(answers[0].ends_with(r#""cb1"]"#) && answers.len() == 1, "{answers:?}");
        assert_eq!((hub.open_replies(), hub.meter.sum(Metric::RefusedEffects)), (0, number));
    }
}

#[test]
fn channels_of_an_admission_over_the_limit_are_counted() {
    let hub = hub(Grants::default());
    let channels = ["a", "b", "c", "d", "e"].map(Into::into).to_vec();
    let facts = Arc::new(Connection::anybody(hub.reserve().unwrap().0));
    let wire = Wire { dialect: Dialect::Tengen, format: Encoding::Json };
    let link = Arc::new(Link::new(facts, wire, Outbox::default(), channels));
    hub.open(&link);
    assert_eq!(link.subscriptions(), ["a".into(), "b".into()]);
    let refused = hub.meter.counts(Metric::RefusedEffects);
    assert_eq!(refused, [(vec!["subscribe".into(), "limit-reached".into()], 3)]);
}

#[test]
fn a_declined_event_is_counted_by_its_reason() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    for id in [FaultId::PluginUnavailable, FaultId::Overloaded, FaultId::PluginUnavailable] {
        let why = Fault::new(id, "not now");
        hub.decline(&PLUGIN.into(), Box::new(Declined { event: event(&link, None), why }));
    }
    let counts = hub.meter.counts(Metric::DeclinedEvents);
    assert_eq!(counts, [(vec!["overloaded".into()], 1), (vec!["plugin-unavailable".into()], 2)]);
    assert_eq!(frames(&link).len(), 3, "and each sender is told");
}

#[test]
fn a_connection_is_closed_by_a_failure_whatever_code_the_plugin_had() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    let why = Fault::application("no", "go away");
    let outcome = Outcome::failed(vec![Failure { by: 0, why, close: Some(1011) }]);
    carry_out(&hub, PLUGIN, &[event(&link, None)], outcome);
    assert_eq!(frames(&link).len(), 1);
    assert!(matches!(left(&link), Left::Close(Reason::Plugin { code: 1011, .. })));
}
