//! The queue's promises, by hand.

use super::*;
use tengen_core::{
    capability::{ask::Answered, data::Change, fetch::Place},
    event::{Closing, Message, Permit},
};
use tengen_wire::{
    id::{ConnectionId, EventId},
    payload::{Encoding, Payload},
};

fn connection(handle: u32) -> Arc<Connection> {
    Arc::new(Connection::anybody(handle))
}

fn event(handle: u32, what: Occurrence) -> Event {
    Event {
        connection: Some(connection(handle)),
        seq: 1,
        at: SystemTime::now(),
        what,
        span: Span::none(),
        permit: None,
    }
}

fn message(handle: u32) -> Event {
    let payload = Payload::nil(Encoding::Json);
    event(
        handle,
        Occurrence::Message(Message { id: EventId::from("a/b"), payload, reply_to: None }),
    )
}

fn end(handle: u32) -> Event {
    event(handle, Occurrence::Closed(Closing { code: 1000, reason: String::new(), clean: true }))
}

fn queue(bound: usize) -> Queue {
    Queue::new(NonZeroUsize::new(bound).expect("not zero"))
}

fn offer(queue: &Queue, event: Event) -> Result<(), Box<Declined>> {
    queue.offer(event, 0).map_err(|missed| match missed {
        Missed::Declined(declined) => declined,
        Missed::Moved(event) => panic!("there is one turn: {event:?}"),
    })
}

fn answer(handle: u32) -> Event {
    let value = Ok(Payload::nil(Encoding::Json));
    let place = Arc::new(Place::new(()));
    event(handle, Occurrence::Answered(Answered { name: "n".to_owned(), value, place }))
}

/// What waits, in a shorthand: o1 is the opening of connection 1; a adopts, m is a message, c closes, q answers a question.
fn drain(queue: &Queue, max: usize) -> Vec<String> {
    let mut batch = Batch::default();
    let mut batches = Vec::new();
    while queue.take(Share::of(max), &mut batch) {
        let words = batch.events.iter().map(|event| {
            let letter = match event.what {
                Occurrence::Opened => "o",
                Occurrence::Adopted => "a",
                Occurrence::Closed(_) => "c",
                Occurrence::Message(_) => "m",
                Occurrence::Answered(_) => "q",
                _ => "?",
            };
            let handle = event.connection.as_ref().map_or(0, |connection| connection.handle.0);
            format!("{letter}{handle}")
        });
        batches.push(words.collect::<Vec<_>>().join(" "));
    }
    batches
}

fn fill(queue: &Queue, events: Vec<Event>) {
    for event in events {
        offer(queue, event).expect("there is room");
    }
}

#[test]
fn a_connection_that_the_instance_does_not_know_is_adopted_first() {
    let queue = queue(8);
    fill(
        &queue,
        vec![message(1), message(1), event(2, Occurrence::Opened), message(2), end(1), end(3)],
    );
    assert_eq!(drain(&queue, 16), ["a1 m1 m1 o2 m2 c1"]);
}

#[test]
fn batches_are_no_longer_than_asked_for() {
    let queue = queue(8);
    fill(&queue, vec![event(1, Occurrence::Opened), message(1), message(1)]);
    assert_eq!(drain(&queue, 2), ["o1 m1", "m1"]);
}

#[test]
fn over_the_bound_messages_are_declined_and_ends_are_not() {
    let queue = queue(2);
    fill(&queue, vec![event(1, Occurrence::Opened), message(1)]);
    let declined = offer(&queue, message(1)).expect_err("it is full");
    assert_eq!(declined.why.id, FaultId::Overloaded);
    fill(&queue, vec![end(1)]);
    assert_eq!(drain(&queue, 16), ["o1 m1 c1"]);
}

#[test]
fn a_new_instance_adopts_what_is_open_and_hears_of_nobody_twice() {
    let queue = queue(16);
    fill(&queue, vec![event(1, Occurrence::Opened), message(1)]);
    assert_eq!(drain(&queue, 16), ["o1 m1"]);
    fill(&queue, vec![message(1), event(2, Occurrence::Opened), message(2)]);
    queue.begin_adoption();
    queue.adopt(vec![connection(1), connection(2), connection(3)], Missing::default(), false);
    fill(&queue, vec![event(3, Occurrence::Opened), end(3)]);
    assert_eq!(drain(&queue, 16), ["a1 a3", "m1 o2 m2 c3"]);
}

