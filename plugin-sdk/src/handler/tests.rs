//! What a batch of events makes of a handler's decisions.

use super::*;
use crate::{
    Action, Answer, Content, StartReason, Target,
    testing::{self, Outcome, at, content_json, message, opened, request},
};
use serde_json::json;
use std::time::Duration;

/// Does what the event's id says.
struct Probe {
    opened: u32,
}

impl Plugin for Probe {
    fn start(_: StartReason) -> Result<Self, String> {
        Ok(Self { opened: 0 })
    }
}

impl Handler for Probe {
    fn opened(&mut self, _: &mut Context, _: Connection) -> Result {
        self.opened += 1;
        Ok(())
    }

    fn message(&mut self, ctx: &mut Context, from: Handle, message: Message) -> Result {
        match message.id.as_str() {
            "probe/echo" => ctx.reply(ctx.of_event()),
            "probe/count" => ctx.reply(&self.opened),
            "probe/when" => ctx.reply(&(from, ctx.seq(), ctx.at_ms())),
            "probe/twice" => ctx.reply(&1).and_then(|()| ctx.reply(&2)),
            "probe/tell" => {
                ctx.push(Target::channel("room/a"), "probe/told", &message.json::<u32>()?)?
                    .except(from)
                    .key("k");
                ctx.publish("room/a", "probe/published", "text")?.keep().except(from);
                Ok(())
            }
            "probe/half" => {
                ctx.subscribe(from, "room/a");
                ctx.close_if_failed(4000);
                Err(Fault::new("not-allowed", "never"))
            }
            "probe/owe" => ctx.reply_later().map(drop),
            "probe/pay" => ctx.reply_to(message.json()?, Ok("paid")).map(drop),
            "probe/timer" => {
                ctx.set_timer("tick", Duration::from_secs(2));
                ctx.set_timer_of(None, "tock", Duration::MAX);
                Ok(())
            }
            _ => ctx
                .reply_fault(Fault::new("no-such-probe", "probe something else").retry_after_ms(5)),
        }
    }
}

#[track_caller]
fn outcome(events: Vec<Event>) -> Outcome {
    let mut probe = Probe::start(StartReason::First).unwrap();
    testing::handle(&mut probe, events)
}

#[test]
fn each_event_has_a_decision_of_its_own_in_order() {
    let out = outcome(vec![
        opened(7),
        request(7, 31, "probe/echo", &json!("hi")),
        request(7, 32, "probe/count", &()),
    ]);
    assert_eq!((out.decisions.len(), out.failures().count()), (3, 0));
    assert_eq!(out.reply(31), Some(Ok(&Content::OfEvent(1))));
    assert_eq!(testing::reply_json(&out, 32), Some(json!(1)));
}

#[test]
fn a_test_chooses_its_handles_and_times() {
    let asked = request(7, 1, "probe/when", &());
    let later = at(request(u32::MAX, 2, "probe/when", &()), 1.5e12);
    let out = outcome(vec![asked, later]);
    assert_eq!(testing::reply_json(&out, 1), Some(json!([7, 1, 0.0])));
    assert_eq!(testing::reply_json(&out, 2), Some(json!([u32::MAX, 1, 1.5e12])));
}

#[test]
fn a_failed_event_leaves_no_effects_and_the_others_stand() {
    let out = outcome(vec![
        request(7, 1, "probe/echo", &()),
        message(7, "probe/half", &()),
        request(7, 2, "probe/echo", &()),
    ]);
    let failed: Vec<_> = out.failures().collect();
    let [(1, failed)] = failed.as_slice() else { panic!("{failed:?}") };
    assert_eq!((&failed.why, failed.close), (&Fault::new("not-allowed", "never"), Some(4000)));
    assert_eq!(out.effects().count(), 0, "the failed event's subscription is not among them");
    assert!(out.reply(1).is_some_and(|it| it.is_ok()) && out.reply(2).is_some_and(|it| it.is_ok()));
}

#[test]
fn a_reply_that_nobody_waits_for_is_not_made() {
    let out = outcome(vec![message(7, "probe/echo", &()), message(7, "probe/other", &())]);
    let answers = out.decisions.iter().map(|decision| match decision {
        Decision::Done(done) => &done.answer,
        other => panic!("{other:?}"),
    });
    assert!(answers.eq([&Answer::Nothing, &Answer::Nothing]));
}

#[test]
fn a_reply_that_is_owed_is_given_by_another_event() {
    let out = outcome(vec![
        request(7, 1, "probe/owe", &()),
        request(8, 2, "probe/pay", &1),
        message(9, "probe/owe", &()),
    ]);
    assert_eq!(testing::reply_json(&out, 1), Some(json!("paid")));
    let Some(Decision::Done(owed)) = out.decisions.first() else { panic!("{out:?}") };
    assert_eq!(owed.answer, Answer::Later);
    let Some(Decision::Done(unasked)) = out.decisions.last() else { panic!("{out:?}") };
    assert_eq!(unasked.answer, Answer::Nothing, "nobody waits there");
}

#[test]
fn a_second_reply_fails_the_event() {
    let out = outcome(vec![request(7, 1, "probe/twice", &())]);
    let failed = out.failures().next().map(|(_, failed)| failed.why.id.as_str());
    assert_eq!((failed, out.effects().count()), (Some("plugin-failed"), 0));
}

#[test]
fn a_fault_can_be_a_reply() {
    let out = outcome(vec![request(7, 1, "probe/other", &())]);
    let why = out.reply(1).expect("it is answered").unwrap_err();
    assert_eq!((why.id.as_str(), why.retry_after_ms), ("no-such-probe", Some(5)));
}

#[test]
fn pushes_and_publications_are_refined_after_they_were_asked_for() {
    let out = outcome(vec![message(7, "probe/tell", &5)]);
    let keys: Vec<_> = out.effects().map(|effect| effect.key.as_deref()).collect();
    assert_eq!(keys, [Some("k"), None]);
    let actions: Vec<_> = out.actions().collect();
    let [Action::Push(push), Action::Publish(publish)] = actions.as_slice() else {
        panic!("{out:?}")
    };
    assert_eq!((&push.to, push.exclude), (&Target::channel("room/a"), Some(7)));
    assert_eq!(content_json(&push.content), json!(5));
    assert_eq!((publish.keep, publish.exclude), (true, Some(7)));
}

#[test]
fn a_timer_belongs_to_the_events_connection_unless_it_says_otherwise() {
    let out = outcome(vec![message(7, "probe/timer", &())]);
    let timers = out.actions().map(|action| match action {
        Action::SetTimer(timer) => (timer.connection, timer.key.as_str(), timer.after_ms),
        other => panic!("{other:?}"),
    });
    assert_eq!(timers.collect::<Vec<_>>(), [(Some(7), "tick", 2000), (None, "tock", u32::MAX)]);
}

#[test]
fn a_message_of_no_connection_fails() {
    let mut lost = message(7, "probe/echo", &());
    lost.connection = None;
    assert_eq!(outcome(vec![lost]).failures().count(), 1);
}
