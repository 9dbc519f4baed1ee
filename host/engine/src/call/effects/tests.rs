//! What of a guest's decisions is taken over, and what becomes of the rest.

use super::*;
use crate::guest::bindings::handling::types::Action as Wanted;
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

fn why() -> wit::FaultResult {
    let (id, message) = ("full".to_owned(), "the room is full".to_owned());
    wit::FaultResult { id, message, retry_after_ms: None }
}

fn failed(close: Option<u16>) -> wit::Decision {
    wit::Decision::Failed(wit::Failed { why: why(), close, more: Vec::new() })
}

fn effect(what: Wanted) -> wit::Effect {
    wit::Effect { what, key: None, more: Vec::new() }
}

fn done(answer: wit::Answer, effects: Vec<wit::Effect>) -> wit::Decision {
    wit::Decision::Done(wit::Done { answer, effects, more: Vec::new() })
}

fn cancel() -> wit::Effect {
    effect(Wanted::CancelTimer(wit::TimerName { connection: None, key: "tick".to_owned() }))
}

fn unknown() -> Vec<wit::AttributeResult> {
    vec![wit::AttributeResult { key: "once".to_owned(), value: "7".to_owned() }]
}

fn decided(decisions: Vec<wit::Decision>) -> Decided {
    let events = events(decisions.len());
    decide(decisions, &events, &Numbering::Same, &limits())
}

/// Kind, key and reason of what was refused.
fn refused(decided: &Decided) -> Vec<(Kind, Option<&str>, FaultId)> {
    let refused = decided.refused.iter();
    refused.map(|refused| (refused.kind, refused.key.as_deref(), refused.why.id)).collect()
}

fn push(to: wit::Target, content: wit::Content) -> wit::Effect {
    effect(Wanted::Push(wit::Push { to, exclude: None, id: "a/b".to_owned(), content }))
}

#[test]
fn a_decision_is_about_the_event_at_its_place() {
    let close = |connection| {
        let (code, reason) = (4000, String::new());
        effect(Wanted::Close(wit::Close { connection, code, reason }))
    };
    let decisions = vec![
        done(wit::Answer::Later, vec![close(1), close(2)]),
        failed(None),
        done(wit::Answer::Nothing, vec![close(3)]),
    ];
    let numbering = Numbering::Some(vec![0, 2, 4]);
    let outcome = decide(decisions, &events(5), &numbering, &limits()).outcome;
    let places: Vec<_> = outcome.effects.iter().map(|caused| caused.by).collect();
    let failures: Vec<_> = outcome.failures.iter().map(|failure| failure.by).collect();
    assert_eq!((places, failures, outcome.later), (vec![0, 0, 4], vec![2], vec![0]));
}

#[test]
fn a_forbidden_close_code_of_a_failure_closes_all_the_same_and_is_counted() {
    let decided = decided(vec![failed(Some(1008)), failed(Some(4900))]);
    let codes: Vec<_> = decided.outcome.failures.iter().map(|failure| failure.close).collect();
    assert_eq!(codes, [Some(1011), Some(4900)]);
    assert_eq!(refused(&decided), [(Kind::Failure, None, FaultId::NotAllowed)]);
}

#[test]
fn a_reply_of_nothing_is_a_fault_for_the_caller() {
    let decided = decided(vec![done(wit::Answer::Given(wit::Content::OfEvent(9)), Vec::new())]);
    let [Caused { what: Effect::Reply(Reply { reply_to: 7, value: Err(why) }), .. }] =
        decided.outcome.effects.as_slice()
    else {
        panic!("{decided:?}");
    };
    assert_eq!(why.id, FaultId::PluginFailed);
    assert_eq!(refused(&decided), [(Kind::Reply, None, FaultId::Malformed)]);
}

#[test]
fn the_answer_is_the_first_of_what_is_carried_out() {
    let decided = decided(vec![done(wit::Answer::Fault(why()), vec![cancel()])]);
    let kinds: Vec<_> = decided.outcome.effects.iter().map(|it| it.what.kind()).collect();
    assert_eq!(kinds, [Kind::Reply, Kind::CancelTimer]);
}

#[test]
fn what_a_plugin_wants_beyond_this_version_is_refused_and_not_left_undone_in_silence() {
    let asked = wit::Effect { key: Some("k".to_owned()), more: unknown(), ..cancel() };
    let beside =
        wit::Done { answer: wit::Answer::Nothing, effects: vec![asked, cancel()], more: unknown() };
    let failed = wit::Failed { why: why(), close: None, more: unknown() };
    let decided = decided(vec![wit::Decision::Done(beside), wit::Decision::Failed(failed)]);
    let expected = [
        (Kind::Decision, None, FaultId::Unsupported),
        (Kind::CancelTimer, Some("k"), FaultId::Unsupported),
        (Kind::Failure, None, FaultId::Unsupported),
    ];
    assert_eq!(refused(&decided), expected);
    assert_eq!((decided.outcome.effects.len(), decided.outcome.failures.len()), (1, 1));
}