#[test]
fn a_connection_that_ends_while_the_open_ones_are_listed_is_still_ended() {
    let queue = queue(16);
    queue.begin_adoption();
    fill(&queue, vec![end(1)]);
    queue.adopt(vec![connection(1)], Missing::default(), false);
    assert_eq!(drain(&queue, 16), ["a1", "c1"]);
}

#[test]
fn a_failed_batch_goes_one_by_one_after_the_adoption() {
    let queue = queue(16);
    fill(&queue, vec![event(1, Occurrence::Opened), message(1), message(1)]);
    let mut batch = Batch::default();
    assert!(queue.take(Share::of(16), &mut batch));
    fill(&queue, vec![message(1)]);
    queue.retry(batch.events.drain(1..));
    queue.adopt(vec![connection(1)], Missing::default(), false);
    assert_eq!(drain(&queue, 16), ["a1", "m1", "m1", "m1"]);
}

#[test]
fn a_connection_that_cannot_be_adopted_is_found_and_left_out() {
    let queue = queue(16);
    queue.adopt(vec![connection(1), connection(2)], Missing::default(), false);
    let mut batch = Batch::default();
    assert!(queue.take(Share::of(16), &mut batch));
    assert_eq!(batch.events.len(), 2);
    queue.retry(batch.events.drain(..));
    queue.adopt(vec![connection(1), connection(2)], Missing::default(), false);
    assert!(queue.take(Share::of(16), &mut batch));
    assert_eq!(batch.events.len(), 1, "one at a time now");
    fill(&queue, vec![message(1)]);
    assert_eq!(queue.shun(Handle(1)).len(), 1);
    queue.adopt(vec![connection(1), connection(2)], Missing::default(), false);
    assert_eq!(offer(&queue, message(1)).expect_err("left out").why.id, FaultId::PluginFailed);
    fill(&queue, vec![end(1), message(2)]);
    assert_eq!(drain(&queue, 16), ["a2", "m2"]);
}

#[test]
fn while_no_instance_runs_messages_are_declined_and_connections_come_and_go() {
    let queue = queue(16);
    fill(&queue, vec![event(1, Occurrence::Opened), message(1)]);
    let left = queue.close(Closed::Unavailable(Duration::from_secs(1)));
    assert_eq!(left.len(), 1);
    assert_eq!(offer(&queue, message(1)).expect_err("down").why.id, FaultId::PluginUnavailable);
    fill(&queue, vec![end(1), event(2, Occurrence::Opened)]);
    queue.begin_adoption();
    queue.open();
    fill(&queue, vec![message(2)]);
    queue.adopt(vec![connection(2)], Missing::default(), false);
    assert_eq!(drain(&queue, 16), ["a2 m2"]);
}

#[test]
fn news_of_refusals_goes_first() {
    let queue = queue(16);
    fill(&queue, vec![event(1, Occurrence::Opened), message(1)]);
    let news = || {
        let why = Fault::new(FaultId::NotAllowed, "no");
        event(1, Occurrence::Refused { key: "k".into(), why })
    };
    assert_eq!(queue.tell(vec![news()]), 0);
    assert_eq!(drain(&queue, 16), ["?1 o1 m1"]);
}

#[test]
fn who_waits_for_room_is_woken_once_less_than_half_of_the_queue_waits_or_it_closes() {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        task::{Wake, Waker},
    };
    #[derive(Default)]
    struct Woken(AtomicU32);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let woken = Arc::<Woken>::default();
    let (task, times) = (Waker::from(Arc::clone(&woken)), || woken.0.load(Ordering::SeqCst));
    let (queue, mut seen) = (queue(4), Seen::default());
    fill(&queue, vec![event(1, Occurrence::Opened), message(1), message(1), message(1)]);
    for _ in 0..3 {
        assert!(!queue.has_room(&mut seen, &task));
    }
    let mut batch = Batch::default();
    assert!(queue.take(Share::of(2), &mut batch));
    assert_eq!(times(), 0, "two of four are not less than half");
    assert!(queue.take(Share::of(1), &mut batch));
    assert_eq!(times(), 1, "who asked three times is called once");
    assert!(queue.has_room(&mut seen, &task));
    fill(&queue, vec![message(1), message(1), message(1)]);
    assert!(!queue.has_room(&mut seen, &task), "it can be asked for again");
    queue.close(Closed::Stopped);
    assert_eq!(times(), 2);
    assert!(queue.has_room(&mut seen, &task));
}

