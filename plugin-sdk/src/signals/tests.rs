//! What a signal bears by itself.

use super::{Level, Timed, Value, timed};
use crate::{Context, Handle, Handler, Message, Plugin, Result, StartReason, testing};
use std::{error::Error, fmt};

#[derive(Debug)]
struct Wrong(&'static str, Option<Box<Wrong>>);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Wrong {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|cause| cause as _)
    }
}

#[test]
fn a_signal_bears_its_place_its_facts_and_the_causes_of_its_error() {
    testing::listen();
    let why = Wrong("no seat", Some(Box::new(Wrong("the room is full", None))));
    crate::error!("chat/refused", error: &why, room = "tea", seats = 0; "{} cannot come in", "ann");
    let line = line!() - 1;
    let [said] = testing::heard().try_into().unwrap();
    assert_eq!((said.level, said.id.as_deref()), (Level::Error, Some("chat/refused")));
    assert_eq!(said.message, "ann cannot come in");
    assert_eq!(said.error, ["no seat", "the room is full"]);
    assert_eq!(said.location, Some(format!("{}:{line}", file!())));
    let facts = [("room".to_owned(), "tea".into()), ("seats".to_owned(), Value::Integer(0))];
    assert_eq!(said.data, facts);
}

#[test]
fn free_text_needs_no_id() {
    testing::listen();
    crate::fatal!("nothing {} goes on, {n}", "here", n = 7);
    let [said] = testing::heard().try_into().unwrap();
    assert_eq!((said.id.as_deref(), said.message.as_str()), (None, "nothing here goes on, 7"));
}

#[test]
fn what_is_said_within_timed_work_is_a_part_of_it() {
    testing::listen();
    timed(Level::Info, "a/outer", "it is done", || {
        crate::info!("a/first"; "within");
        let mut inner = Timed::begin(Level::Debug, "a/inner", "it went wrong");
        crate::info!("a/second"; "within both");
        inner.fact("rows", 3);
        inner.fail(&Wrong("lost", None));
    });
    crate::info!("a/after"; "within nothing");
    let heard = testing::heard();
    let told: Vec<_> = heard
        .iter()
        .map(|it| (it.id.as_deref().unwrap_or(""), it.parent.as_deref().unwrap_or("")))
        .collect();
    let expected = [
        ("a/first", "a/outer"),
        ("a/second", "a/inner"),
        ("a/inner", "a/outer"),
        ("a/outer", ""),
        ("a/after", ""),
    ];
    assert_eq!(told, expected);
    let took: Vec<_> = heard.iter().map(|it| it.took_ms.is_some_and(|took| took >= 0.0)).collect();
    assert_eq!(took, [false, false, true, true, false]);
    assert_eq!((heard[2].error.len(), heard[2].data.len()), (1, 1));
}

struct Talks;

impl Plugin for Talks {
    fn start(_: StartReason) -> std::result::Result<Self, String> {
        crate::info!("talks/started"; "about no event");
        Ok(Self)
    }
}

impl Handler for Talks {
    fn message(&mut self, _: &mut Context, _: Handle, _: Message) -> Result {
        crate::info!("talks/said"; "about an event");
        Ok(())
    }
}

#[test]
fn a_signal_is_about_the_event_in_hand() {
    testing::listen();
    let mut talks = testing::start::<Talks>();
    let events = (7..10).map(|handle| testing::message(handle, "any/thing", ""));
    testing::handle(&mut talks, events.collect());
    let about: Vec<_> = testing::heard().iter().map(|said| said.by).collect();
    assert_eq!(about, [None, Some(0), Some(1), Some(2)]);
}
