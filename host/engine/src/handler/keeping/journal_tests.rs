//! What is kept of events, and what comes back of it.

use super::*;
use crate::guest::tape::Tape;
use bytes::Bytes;
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use tengen_core::{
    event::{Closing, Connection, Message},
    trace::Span,
};
use tengen_wire::payload::{Encoding, Payload};

fn event(handle: u32, what: Occurrence) -> Event {
    let connection = Some(Arc::new(Connection::anybody(handle)));
    let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::from(handle));
    Event { connection, seq: handle + 7, at, what, span: Span::none(), permit: None }
}

fn message(handle: u32, body: &[u8]) -> Event {
    let payload = Payload::checked(Encoding::Json, Bytes::copy_from_slice(body));
    let message = Message { id: "a/b".into(), payload, reply_to: Some(handle + 9) };
    event(handle, Occurrence::Message(message))
}

fn closed(handle: u32) -> Event {
    event(handle, Occurrence::Closed(Closing { code: 1000, reason: String::new(), clean: true }))
}

fn add(journal: &mut Journal, events: Vec<Event>) -> bool {
    let ended = Ended { digest: 5, took: Duration::from_micros(1) };
    let mut events = events;
    let has_room = journal.add(&mut events, Vec::new(), ended, &Tape::default());
    assert!(events.is_empty());
    has_room
}

/// All that an event is told with.
#[track_caller]
fn check(event: &Event, handle: u32, body: Option<&[u8]>) {
    assert_eq!(event.connection.as_ref().unwrap().handle, Handle(handle));
    assert_eq!(event.seq, handle + 7);
    assert_eq!(event.at, SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::from(handle)));
    assert_eq!(event.message().map(|message| &*message.payload.body), body);
    if let Some(message) = event.message() {
        assert_eq!((&*message.id, message.reply_to), ("a/b", Some(handle + 9)));
        assert!(message.payload.is_checked());
    }
}

#[test]
fn events_come_back_as_they_were_whatever_their_size() {
    let mut journal = Journal::new(64 << 20);
    let bodies: Vec<Vec<u8>> = [0, 1, 100, 16_383, 16_384, 16_385, 70_000, 9, 16_384, 16_000]
        .iter()
        .cycle()
        .take(50)
        .zip(1..)
        .map(|(&size, sign)| vec![sign; size])
        .collect();
    for (handle, bodies) in (0..).step_by(10).zip(bodies.chunks(5)) {
        let messages = (handle..).zip(bodies).map(|(handle, body)| message(handle, body));
        assert!(add(&mut journal, messages.chain([closed(handle + 5)]).collect()));
    }
    assert_eq!(journal.len(), 10);
    for (number, bodies) in bodies.chunks(5).enumerate() {
        let (call, which) = journal.call(number).unwrap();
        assert_eq!(call.digest, 5);
        let events = journal.events(which);
        let first = u32::try_from(number * 10).unwrap();
        let (last, messages) = events.split_last().unwrap();
        for (handle, (event, body)) in (first..).zip(messages.iter().zip(bodies)) {
            check(event, handle, Some(body));
        }
        check(last, first + 5, None);
    }
}

#[test]
fn a_journal_that_begins_anew_has_nothing_and_holds_as_much() {
    let mut journal = Journal::new(8 << 10);
    let fill = |journal: &mut Journal, sign: u8| {
        (1..).find(|_| !add(journal, vec![message(1, &[sign; 1000])])).unwrap()
    };
    let first = fill(&mut journal, 1);
    assert!((6..=8).contains(&first), "{first} times more than a kilobyte in eight");
    assert!(!journal.has_room());
    let mut journal = journal.anew();
    assert_eq!((journal.len(), journal.has_room()), (0, true));
    assert!(journal.of_each(3, |_| true).is_empty());
    assert_eq!(fill(&mut journal, 2), first);
    let (_, which) = journal.call(0).unwrap();
    check(&journal.events(which)[0], 1, Some(&[2; 1000]));
}

#[test]
fn of_each_connection_the_first_is_found_at_which_there_was_something_to_decide() {
    let mut journal = Journal::new(1 << 20);
    add(&mut journal, vec![closed(1), message(1, b"1"), message(1, b"2"), message(2, b"3")]);
    add(&mut journal, vec![message(3, b"4"), message(4, b"5")]);
    let found = |most, not: u32| -> Vec<u32> {
        let found = journal.of_each(most, |handle| handle != Some(Handle(not)));
        found.iter().map(|event| event.connection.as_ref().unwrap().handle.0).collect()
    };
    assert_eq!(found(3, 9), [1, 2, 3]);
    assert_eq!(found(3, 2), [1, 3, 4]);
    assert_eq!(found(0, 9), [0; 0]);
    assert_eq!(&*journal.of_each(1, |_| true)[0].message().unwrap().payload.body, b"1");
}

#[test]
fn what_is_kept_counts_with_its_connection_once_that_has_ended() {
    let large = || {
        let mut event = closed(1);
        let connection =
            Connection { more: vec![("k".into(), "v".repeat(9000))], ..Connection::anybody(1) };
        event.connection = Some(Arc::new(connection));
        event
    };
    let mut journal = Journal::new(8 << 10);
    assert!(!add(&mut journal, vec![large()]), "nine thousand bytes are more than eight kilobytes");
}
