//! What of a guest's decision is taken over, and what becomes of the rest.

use super::*;
use crate::guest::bindings::handling::types::Effect as Wanted;
use std::{sync::Arc, time::SystemTime};
use tengen_core::{
    capability::reply::Reply,
    effect::Effect,
    event::{Connection, Message},
    trace::Span,
};
use tengen_wire::payload::Encoding;

fn events(count: usize) -> Vec<Event> {
    let event = |_| Event {
        connection: Some(Arc::new(Connection::anybody(1))),
        seq: 1,
        at: SystemTime::UNIX_EPOCH,
        what: Occurrence::Message(Message {
            id: "a/b".into(),
            payload: Payload::new(Encoding::Json, &b"1"[..]),
            reply_to: Some(7),
        }),
        span: Span::none(),
        permit: None,
    };
    (0..count).map(event).collect()
}

fn limits() -> settings::Plugin {
    settings::Plugin::new("x.wasm")
}

fn failed(by: u32, close: Option<u16>) -> wit::Failure {
    let (id, message) = ("full".to_owned(), "the room is full".to_owned());
    wit::Failure { by, why: wit::FaultResult { id, message, retry_after_ms: None }, close }
}

fn decided(effects: Vec<Wanted>, failures: Vec<wit::Failure>) -> Decided {
    let effects = effects.into_iter().map(|what| wit::Caused { by: 0, what }).collect();
    decide(wit::Outcome { effects, failures }, &events(2), &Numbering::Same, &limits())
}

/// Kind, key and reason of what was refused.
fn refused(decided: &Decided) -> Vec<(Kind, Option<&str>, FaultId)> {
    let refused = decided.refused.iter();
    refused.map(|refused| (refused.kind, refused.key.as_deref(), refused.why.id)).collect()
}

#[test]
fn an_event_fails_once() {
    let decided = decided(Vec::new(), vec![failed(0, None), failed(1, None), failed(0, None)]);
    let places: Vec<_> = decided.outcome.failures.iter().map(|failure| failure.by).collect();
    assert_eq!(places, [0, 1]);
    assert_eq!(refused(&decided), [(Kind::Failure, None, FaultId::Malformed)]);
}

#[test]
fn a_forbidden_close_code_of_a_failure_closes_all_the_same_and_is_counted() {
    let decided = decided(Vec::new(), vec![failed(0, Some(1008)), failed(1, Some(4900))]);
    let codes: Vec<_> = decided.outcome.failures.iter().map(|failure| failure.close).collect();
    assert_eq!(codes, [Some(1011), Some(4900)]);
    assert_eq!(refused(&decided), [(Kind::Failure, None, FaultId::NotAllowed)]);
}

#[test]
fn a_reply_of_nothing_is_a_fault_for_the_caller() {
    let reply = wit::Reply { reply_to: 7, value: Ok(wit::Content::OfEvent(9)) };
    let decided = decided(vec![Wanted::Reply(reply)], Vec::new());
    let [Caused { what: Effect::Reply(Reply { reply_to: 7, value: Err(why) }), .. }] =
        decided.outcome.effects.as_slice()
    else {
        panic!("{decided:?}");
    };
    assert_eq!(why.id, FaultId::PluginFailed);
    assert_eq!(refused(&decided), [(Kind::Reply, None, FaultId::Malformed)]);
}

#[test]
fn what_no_event_caused_comes_back_under_its_key() {
    let membership = wit::Membership { connection: 1, channel: "room".to_owned() };
    let timer = wit::Timer { connection: None, key: "tick".to_owned(), after_ms: 10 };
    let wanted = [Wanted::Subscribe(membership), Wanted::SetTimer(timer)];
    let effects = wanted.into_iter().map(|what| wit::Caused { by: 9, what }).collect();
    let outcome = wit::Outcome { effects, failures: Vec::new() };
    let decided = decide(outcome, &events(1), &Numbering::Same, &limits());
    let expected = [
        (Kind::Subscribe, Some("room"), FaultId::Malformed),
        (Kind::SetTimer, Some("tick"), FaultId::Malformed),
    ];
    assert_eq!(refused(&decided), expected);
}

#[test]
fn a_long_list_of_users_counts_however_short_their_names_are() {
    let push = |users: usize| {
        let users = vec!["a".to_owned(); users];
        Wanted::Push(wit::Push {
            to: wit::Target::Users(users),
            except: None,
            id: "a/b".to_owned(),
            content: wit::Content::OfEvent(0),
            key: Some("all".to_owned()),
        })
    };
    assert_eq!(decided(vec![push(100_000)], Vec::new()).outcome.failures, []);
    let many = decided(vec![push(200_000)], Vec::new()).outcome;
    assert_eq!(many.failures.first().map(|failure| failure.why.id), Some(FaultId::LimitReached));
    assert_eq!(many.effects, []);
}

#[test]
fn a_large_outcome_is_checked_in_steps_to_the_same_end() {
    let limits = settings::Plugin { effects_per_event: 10_000, ..limits() };
    let outcome = || wit::Outcome {
        effects: (0..10_000)
            .map(|_| wit::Caused {
                by: 0,
                what: Wanted::CancelTimer(wit::TimerName {
                    connection: None,
                    key: "tick".to_owned(),
                }),
            })
            .collect(),
        failures: (0..5_000).map(|_| failed(1, None)).collect(),
    };
    assert!(is_large(&outcome()));
    let (events, numbering) = (events(2), Numbering::Same);
    let at_once = decide(outcome(), &events, &numbering, &limits);
    let mut checking = Steps::new(outcome(), &events, &numbering, &limits);
    let mut steps = 1;
    let in_steps = loop {
        if let Some(decided) = checking.step() {
            break decided;
        }
        steps += 1;
    };
    assert!(steps >= 3, "{steps}");
    assert_eq!(in_steps.outcome, at_once.outcome);
    assert_eq!(in_steps.refused.len(), 4_999);
}
