//! What waits, dealt out anew.

use super::*;
use crate::handler::queue::{Batch, Missed};
use std::{num::NonZeroUsize, time::SystemTime};
use tengen_core::{
    event::{Closing, Message, Occurrence},
    trace::Span,
};
use tengen_settings::Affinity;
use tengen_wire::{
    id::EventId,
    payload::{Encoding, Payload},
};

fn deal(of: u16, turn: u32) -> Deal {
    Deal { affinity: Affinity::Connection, of, turn }
}

fn queues(count: usize) -> Vec<Arc<Queue>> {
    let bound = NonZeroUsize::new(16).expect("not zero");
    (0..count).map(|_| Arc::new(Queue::of_turn(bound, 0))).collect()
}

fn connection(handle: u32) -> Arc<Connection> {
    Arc::new(Connection::anybody(handle))
}

fn event(of: Option<&Arc<Connection>>, what: Occurrence) -> Event {
    let (connection, at) = (of.cloned(), SystemTime::now());
    Event { connection, seq: 1, at, what, span: Span::none(), permit: None }
}

fn message(of: &Arc<Connection>, id: &str) -> Event {
    let payload = Payload::nil(Encoding::Json);
    let id = EventId::from(format!("a/{id}").as_str());
    event(Some(of), Occurrence::Message(Message { id, payload, reply_to: None }))
}

fn end(of: &Arc<Connection>) -> Event {
    let closing = Closing { code: 1000, reason: String::new(), clean: true };
    event(Some(of), Occurrence::Closed(closing))
}

fn offer(queue: &Queue, event: Event, turn: u32) {
    queue.offer(event, turn).expect("it is taken");
}

/// What waits, each with the handle of its connection: `opened 1`.
fn waits(queue: &Queue) -> Vec<String> {
    let mut batch = Batch::default();
    let mut words = Vec::new();
    while queue.take(crate::handler::line::Share::of(1), &mut batch) {
        words.extend(batch.events.iter().map(|event| {
            let handle = event.connection.as_ref().map_or(0, |connection| connection.handle.0);
            format!("{} {handle}", event.word())
        }));
    }
    words
}

#[test]
fn what_waits_of_a_connection_goes_with_it_in_order() {
    let queues = queues(3);
    let [one, two, three] = [1, 2, 3].map(connection);
    for connection in [&one, &two, &three] {
        offer(&queues[0], event(Some(connection), Occurrence::Opened), 0);
        offer(&queues[0], message(connection, "x"), 0);
        offer(&queues[0], message(connection, "y"), 0);
    }
    offer(&queues[0], event(None, Occurrence::Timer("t".into())), 0);
    let mut then = false;
    Queue::deal_anew(&queues, deal(3, 1), || then = true);
    assert!(then);
    assert_eq!(queues[0].connections(), 1);
    assert_eq!(waits(&queues[0]), ["opened 3", "a/x 3", "a/y 3", "timer 0"]);
    assert_eq!(waits(&queues[1]), ["opened 1", "a/x 1", "a/y 1"]);
    assert_eq!(waits(&queues[2]), ["opened 2", "a/x 2", "a/y 2"]);
    // They are known where they are now: nothing is said of them again.
    offer(&queues[1], message(&one, "z"), 1);
    assert_eq!(waits(&queues[1]), ["a/z 1"]);
    // And back, to fewer.
    offer(&queues[1], message(&one, "p"), 1);
    offer(&queues[2], event(None, Occurrence::Timer("u".into())), 1);
    offer(&queues[2], end(&two), 1);
    Queue::deal_anew(&queues, deal(1, 2), || {});
    assert_eq!(waits(&queues[0]), ["a/p 1", "timer 0", "closed 2"]);
    assert_eq!(queues[0].connections(), 2);
    assert!(waits(&queues[1]).is_empty() && waits(&queues[2]).is_empty());
}

#[test]
fn what_was_dealt_out_before_is_not_taken_after_and_comes_back_whole() {
    let queues = queues(2);
    Queue::deal_anew(&queues, deal(2, 1), || {});
    let one = connection(1);
    let Err(Missed::Moved(event)) = queues[0].offer(message(&one, "late"), 0) else {
        panic!("it belongs to the other one");
    };
    assert_eq!(event.word(), "a/late");
    offer(&queues[1], *event, 1);
}

#[test]
fn who_waits_for_room_is_called_for_its_events_may_go_elsewhere() {
    use std::sync::atomic::{AtomicBool, Ordering};
    struct Called(AtomicBool);
    impl std::task::Wake for Called {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let queues = queues(2);
    let one = connection(1);
    (0..8).for_each(|_| offer(&queues[0], message(&one, "x"), 0));
    let called = Arc::new(Called(AtomicBool::new(false)));
    let task = Waker::from(Arc::clone(&called));
    assert!(!queues[0].has_room(&mut tengen_core::handler::Seen::default(), &task));
    Queue::deal_anew(&queues, deal(2, 1), || {});
    assert!(called.0.load(Ordering::Relaxed));
}

#[test]
fn those_whom_no_instance_knew_are_adopted_and_nobody_else() {
    let queues = queues(1);
    let [told, waits_of, unknown, gone] = [1, 2, 3, 4].map(connection);
    offer(&queues[0], event(Some(&told), Occurrence::Opened), 0);
    assert_eq!(waits(&queues[0]), ["opened 1"]);
    // Known to the instance, and its end waits: it is no more to be told of.
    offer(&queues[0], event(Some(&waits_of), Occurrence::Opened), 0);
    offer(&queues[0], end(&waits_of), 0);
    let dealt = Queue::deal_anew(&queues, deal(1, 1), || {});
    // It ends while connections are listed.
    offer(&queues[0], end(&gone), 1);
    let [dealt] = dealt[..] else { panic!("one queue") };
    queues[0].adopt_rest(vec![told, waits_of, unknown, gone], dealt);
    let expected = ["adopted 3", "adopted 4", "opened 2", "closed 2", "closed 4"];
    assert_eq!(waits(&queues[0]), expected);
    assert_eq!(queues[0].connections(), 2, "1 and 3");
    offer(&queues[0], end(&connection(5)), 1);
    assert!(waits(&queues[0]).is_empty(), "ends of strangers are not kept any more");
}
