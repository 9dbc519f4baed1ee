//! Which handlers get an event, and who has the caller's reply.

use super::*;
use crate::hub::Rights;
use std::{collections::HashMap, ops::ControlFlow, sync::Mutex, task::Waker};
use tengen_core::{
    capability::reply::Reply,
    effect::{Caused, Content, Effect, Failure, Outcome},
    event::Connection,
    handler::{Actor as _, Progress, Work},
    routes,
    rules::Rules,
    trace::NoTracer,
};
use tengen_settings::{ChannelName, ChannelRule, Mode, Outbox, Pattern, Route, Who};
use tengen_wire::{
    dialect::{Callback, Dialect, Wire},
    payload::{Encoding, Payload},
};

/// A handler that keeps what it takes.
#[derive(Debug)]
struct Stub {
    name: PluginName,
    wants: Wants,
    /// Why it takes nothing.
    declines: Option<FaultId>,
    taken: Mutex<Vec<Event>>,
    offers: Mutex<u32>,
}

impl Handler for Stub {
    fn wants(&self, _: &str) -> Wants {
        self.wants
    }

    fn offer(&self, event: Event) -> Result<(), Box<Declined>> {
        *self.offers.lock().unwrap() += 1;
        if let Some(id) = self.declines {
            return Err(Box::new(Declined { event, why: Fault::new(id, "not now") }));
        }
        self.taken.lock().unwrap().push(event);
        Ok(())
    }
}

struct Bench {
    hub: Arc<Hub>,
    router: Router,
    source: Source,
    stubs: Vec<Arc<Stub>>,
}

/// Routes in this order, each to a handler of its own: its mode, what it wants, and why it takes nothing.
fn bench(handlers: &[(Mode, Wants, Option<FaultId>)]) -> Bench {
    let limits = Limits::default();
    let room = ChannelRule {
        name: ChannelName::parse("room").unwrap(),
        subscribe: Who::Any,
        publish: Who::Any,
        personal: false,
    };
    let hub = Hub::new(limits, Arc::new(NoTracer)).with_rules(Rules::new(&[room]));
    let hub = Arc::new(hub);
    let (mut routes, mut rights, mut stubs) =
        (routes::Builder::default(), HashMap::new(), Vec::new());
    for (place, (mode, wants, declines)) in handlers.iter().enumerate() {
        let plugin = PluginName::from(format!("p{place}").as_str());
        let stub = Arc::new(Stub {
            name: plugin.clone(),
            wants: *wants,
            declines: *declines,
            taken: Mutex::default(),
            offers: Mutex::default(),
        });
        let handler = Arc::clone(&stub) as Arc<dyn Handler>;
        stubs.push(stub);
        rights.insert(
            plugin.clone(),
            Rights { endpoints: vec![Some("/ws".into())], ..Rights::default() },
        );
        let event = Pattern("*".into());
        let route = Route { event, plugin: plugin.clone(), endpoint: None, mode: *mode };
        routes.push(&route, None, Destination { plugin, handler });
    }
    hub.set_rights(rights);
    let router = Router::new(Arc::clone(&hub), Arc::new(NoTracer), limits);
    router.set_routes(routes.build());
    let facts = Connection { handle: hub.reserve().unwrap(), ..Connection::anybody(0) };
    let wire = Wire { dialect: Dialect::Tengen, format: Encoding::Json };
    let link = Arc::new(Link::new(Arc::new(facts), wire, Outbox::default(), Vec::new()));
    hub.open(&link);
    Bench { hub, router, source: Source::new(link), stubs }
}

fn arrived() -> Arrived {
    Arrived {
        id: "a/b".into(),
        payload: Payload::new(Encoding::Json, &b"7"[..]),
        callback: Some(Callback((*b"\"cb\"").into())),
        traceparent: None,
        tracestate: None,
    }
}

impl Bench {
    fn ask(&mut self) {
        self.send("a/b", b"7");
    }

    fn send(&mut self, id: &str, data: &'static [u8]) {
        let arrived =
            Arrived { id: id.into(), payload: Payload::new(Encoding::Json, data), ..arrived() };
        let table = self.router.table();
        let mut turn = Turn::at(Instant::now(), &table);
        self.router.route(&mut self.source, arrived, &mut turn);
        turn.settle();
    }