#[test]
fn a_key_that_is_no_name_refuses_its_effect() {
    let keyed = |key: &str| wit::Effect { key: Some(key.to_owned()), ..cancel() };
    let effects = vec![keyed("a\n"), keyed(""), keyed("good")];
    let decided = decided(vec![done(wit::Answer::Nothing, effects)]);
    let malformed = (Kind::CancelTimer, None, FaultId::Malformed);
    assert_eq!(refused(&decided), [malformed, malformed]);
    let keys = decided.outcome.effects.iter().map(|caused| caused.key.as_deref());
    assert_eq!(keys.collect::<Vec<_>>(), [Some("good")]);
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused_alone() {
    let push = |bytes: &[u8]| {
        let body = wit::BodyResult::Bytes(bytes.to_vec());
        let payload = wit::PayloadResult { encoding: wit::Encoding::Json, body };
        push(wit::Target::Connection(1), wit::Content::Payload(payload))
    };
    let decisions = vec![
        done(wit::Answer::Nothing, vec![push(b"\"\xff\"")]),
        done(wit::Answer::Nothing, vec![push("\"é\"".as_bytes())]),
    ];
    let tasks = tokio_util::task::TaskTracker::new();
    let read = crate::call::contents::read(decided(decisions), &tasks).await;
    assert_eq!(refused(&read), [(Kind::Push, None, FaultId::Malformed)]);
    let places: Vec<_> = read.outcome.effects.iter().map(|caused| caused.by).collect();
    assert_eq!(places, [1]);
}

#[test]
fn a_long_list_of_users_counts_however_short_their_names_are() {
    let push = |users: usize| {
        let to = wit::Target::Users(vec!["a".to_owned(); users]);
        let effects = vec![push(to, wit::Content::OfEvent(0))];
        decided(vec![done(wit::Answer::Nothing, effects)]).outcome
    };
    assert_eq!(push(100_000).failures, []);
    let many = push(200_000);
    assert_eq!(many.failures.first().map(|failure| failure.why.id), Some(FaultId::LimitReached));
    assert_eq!(many.effects, []);
}

#[test]
fn an_event_that_causes_too_much_fails_once_and_the_next_one_begins_anew() {
    let much = done(wit::Answer::Nothing, (0..5000).map(|_| cancel()).collect());
    let outcome = decided(vec![much, done(wit::Answer::Nothing, vec![cancel()])]).outcome;
    let failures: Vec<_> = outcome.failures.iter().map(|it| (it.by, it.why.id)).collect();
    assert_eq!(failures, [(0, FaultId::LimitReached)]);
    assert_eq!(outcome.effects.iter().filter(|caused| caused.by == 1).count(), 1);
}

#[test]
fn many_decisions_are_checked_in_steps_to_the_same_end() {
    let limits = settings::Plugin { effects_per_event: 10_000, ..limits() };
    let decisions = || {
        let effects = (0..10_000).map(|_| cancel()).collect();
        let mut decisions = vec![done(wit::Answer::Nothing, effects)];
        decisions.extend((0..1_000).map(|_| failed(None)));
        decisions
    };
    assert!(is_large(&decisions()));
    let (events, numbering) = (events(1_001), Numbering::Same);
    let at_once = decide(decisions(), &events, &numbering, &limits);
    let mut checking = Steps::new(decisions(), &events, &numbering, &limits);
    let mut steps = 1;
    let in_steps = loop {
        if let Some(decided) = checking.step() {
            break decided;
        }
        steps += 1;
    };
    assert!(steps >= 3, "{steps}");
    assert_eq!(in_steps.outcome, at_once.outcome);
    assert_eq!(in_steps.outcome.failures.len(), 1_000);
}

#[test]
fn data_are_kept_by_names_and_count_with_what_an_event_causes() {
    let change = |key: &str, tag: &str, value: String| {
        let set = vec![wit::AttributeResult { key: key.to_owned(), value }];
        let (unset, untag) = (vec!["old".to_owned()], Vec::new());
        let change =
            wit::DataChange { connection: 1, set, unset, tag: vec![tag.to_owned()], untag };
        effect(Wanted::SetData(change))
    };
    let large = "x".repeat(limits().effect_bytes);
    let decided = decided(vec![
        done(wit::Answer::Nothing, vec![change("room", "red", " any\n".to_owned())]),
        done(wit::Answer::Nothing, vec![change("room", "", String::new())]),
        done(wit::Answer::Nothing, vec![change("", "red", String::new())]),
        done(wit::Answer::Nothing, vec![change("room", "red", large)]),
    ]);
    let [caused] = &decided.outcome.effects[..] else { panic!("{:?}", decided.outcome.effects) };
    let Effect::SetData(taken) = &caused.what else { panic!("{caused:?}") };
    assert_eq!(taken.change.set, [("room".to_owned(), " any\n".to_owned())]);
    assert_eq!((taken.change.tag.len(), taken.change.unset.len()), (1, 1));
    let refused: Vec<_> = decided.refused.iter().map(|it| (it.by, it.why.id)).collect();
    assert_eq!(refused, [(Some(1), FaultId::Malformed), (Some(2), FaultId::Malformed)]);
    let failed: Vec<_> = decided.outcome.failures.iter().map(|it| (it.by, it.why.id)).collect();
    assert_eq!(failed, [(3, FaultId::LimitReached)]);
}
