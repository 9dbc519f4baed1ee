//! Replies: whose place it is, when it ends, and what a caller is told that gets none.

use super::*;
use crate::hub::{link::numbers::OF_A_CONNECTION, replies::OF_A_PLUGIN};
use tengen_core::capability::reply::Reply;

const LATE: Duration = Duration::from_secs(31);

fn expected(link: &Arc<Link>, others: &[&str]) -> Box<Expected> {
    let callback = Callback((*br#""cb""#).into());
    let mut expected = Expected::new(Arc::clone(link), callback, "a/b".into());
    expected.others = others.iter().map(|&name| name.into()).collect();
    Box::new(expected)
}

fn ask(hub: &Hub, link: &Arc<Link>, plugin: &str, others: &[&str]) -> Result<u32, FaultId> {
    let number = hub.expect_reply(expected(link, others), &plugin.into(), Instant::now());
    number.map_err(|ended| ended.why.id)
}

/// The plugin's decision about an event whose sender waits: a reply, a failure, or nothing.
fn decides(hub: &Hub, plugin: &str, link: &Arc<Link>, reply_to: u32, what: Option<Result<(), ()>>) {
    let mut outcome = Outcome::default();
    match what {
        Some(Ok(())) => {
            let what = Effect::Reply(Reply { reply_to, value: Ok(Content::OfEvent(0)) });
            outcome.effects.push(Caused::new(0, what));
        }
        Some(Err(())) => {
            let why = Fault::application("no", "it is not done");
            outcome.failures.push(Failure { by: 0, why, close: None });
        }
        None => {}
    }
    carry_out(hub, plugin, &[event(link, Some(reply_to))], outcome);
}

fn only_frame(link: &Link) -> String {
    let mut frames = frames(link);
    assert_eq!(frames.len(), 1, "{frames:?}");
    frames.remove(0)
}

#[test]
fn an_answered_caller_gets_no_timeout_whoever_else_was_asked() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    let number = ask(&hub, &link, "last", &["first", "second"]).unwrap();
    decides(&hub, "first", &link, number, None);
    decides(&hub, "second", &link, number, Some(Ok(())));
    assert_eq!(only_frame(&link), r#"[7,"cb"]"#);
    assert_eq!(hub.open_replies(), 0, "the place ends with the reply");
    decides(&hub, "last", &link, number, Some(Ok(())));
    assert!(!hub.expire_replies(Instant::now() + LATE));
    assert!(frames(&link).is_empty(), "neither a second reply nor a timeout");
    assert_eq!(hub.meter.sum(Metric::TimedOutRequests), 0);
}

#[test]
fn a_failure_takes_no_reply_from_a_handler_that_is_still_at_it() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    let number = ask(&hub, &link, "last", &["first"]).unwrap();
    decides(&hub, "first", &link, number, Some(Err(())));
    assert!(frames(&link).is_empty(), "the other one may answer yet");
    decides(&hub, "last", &link, number, Some(Ok(())));
    assert_eq!(only_frame(&link), r#"[7,"cb"]"#);

    for failing in ["first", "last"] {
        let number = ask(&hub, &link, "last", &["first"]).unwrap();
        let other = if failing == "first" { "last" } else { "first" };
        decides(&hub, other, &link, number, None);
        decides(&hub, failing, &link, number, Some(Err(())));
        let told = only_frame(&link);
        assert!(told.contains(r#""code":"no""#), "nobody else decides any more: {told}");
        let number = ask(&hub, &link, "last", &["first"]).unwrap();
        decides(&hub, failing, &link, number, Some(Err(())));
        decides(&hub, other, &link, number, None);
        assert!(only_frame(&link).contains(r#""code":"no""#));
    }
    assert_eq!(hub.open_replies(), 0);
}

#[test]
fn a_stranger_neither_answers_nor_fails_what_it_was_not_asked() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    let number = ask(&hub, &link, "last", &["first"]).unwrap();
    for what in [Some(Ok(())), Some(Err(())), None] {
        decides(&hub, "stranger", &link, number, what);
    }
    assert!(frames(&link).is_empty());
    assert_eq!(hub.open_replies(), 1);
}

#[test]
fn a_connection_has_its_share_of_open_replies_and_is_told_which_limit_it_reached() {
    let hub = hub(Grants::default());
    let (greedy, other) = (connect(&hub, 0, None), connect(&hub, 0, None));
    let numbers: Vec<_> =
        (0..OF_A_CONNECTION).map(|_| ask(&hub, &greedy, PLUGIN, &[]).unwrap()).collect();
    assert_eq!(ask(&hub, &greedy, PLUGIN, &[]), Err(FaultId::LimitReached));
    assert!(ask(&hub, &other, PLUGIN, &[]).is_ok(), "others have theirs");
    decides(&hub, PLUGIN, &greedy, numbers[17], Some(Ok(())));
    assert!(ask(&hub, &greedy, PLUGIN, &[]).is_ok(), "a reply makes room");
}

#[test]
fn a_plugin_that_never_answers_leaves_room_for_others() {
    let hub = hub(Grants::default());
    let links: Vec<_> =
        (0..=OF_A_PLUGIN / OF_A_CONNECTION).map(|_| connect(&hub, 0, None)).collect();
    let (last, full) = links.split_last().unwrap();
    for link in full {
        for _ in 0..OF_A_CONNECTION {
            ask(&hub, link, "silent", &[]).unwrap();
        }
    }
    assert_eq!(ask(&hub, last, "silent", &[]), Err(FaultId::Overloaded));
    assert!(ask(&hub, last, PLUGIN, &[]).is_ok(), "another plugin has its own share");
    hub.close(&links[0], &Reason::Lost);
    assert!(ask(&hub, last, "silent", &[]).is_ok(), "the end of a connection makes room");
}

#[test]
fn open_replies_end_with_their_connection_and_are_counted_as_nothing_else() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    let number = ask(&hub, &link, PLUGIN, &[]).unwrap();
    ask(&hub, &link, PLUGIN, &[]).unwrap();
    hub.close(&link, &Reason::Lost);
    assert_eq!(hub.open_replies(), 0);
    hub.expire_replies(Instant::now() + LATE);
    let count = |metric| hub.meter.sum(metric);
    assert_eq!((count(Metric::TimedOutRequests), count(Metric::DroppedFrames)), (0, 0));
    decides(&hub, PLUGIN, &link, number, Some(Ok(())));
    assert_eq!(count(Metric::SentReplies), 0);
}

#[test]
fn a_number_does_not_come_again_after_many_uses_of_its_place() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    let first = ask(&hub, &link, PLUGIN, &[]).unwrap();
    decides(&hub, PLUGIN, &link, first, Some(Ok(())));
    for _ in 0..100_000 {
        let number = ask(&hub, &link, PLUGIN, &[]).unwrap();
        assert_ne!(number, first);
        hub.take_reply(number, &PLUGIN.into()).unwrap();
    }
}

/// The plugin has decided, and says that its reply comes later.
fn owes(hub: &Hub, plugin: &str, link: &Arc<Link>, reply_to: u32) {
    let outcome = Outcome { later: vec![0], ..Outcome::default() };
    carry_out(hub, plugin, &[event(link, Some(reply_to))], outcome);
}

#[test]
fn a_caller_learns_whether_its_event_was_decided_at_all() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    let number = ask(&hub, &link, PLUGIN, &[]).unwrap();
    owes(&hub, PLUGIN, &link, number);
    assert!(frames(&link).is_empty(), "a reply may still come, from another event's call");
    hub.expire_replies(Instant::now() + LATE);
    let told = only_frame(&link);
    assert!(told.contains(r#""id":"unanswered""#), "{told}");

    ask(&hub, &link, PLUGIN, &[]).unwrap();
    hub.expire_replies(Instant::now() + LATE);
    let told = only_frame(&link);
    assert!(told.contains(r#""id":"timeout""#), "nobody decided: {told}");

    let number = ask(&hub, &link, "last", &["first"]).unwrap();
    decides(&hub, "last", &link, number, None);
    hub.expire_replies(Instant::now() + LATE);
    let told = only_frame(&link);
    assert!(told.contains(r#""id":"timeout""#), "one of them did not decide: {told}");
}

#[test]
fn a_caller_that_gets_no_reply_is_told_at_once_and_its_place_is_free() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    let number = ask(&hub, &link, PLUGIN, &[]).unwrap();
    decides(&hub, PLUGIN, &link, number, None);
    let told = only_frame(&link);
    assert!(told.contains(r#""id":"unanswered""#), "{told}");
    assert_eq!((hub.open_replies(), hub.meter.sum(Metric::UnansweredRequests)), (0, 1));

    let number = ask(&hub, &link, "last", &["first"]).unwrap();
    decides(&hub, "first", &link, number, None);
    assert!(frames(&link).is_empty(), "another one is still at it");
    decides(&hub, "last", &link, number, None);
    assert!(only_frame(&link).contains(r#""id":"unanswered""#));
}

#[test]
fn who_owes_a_reply_is_waited_for_whatever_the_others_decide() {
    let hub = hub(Grants::default());
    let link = connect(&hub, 0, None);
    for other in [None, Some(Err(()))] {
        let number = ask(&hub, &link, "last", &["first"]).unwrap();
        owes(&hub, "first", &link, number);
        decides(&hub, "last", &link, number, other);
        assert!(frames(&link).is_empty(), "it is owed");
        decides(&hub, "first", &link, number, Some(Ok(())));
        assert_eq!(only_frame(&link), r#"[7,"cb"]"#);
    }
    assert_eq!(hub.open_replies(), 0);
}

#[test]
fn a_reply_may_come_from_the_call_of_another_event() {
    let hub = hub(Grants::default());
    let (one, other) = (connect(&hub, 0, None), connect(&hub, 0, None));
    let number = ask(&hub, &one, PLUGIN, &[]).unwrap();
    owes(&hub, PLUGIN, &one, number);
    let what = Effect::Reply(Reply { reply_to: number, value: Ok(Content::OfEvent(0)) });
    let outcome = Outcome::of(vec![Caused::new(0, what)]);
    carry_out(&hub, PLUGIN, &[event(&other, None)], outcome);
    assert_eq!(only_frame(&one), r#"[7,"cb"]"#);
}

#[test]
fn callers_are_told_in_portions_that_nobody_answered() {
    let hub = hub(Grants::default());
    let links: Vec<_> = (0..5).map(|_| connect(&hub, 0, None)).collect();
    for link in &links {
        for _ in 0..OF_A_CONNECTION {
            ask(&hub, link, PLUGIN, &[]).unwrap();
        }
    }
    let late = Instant::now() + LATE;
    assert!(hub.expire_replies(late), "there are more than fit one portion");
    assert!(!hub.expire_replies(late));
    assert_eq!(hub.open_replies(), 0);
}