    /// What the peer was told meanwhile.
    fn said(&self) -> Vec<String> {
        let mut frames = Vec::new();
        self.source.link.drain(|item| {
            frames.push(String::from_utf8_lossy(&item.frame.body).into_owned());
            ControlFlow::Continue(())
        });
        frames
    }

    fn taken(&self, place: usize) -> Option<Event> {
        self.stubs[place].taken.lock().unwrap().pop()
    }

    fn acts(&self, place: usize, event: Event, outcome: Outcome) {
        let mut work = Work::new(outcome, 1);
        let progress = self.hub.act(&self.stubs[place].name, &[event], &mut work);
        assert_eq!(progress, Progress::Done);
    }

    /// This handler answers what it has.
    fn answers(&self, place: usize) {
        let event = self.taken(place).expect("it has the event");
        let reply_to = event.reply_to().expect("the number to answer by");
        let what = Effect::Reply(Reply { reply_to, value: Ok(Content::OfEvent(0)) });
        let outcome = Outcome::of(vec![Caused::new(0, what)]);
        self.acts(place, event, outcome);
    }

    /// This handler fails at what it has.
    fn fails(&self, place: usize) {
        let mut event = self.taken(place).expect("it has the event");
        let why = Fault::new(FaultId::PluginFailed, "it failed");
        match event.permit.as_mut().and_then(|permit| permit.onward.take()) {
            Some(onward) => onward.go_on(event, why),
            None => {
                let failures = vec![Failure { by: 0, why, close: None }];
                let outcome = Outcome::failed(failures);
                self.acts(place, event, outcome);
            }
        }
    }
}

const ANSWER: &str = r#"[7,"cb"]"#;

#[test]
fn an_event_that_a_plugin_does_not_want_is_answered_by_the_next_and_by_nobody_else() {
    for mode in [Mode::First, Mode::All] {
        let mut bench = bench(&[(mode, Wants::No, None), (mode, Wants::Yes, None)]);
        bench.ask();
        assert!(bench.taken(0).is_none());
        bench.answers(1);
        assert_eq!(bench.said(), [ANSWER]);
    }
    let mut nobody = bench(&[(Mode::All, Wants::No, None), (Mode::First, Wants::No, None)]);
    nobody.ask();
    assert!(matches!(nobody.said().as_slice(), [only] if only.contains("unknown-event")));
}

#[test]
fn who_is_down_and_open_passes_the_event_on() {
    for why in [FaultId::PluginUnavailable, FaultId::PluginFailed] {
        let first = (Mode::First, Wants::OrElse, Some(why));
        let mut bench = bench(&[first, (Mode::First, Wants::Yes, None)]);
        bench.ask();
        bench.answers(1);
        assert_eq!(bench.said(), [ANSWER]);
        assert_eq!(bench.source.link.facts.waiting.events(), 0);
    }
}

#[test]
fn who_is_full_and_open_passes_the_event_on_when_it_has_been_waited_for() {
    let first = (Mode::First, Wants::OrElse, Some(FaultId::Overloaded));
    let mut bench = bench(&[first, (Mode::First, Wants::Yes, None)]);
    bench.ask();
    assert!(bench.source.is_stuck() && bench.taken(1).is_none());
    assert!(bench.router.has_room(&mut bench.source, Waker::noop()));
    bench.router.be_patient(&mut bench.source, false);
    bench.answers(1);
    assert_eq!(bench.said(), [ANSWER]);
}

#[test]
fn who_fails_and_is_closed_ends_it() {
    let first = (Mode::First, Wants::Yes, None);
    let mut bench = bench(&[first, (Mode::First, Wants::Yes, None)]);
    bench.ask();
    bench.fails(0);
    assert!(matches!(bench.said().as_slice(), [only] if only.contains("plugin-failed")));
    assert!(bench.taken(1).is_none());
}

