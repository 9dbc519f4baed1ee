//! Clients that subscribe and publish by themselves.

use super::{steps::*, *};
use tengen_core::{capability::subscription::Unsubscribe, event::Permit};
use tengen_settings::{ChannelName, ChannelRule, Who};
use tengen_wire::dialect::{Arrived, Asked};

fn rule(name: &str, subscribe: Who, publish: Who) -> ChannelRule {
    let name = ChannelName::parse(name).unwrap();
    ChannelRule { name, subscribe, publish, personal: false }
}

fn hub_with(rules: &[ChannelRule]) -> Hub {
    hub_of_channels().with_rules(Rules::new(rules))
}

fn any(name: &str) -> ChannelRule {
    rule(name, Who::Any, Who::Any)
}

/// What a client asks of the gateway, and all frames that it has got then.
fn ask(hub: &Hub, link: &Arc<Link>, asked: Asked, data: &str) -> Vec<String> {
    let permit = Permit::take(&link.facts, data.len(), 64, 1 << 20);
    let arrived = Arrived {
        id: format!("tengen/{}", asked.word()).into(),
        payload: Payload::new(Encoding::Json, data.to_owned()),
        callback: Some(Callback((*b"\"cb\"").into())),
        traceparent: None,
        tracestate: None,
    };
    hub.request(link, asked, arrived, permit);
    frames(link)
}

const ROOM: &str = r#"{"channel":"room"}"#;
const SAID: &str = r#"{"channel":"room","id":"chat/said","data":1}"#;

