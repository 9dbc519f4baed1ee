//! What a batch of events makes of a handler's decisions.

use super::*;
use crate::{
    Content, Effect, Failure, StartReason, Target,
    testing::{at, content_json, event, message, opened, request},
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
    dispatch(&mut probe, events)
}

#[test]
fn effects_name_the_event_that_caused_them() {
    let out = outcome(vec![
        opened(7),
        request(7, 31, "probe/echo", &json!("hi")),
        request(7, 32, "probe/count", &()),
    ]);
    assert_eq!(out.failures, []);
    let [echo, count] = out.effects.as_slice() else { panic!("{out:?}") };
    assert_eq!((echo.by, count.by), (1, 2));
    let Effect::Reply(echo) = &echo.what else { panic!("{echo:?}") };
    assert_eq!((echo.reply_to, &echo.value), (31, &Ok(Content::OfEvent(1))));
    let Effect::Reply(count) = &count.what else { panic!("{count:?}") };
    assert_eq!(content_json(count.value.as_ref().unwrap()), json!(1));
}

#[test]
fn a_test_chooses_its_handles_and_times() {
    let asked = request(7, 1, "probe/when", &());
    let later = at(request(u32::MAX, 2, "probe/when", &()), 1.5e12);
    let out = outcome(vec![asked, later]);
    assert_eq!(crate::testing::reply_json(&out, 1), Some(json!([7, 1, 0.0])));
    assert_eq!(crate::testing::reply_json(&out, 2), Some(json!([u32::MAX, 1, 1.5e12])));
}

#[test]
fn a_failed_event_leaves_no_effects_and_the_others_stand() {
    let out = outcome(vec![
        request(7, 1, "probe/echo", &()),
        message(7, "probe/half", &()),
        request(7, 2, "probe/echo", &()),
    ]);
    assert_eq!(out.effects.iter().map(|caused| caused.by).collect::<Vec<_>>(), [0, 2]);
    let why = Fault::new("not-allowed", "never");
    assert_eq!(out.failures, [Failure { by: 1, why, close: Some(4000) }]);
}

#[test]
fn a_reply_that_nobody_waits_for_is_not_made() {
    assert_eq!(
        outcome(vec![message(7, "probe/echo", &()), message(7, "probe/other", &())]).effects,
        []
    );
}

#[test]
fn a_second_reply_fails_the_event() {
    let out = outcome(vec![request(7, 1, "probe/twice", &())]);
    assert_eq!(out.effects, []);
    assert_eq!(out.failures.first().map(|failure| failure.why.id.as_str()), Some("plugin-failed"));
}

#[test]
fn a_fault_can_be_a_reply() {
    let out = outcome(vec![request(7, 1, "probe/other", &())]);
    let Some(Effect::Reply(reply)) = out.effects.first().map(|caused| &caused.what) else {
        panic!("{out:?}")
    };
    let why = reply.value.as_ref().unwrap_err();
    assert_eq!((why.id.as_str(), why.retry_after_ms), ("no-such-probe", Some(5)));
}

#[test]
fn pushes_and_publications_are_refined_after_they_were_asked_for() {
    let out = outcome(vec![message(7, "probe/tell", &5)]);
    let [push, publish] = out.effects.as_slice() else { panic!("{out:?}") };
    let Effect::Push(push) = &push.what else { panic!("{push:?}") };
    assert_eq!(
        (&push.to, push.except, push.key.as_deref()),
        (&Target::channel("room/a"), Some(7), Some("k"))
    );
    assert_eq!(content_json(&push.content), json!(5));
    let Effect::Publish(publish) = &publish.what else { panic!("{publish:?}") };
    assert_eq!((publish.keep, publish.except), (true, Some(7)));
}

#[test]
fn a_timer_belongs_to_the_events_connection_unless_it_says_otherwise() {
    let out = outcome(vec![message(7, "probe/timer", &())]);
    let timers = out.effects.iter().map(|caused| match &caused.what {
        Effect::SetTimer(timer) => (timer.connection, timer.key.as_str(), timer.after_ms),
        other => panic!("{other:?}"),
    });
    assert_eq!(timers.collect::<Vec<_>>(), [(Some(7), "tick", 2000), (None, "tock", u32::MAX)]);
}

#[test]
fn a_message_of_no_connection_fails() {
    let lost = event(None, Occurrence::Lost(3));
    assert_eq!(outcome(vec![lost]).failures.len(), 1);
}