#[test]
fn a_batch_ends_at_its_share_of_memory_and_what_is_larger_goes_alone() {
    let queue = queue(16);
    let sized = |bytes: usize| {
        let payload = Payload::new(Encoding::Json, vec![b'1'; bytes]);
        let id = EventId::from("a/b");
        event(1, Occurrence::Message(Message { id, payload, reply_to: None }))
    };
    fill(&queue, [400, 400, 400, 3000, 10, 10].map(sized).into());
    let share = Share { events: 16, weight: 2200 };
    let mut batch = Batch::default();
    let mut lengths = Vec::new();
    while queue.take(share, &mut batch) {
        lengths.push(batch.events.len());
    }
    assert_eq!(lengths, [3, 1, 1, 2], "the adoption counts as well");
}

#[test]
fn who_may_have_broken_an_adoption_goes_alone_once_and_the_others_together() {
    let queue = queue(16);
    let open = || (1..=6).map(connection).collect::<Vec<_>>();
    queue.adopt(open(), Missing::default(), false);
    let mut batch = Batch::default();
    assert!(queue.take(Share::of(4), &mut batch));
    queue.retry(batch.events.drain(..));
    queue.adopt(open(), Missing::default(), false);
    for expected in [2, 1, 1] {
        assert!(queue.take(Share::of(4), &mut batch));
        assert_eq!(batch.events.len(), expected);
    }
    // The second of the suspects breaks the instance. Nobody who went well goes alone again.
    queue.shun(Handle(2));
    queue.adopt(open(), Missing::default(), false);
    assert_eq!(drain(&queue, 4), ["a1 a5 a6", "a3", "a4"]);
}

#[test]
fn an_answer_is_taken_whatever_waits() {
    let queue = queue(1);
    fill(&queue, vec![event(1, Occurrence::Opened), answer(1), answer(2)]);
    assert_eq!(offer(&queue, message(1)).expect_err("it is full").why.id, FaultId::Overloaded);
    assert_eq!(drain(&queue, 16), ["o1 q1 a2 q2"]);
}

#[test]
fn an_answer_that_waits_is_kept_for_the_next_instance() {
    let queue = queue(16);
    fill(&queue, vec![event(1, Occurrence::Opened), answer(1), message(1), answer(2), answer(3)]);
    let left = queue.close(Closed::Unavailable(Duration::from_secs(1)));
    assert_eq!(left.len(), 1, "the message");
    assert!(queue.is_empty(), "nothing is to be done");
    assert_eq!(offer(&queue, message(1)).expect_err("down").why.id, FaultId::PluginUnavailable);
    // The next instance does not hear that this one was there.
    fill(&queue, vec![end(2)]);
    queue.begin_adoption();
    queue.open();
    // And of this one it does.
    fill(&queue, vec![end(3)]);
    queue.adopt(vec![connection(1)], Missing::default(), false);
    assert_eq!(drain(&queue, 16), ["a1 a3", "q1 q0 q3 c3"]);
}

#[test]
fn an_answer_of_a_connection_that_is_left_alone_comes_without_it() {
    let queue = queue(16);
    fill(&queue, vec![event(1, Occurrence::Opened), message(1), answer(1)]);
    assert_eq!(queue.shun(Handle(1)).len(), 2, "the beginning and the message");
    fill(&queue, vec![answer(1)]);
    assert_eq!(drain(&queue, 16), ["q0 q0"]);
}

#[test]
fn what_a_connection_has_answered_goes_when_memory_is_short_and_that_it_is_over_is_told() {
    let queue = queue(16);
    let link = connection(1);
    let permit = Permit::take(&link, 1000, 16, 1 << 20);
    fill(&queue, vec![event(1, Occurrence::Opened), Event { permit, ..answer(1) }]);
    assert_eq!(link.waiting.bytes(), 1000);
    assert!(queue.forget(Handle(1)).is_empty());
    assert_eq!(link.waiting.bytes(), 0);
    let mut batch = Batch::default();
    assert!(queue.take(Share::of(16), &mut batch));
    let Some(Occurrence::Answered(over)) = batch.events.last().map(|event| &event.what) else {
        panic!("{batch:?}")
    };
    assert_eq!(over.value.as_ref().map_err(|why| why.id), Err(FaultId::Closed));
}