#[test]
fn what_a_client_is_told_is_before_what_it_hears() {
    let hub = hub_with(&[any("room")]);
    let (ann, bob) = (connect(&hub, 0, None), connect(&hub, 0, Some("bob")));
    let told = ask(&hub, &ann, Asked::Subscribe, ROOM);
    assert!(told[0].contains(r#""offset":0,"#) && told[0].ends_with(r#","cb"]"#), "{told:?}");
    let place = ask(&hub, &bob, Asked::Publish, SAID);
    assert!(place[0].contains(r#""offset":1"#) && place.len() == 1, "{place:?}");
    let heard = frames(&ann);
    let from = format!(r#""from":{{"user":"bob","connection":"{}"}}"#, bob.facts.id);
    assert!(heard.len() == 1 && heard[0].contains(&from), "{heard:?}");
    let told = ask(&hub, &bob, Asked::Subscribe, ROOM);
    assert!(told[0].contains(r#""offset":1,"#), "{told:?}");
    let again = ask(&hub, &bob, Asked::Subscribe, ROOM);
    assert_eq!(told, again, "twice is as good as once");
    assert_eq!(bob.subscriptions(), ["room".into()]);
}

#[test]
fn who_publishes_hears_it_unless_it_says_otherwise() {
    let hub = hub_with(&[any("room")]);
    let (ann, bob) = (connect(&hub, 0, None), connect(&hub, 0, None));
    for link in [&ann, &bob] {
        ask(&hub, link, Asked::Subscribe, ROOM);
    }
    assert_eq!(ask(&hub, &ann, Asked::Publish, SAID).len(), 2, "its own, and the answer");
    let silent = r#"{"channel":"room","id":"chat/said","data":1,"echo":false}"#;
    assert_eq!(ask(&hub, &ann, Asked::Publish, silent).len(), 1);
    assert_eq!(frames(&bob).len(), 2);
    assert_eq!(ask(&hub, &ann, Asked::Unsubscribe, ROOM).len(), 1);
    assert_eq!(ask(&hub, &ann, Asked::Publish, SAID).len(), 1, "it has left");
}

#[test]
fn what_is_refused_is_told_and_counted() {
    let hub = hub_with(&[
        rule("users", Who::Users, Who::Users),
        rule("user/{user}", Who::Owner, Who::Owner),
        any("room/*"),
    ]);
    let (ann, nobody) = (connect(&hub, 0, Some("ann")), connect(&hub, 0, None));
    let refused = |link: &Arc<Link>, asked, channel: &str, id: &str| {
        let data = format!(r#"{{"channel":"{channel}","id":"a/b"}}"#);
        let told = ask(&hub, link, asked, &data);
        let starts = format!(r#"[{{"tengen/error":{{"id":"{id}""#);
        assert!(told.len() == 1 && told[0].starts_with(&starts), "{channel}: {told:?}");
    };
    for asked in [Asked::Subscribe, Asked::Publish] {
        refused(&nobody, asked, "users", "not-allowed");
        refused(&nobody, asked, "user/ann", "not-allowed");
        refused(&ann, asked, "user/bob", "not-allowed");
        refused(&ann, asked, "hall", "not-allowed");
    }
    for room in ["room/1", "room/2"] {
        assert_eq!(ask(&hub, &ann, Asked::Subscribe, &ROOM.replace("room", room)).len(), 1);
    }
    refused(&ann, Asked::Subscribe, "room/3", "limit-reached");
    refused(&ann, Asked::Unsubscribe, "room/3", "not-found");
    refused(&ann, Asked::History, "room/1", "unsupported");
    let counted = hub.meter.counts(Metric::RefusedRequests);
    let count = |asked: &str, why: &str, count| (vec![asked.to_owned(), why.to_owned()], count);
    assert_eq!(
        counted,
        [
            count("subscribe", "not-allowed", 4),
            count("subscribe", "limit-reached", 1),
            count("unsubscribe", "not-found", 1),
            count("publish", "not-allowed", 4),
            count("history", "unsupported", 1),
        ]
    );
    assert_eq!(hub.channels(), 2, "and nothing else began");
}

/// What a plugin gave, it takes: who may not come in by itself does not come back by asking where it is.
#[test]
fn a_subscription_that_a_plugin_has_ended_is_not_begun_again() {
    let hub = hub_with(&[]);
    let link = connect(&hub, 0, None);
    hub.subscribe(&link, &"room".into()).unwrap();
    assert!(ask(&hub, &link, Asked::Subscribe, ROOM)[0].contains(r#""offset":0"#));
    assert!(hub.unsubscribe(&link, &"room".into()));
    assert!(ask(&hub, &link, Asked::Subscribe, ROOM)[0].contains("not-allowed"));
    assert_eq!(hub.channels(), 0);
}

#[test]
fn a_user_begins_in_the_channels_of_its_own() {
    let own = |name: &str| ChannelRule { personal: true, ..rule(name, Who::Nobody, Who::Nobody) };
    let hub = hub_with(&[own("user/{user}"), own("inbox/{user}")]);
    let (ann, nobody) = (connect(&hub, 0, Some("ann")), connect(&hub, 0, None));
    assert_eq!(ann.subscriptions(), ["inbox/ann".into(), "user/ann".into()]);
    assert!(nobody.subscriptions().is_empty());
    let long = connect(&hub, 0, Some(&"u".repeat(256)));
    assert!(long.subscriptions().is_empty(), "such a channel cannot be named");
    let refused = hub.meter.counts(Metric::RefusedEffects);
    assert_eq!(refused, [(vec!["subscribe".into(), "limit-reached".into()], 2)]);
}

/// The client's own turn is short; what it began goes on for all of them, and takes its place as long as that lasts.
#[test]
fn a_publication_to_many_is_carried_on_in_steps() {
    let hub = hub_with(&[any("room")]);
    let links = members(&hub, 9_000);
    let sender = connect(&hub, 0, None);
    for offset in 1..=2 {
        let place = ask(&hub, &sender, Asked::Publish, SAID);
        assert!(place[0].contains(&format!(r#""offset":{offset}"#)), "{place:?}");
    }
    assert_eq!((hub.meter.sum(Metric::QueuedFrames), sender.facts.waiting.events()), (2, 2));
    let mut steps = 0;
    let mut before = hub.meter.sum(Metric::QueuedFrames);
    while hub.publish_on() {
        let made = hub.meter.sum(Metric::QueuedFrames);
        assert!(made - before <= 4096 + 256, "a step ends after so many");
        (before, steps) = (made, steps + 1);
    }
    assert!(steps >= 2 * 9_000 / 4096, "{steps}");
    assert_eq!(sender.facts.waiting.events(), 0);
    for link in &links {
        let heard = frames(link);
        assert!(heard.len() == 2, "{heard:?}");
        assert!(heard[0].contains(r#""offset":1"#) && heard[1].contains(r#""offset":2"#));
    }
}

/// Between those of a plugin and those of clients there is one order, too, whoever carries them on.
#[test]
fn publications_of_clients_and_of_plugins_have_one_order() {
    let hub = hub_with(&[any("room")]);
    let links = members(&hub, 600);
    let sender = connect(&hub, 0, None);
    ask(&hub, &sender, Asked::Publish, SAID);
    let events = [event(&links[0], None)];
    let mut work = publications(1);
    while hub.act(&PLUGIN.into(), &events, &mut work) == Progress::More {}
    ask(&hub, &sender, Asked::Publish, SAID);
    while hub.publish_on() {}
    for link in &links {
        let heard = frames(link);
        let offset = |place: usize| heard[place].contains(&format!(r#""offset":{}"#, place + 1));
        assert!(heard.len() == 3 && (0..3).all(offset), "{heard:?}");
    }
}

#[test]
fn who_publishes_what_some_cannot_be_told_hears_of_it() {
    let hub = hub_with(&[any("room")]);
    let edn = Wire { dialect: Dialect::Tengen, format: Encoding::Edn };
    let (sender, json) = (connect_as(&hub, edn), connect(&hub, 0, None));
    let other = connect_as(&hub, edn);
    for link in [&json, &other] {
        hub.subscribe(link, &"room".into()).unwrap();
    }
    let arrived = Arrived {
        id: "tengen/publish".into(),
        payload: Payload::new(Encoding::Edn, "{:channel \"room\" :id :a/b :data {[1] 2}}"),
        callback: Some(Callback((*b"\"cb\"").into())),
        traceparent: None,
        tracestate: None,
    };
    hub.request(&sender, Asked::Publish, arrived, None);
    let told = frames(&sender);
    assert!(told[0].contains(":offset 1") && told[0].ends_with(" \"cb\"]"), "{told:?}");
    assert!(told[1].contains(":id \"unsupported\"") && told[1].contains("1 of 2 receivers"));
    assert_eq!((frames(&json).len(), frames(&other).len(), told.len()), (0, 1, 2));
    let counted = hub.meter.counts(Metric::RefusedRequests);
    assert_eq!(counted, [(vec!["publish".into(), "unsupported".into()], 1)]);
}

#[test]
fn a_client_hears_when_the_application_ends_what_it_knows_of() {
    let hub = hub_with(&[any("room")]);
    let (known, unknown) = (connect(&hub, 0, None), connect(&hub, 0, None));
    ask(&hub, &known, Asked::Subscribe, ROOM);
    hub.subscribe(&unknown, &"room".into()).unwrap();
    for link in [&known, &unknown, &known] {
        let (connection, channel) = (link.facts.handle, "room".into());
        assert_eq!(
            act(&hub, link, Effect::Unsubscribe(Unsubscribe { connection, channel })),
            Ok(())
        );
    }
    let told = r#"[[["tengen/unsubscribed",{"channel":"room","reason":"application"}]],null]"#;
    assert_eq!((frames(&known), frames(&unknown)), (vec![told.to_owned()], Vec::new()));
}

/// Peers choose names, and each new one is another channel: what these take counts with who made them, until they are gone.
#[test]
fn channels_count_with_the_memory_of_who_was_the_first_in_them() {
    let hub = hub_with(&[any("room/*")]);
    let (first, second) = (connect(&hub, 0, None), connect(&hub, 0, None));
    let idle = hub.budget.held();
    let rooms = ["room/1", "room/2"].map(|room| format!("{room}{}", "x".repeat(200)));
    let subscribe = |link: &Arc<Link>| {
        for room in &rooms {
            let told = ask(&hub, link, Asked::Subscribe, &ROOM.replace("room", room));
            assert!(told[0].contains("publications"), "{told:?}");
        }
    };
    let held = |link: &Link| link.facts.waiting.holding.bytes();
    let (before, of_second) = (held(&first), held(&second));
    subscribe(&first);
    subscribe(&second);
    assert_eq!(held(&second), of_second, "they were there");
    assert_eq!(first.facts.waiting.channels.bytes(), 2 * (1024 + rooms[0].len()));
    hub.close(&first, &Reason::Lost);
    assert!(first.facts.waiting.channels.bytes() > 0, "as long as somebody is in them");
    hub.close(&second, &Reason::Lost);
    assert_eq!(first.facts.waiting.channels.bytes(), 0);
    assert!(before >= held(&first) && hub.budget.held() < idle);
}