#[test]
fn what_open_plugins_fail_at_goes_from_one_to_the_next_and_the_last_failure_is_told() {
    let open = (Mode::First, Wants::OrElse, None);
    let mut bench = bench(&[open, open, open]);
    bench.ask();
    bench.fails(0);
    bench.fails(1);
    assert!(bench.said().is_empty());
    bench.fails(2);
    assert!(matches!(bench.said().as_slice(), [only] if only.contains("plugin-failed")));
    bench.ask();
    bench.fails(0);
    bench.answers(1);
    assert_eq!(bench.said(), [ANSWER]);
}

#[test]
fn what_goes_on_reaches_all_who_would_have_had_it() {
    let (all, yes) = (Mode::All, Wants::Yes);
    let open = (Mode::First, Wants::OrElse, None);
    let mut bench = bench(&[open, (all, yes, None), (Mode::First, yes, None), (all, yes, None)]);
    bench.ask();
    bench.fails(0);
    assert!(bench.taken(1).is_some() && bench.taken(3).is_none());
    bench.answers(2);
    assert_eq!(bench.said(), [ANSWER]);
}

#[test]
fn of_those_who_all_get_it_an_open_one_fails_without_a_word() {
    let open = (Mode::All, Wants::OrElse, None);
    let mut bench = bench(&[open, (Mode::All, Wants::Yes, None)]);
    bench.ask();
    bench.fails(0);
    assert!(bench.said().is_empty());
    bench.answers(1);
    assert_eq!(bench.said(), [ANSWER]);
    assert_eq!(*bench.stubs[1].offers.lock().unwrap(), 1, "it had the event already");
}

#[test]
fn an_answered_caller_is_told_nothing_else_whatever_the_others_do() {
    let all = (Mode::All, Wants::Yes, None);
    let mut bench = bench(&[all, all]);
    bench.ask();
    bench.answers(1);
    assert_eq!(bench.said(), [ANSWER]);
    bench.fails(0);
    bench.hub.expire_replies(Instant::now() + std::time::Duration::from_secs(60));
    assert!(bench.said().is_empty());
}

#[test]
fn a_turn_borrows_its_handlers_and_counts_nothing_that_all_connections_would() {
    let mut bench = bench(&[(Mode::All, Wants::Yes, None), (Mode::First, Wants::Yes, None)]);
    let held = |bench: &Bench| bench.stubs.iter().map(Arc::strong_count).collect::<Vec<_>>();
    let before = held(&bench);
    let table = bench.router.table();
    let mut turn = Turn::at(Instant::now(), &table);
    bench.router.route(&mut bench.source, arrived(), &mut turn);
    assert_eq!(held(&bench), before);
    turn.settle();
    assert!(bench.taken(0).is_some() && bench.taken(1).is_some());
}

/// A publication needs a place among what waits, and no plugin ever sees one that found none at first.
#[test]
fn a_publication_for_which_there_is_no_place_waits_as_events_do() {
    const SAID: &[u8] = br#"{"channel":"room","id":"chat/said"}"#;
    let mut bench = bench(&[(Mode::First, Wants::Yes, None)]);
    let facts = Arc::clone(&bench.source.link.facts);
    let take = || Permit::take(&facts, 0, 64, 1 << 20);
    let places: Vec<_> = std::iter::from_fn(take).collect();
    bench.send("tengen/publish", SAID);
    assert!(bench.source.is_stuck() && bench.said().is_empty());
    drop(places);
    assert!(bench.router.has_room(&mut bench.source, Waker::noop()));
    let table = bench.router.table();
    let mut turn = Turn::at(Instant::now(), &table);
    bench.router.retry(&mut bench.source, &mut turn);
    turn.settle();
    let said = bench.said();
    assert!(said.len() == 1 && said[0].contains(r#""offset":1"#), "{said:?}");
    assert!(!bench.source.is_stuck() && bench.taken(0).is_none());

    let places: Vec<_> = std::iter::from_fn(take).collect();
    bench.router.be_patient(&mut bench.source, false);
    bench.send("tengen/publish", SAID);
    let said = bench.said();
    assert!(said.len() == 1 && said[0].contains(r#""id":"overloaded""#), "{said:?}");
    // What ends at once needs no place.
    bench.send("tengen/subscribe", br#"{"channel":"room"}"#);
    assert!(bench.said()[0].contains(r#""publications":[]"#));
    drop(places);
}