#[test]
fn what_a_connection_leaves_at_its_end_is_taken_whatever_waits_and_else_there_has_to_be_room() {
    let left = |handle, at_end| {
        let channels = vec!["room/1".into()];
        event(handle, Occurrence::Unsubscribed(Left { channels, at_end }))
    };
    let queue = queue(1);
    fill(&queue, vec![event(1, Occurrence::Opened)]);
    assert_eq!(offer(&queue, left(1, false)).expect_err("it is full").why.id, FaultId::Overloaded);
    fill(&queue, vec![left(1, true), end(1), left(2, true), end(2)]);
    assert_eq!(drain(&queue, 16), ["o1 ?1 c1"], "and of no connection that it does not know");
}

#[test]
fn what_plugins_keep_with_a_connection_counts_with_its_adoption() {
    let queue = queue(8);
    let open: Vec<_> = (1..=4).map(connection).collect();
    for connection in &open {
        let set = vec![("a".to_owned(), "x".repeat(4000))];
        let change = Change { set, ..Change::default() };
        let holding = &connection.waiting.holding;
        connection.data.change(holding, &"chat".into(), change, |_, _| {}).expect("within bounds");
    }
    queue.adopt(open, Missing::default(), false);
    let mut batch = Batch::default();
    let share = Share { events: 16, weight: 10_000 };
    let taken: Vec<_> =
        std::iter::from_fn(|| queue.take(share, &mut batch).then_some(batch.events.len()))
            .collect();
    assert_eq!(taken, [2, 2]);
}

/// One of this handle, and of an own id.
fn known(handle: u32, id: u8) -> (Handle, ConnectionId) {
    (Handle(handle), ConnectionId::from_bytes([id; 16]))
}

#[test]
fn an_instance_that_knows_something_hears_of_the_rest_alone_and_first_of_who_has_left() {
    let queue = queue(16);
    queue.adopt([1, 2, 3, 5, 6].map(connection).to_vec(), Missing::default(), false);
    fill(&queue, vec![end(3)]);
    // All of this the instance before has heard.
    drain(&queue, 16);
    fill(&queue, vec![message(1), message(2), event(4, Occurrence::Opened)]);
    // Of connection 6 it knows another one, which had this handle before.
    let known = HashMap::from_iter([known(1, 7), known(3, 7), known(5, 7), known(6, 9)]);
    let ended = HashMap::from_iter([(
        Handle(3),
        Closing { code: 1000, reason: String::new(), clean: true },
    )]);
    let timer = |handle| event(handle, Occurrence::Timer("t".to_owned()));
    let of_the_one_before = Event {
        connection: Some(Arc::new(Connection::gone(Handle(6), ConnectionId::from_bytes([9; 16])))),
        ..timer(6)
    };
    let again = vec![timer(1), timer(3), of_the_one_before];
    let missing = Missing { known, ended, again, ..Missing::default() };
    queue.begin_adoption();
    let open = [1, 2, 4, 5, 6].map(connection).to_vec();
    let told = queue.adopt(open, missing, false);
    assert_eq!(told, 4, "two have left, and two are new to it");
    let heard = drain(&queue, 16);
    let first = heard.first().cloned().unwrap_or_default();
    assert!(["c3 c6 a2 a6", "c6 c3 a2 a6"].contains(&first.as_str()), "{heard:?}");
    assert_eq!(heard[1..], ["?1 m1 m2 o4"]);
}

#[test]
fn a_timer_that_waits_when_an_instance_rests_comes_to_the_next_unless_its_connection_has_ended() {
    let queue = queue(16);
    let timer = |of: Option<u32>| {
        let event = event(of.unwrap_or(1), Occurrence::Timer("t".to_owned()));
        Event { connection: event.connection.filter(|_| of.is_some()), ..event }
    };
    fill(&queue, vec![event(1, Occurrence::Opened), event(2, Occurrence::Opened)]);
    fill(&queue, vec![timer(Some(1)), timer(Some(2)), timer(None)]);
    assert!(queue.close(Closed::Unavailable(Duration::from_secs(1))).is_empty());
    fill(&queue, vec![end(2), answer(1)]);
    queue.begin_adoption();
    queue.open();
    queue.adopt(vec![connection(1)], Missing::default(), false);
    assert_eq!(drain(&queue, 16), ["a1", "?1 ?0 q1"], "and an answer that came meanwhile");
}
