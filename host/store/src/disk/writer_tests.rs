//! The thread that writes, with a disk that does as it is told.

use super::*;
use crate::disk::line::tests::change;
use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
};
use tengen_core::store::Refusal;

/// What the disk does with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    Take,
    Fail,
    Panic,
}

/// A disk that does as it is told, and tells what it got.
struct Told {
    orders: Receiver<Does>,
    got: SyncSender<(Does, Vec<String>)>,
    closed: Arc<Mutex<Option<bool>>>,
}

impl Commit for Told {
    fn commit(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let does = self.orders.recv().unwrap_or(Does::Fail);
        let keys = batch.changes.keys().map(|(_, key)| key.to_string()).collect();
        self.got.send((does, keys)).ok();
        match does {
            Does::Take => Ok(()),
            Does::Fail => Err(redb::Error::PreviousIo.into()),
            Does::Panic => panic!("as it was told"),
        }
    }

    fn close(self, clean: bool) -> Result<(), CommitError> {
        *self.closed.lock().unwrap() = Some(clean);
        Ok(())
    }
}

struct Run {
    line: Arc<Line>,
    orders: SyncSender<Does>,
    got: Receiver<(Does, Vec<String>)>,
    closed: Arc<Mutex<Option<bool>>>,
    thread: JoinHandle<()>,
}

fn run(bytes: usize) -> Run {
    let line = Arc::new(Line::new(bytes, 0));
    let (orders, for_disk) = sync_channel(100);
    let (from_disk, got) = sync_channel(100);
    let closed = Arc::default();
    let disk = Told { orders: for_disk, got: from_disk, closed: Arc::clone(&closed) };
    let writer = Writer::new(Arc::clone(&line), disk);
    Run { line, orders, got, closed, thread: thread::spawn(move || writer.run()) }
}

impl Run {
    /// What became of the next batch, and its keys.
    fn next(&self, does: Does) -> (Does, String) {
        self.orders.send(does).unwrap();
        let (does, keys) = self.got.recv().unwrap();
        (does, keys.concat())
    }

    fn close(self, within: Duration) -> (u64, Option<bool>) {
        let left = self.line.close(Instant::now() + within);
        drop(self.orders);
        self.thread.join().unwrap();
        let closed = *self.closed.lock().unwrap();
        (left, closed)
    }
}

#[test]
fn what_failed_is_tried_again_before_what_came_later() {
    let run = run(1 << 20);
    run.line.push(&change("a", 1, 0)).unwrap();
    assert_eq!(run.next(Does::Fail), (Does::Fail, "a".into()));
    run.line.push(&change("b", 2, 0)).unwrap();
    run.line.push(&change("a", 3, 0)).unwrap();
    assert_eq!(run.next(Does::Panic), (Does::Panic, "a".into()));
    assert_eq!(run.next(Does::Take), (Does::Take, "a".into()));
    assert_eq!(run.next(Does::Take), (Does::Take, "ab".into()));
    assert_eq!(run.close(Duration::from_secs(60)), (0, Some(true)));
}

#[test]
fn while_the_disk_takes_nothing_writes_are_refused_and_then_go_on() {
    let run = run(change("a", 1, 0).bytes() * 3);
    run.line.push(&change("a", 1, 0)).unwrap();
    run.next(Does::Fail);
    let mut accepted = VecDeque::new();
    while run.line.push(&change(&accepted.len().to_string(), 2, 0)).is_ok() {
        accepted.push_back(());
    }
    assert_eq!(accepted.len(), 2);
    run.next(Does::Take);
    assert_eq!(run.next(Does::Take), (Does::Take, "01".into()), "nothing else came between");
    // It is told that it is there only after the disk has told us.
    while run.line.push(&change("b", 3, 0)) == Err(Refusal::Behind) {
        thread::yield_now();
    }
    run.orders.send(Does::Take).unwrap();
    assert_eq!(run.close(Duration::from_secs(60)), (0, Some(true)));
}

#[test]
fn at_the_end_all_is_brought_or_it_is_said_how_much_is_not() {
    let done = run(1 << 20);
    done.line.push(&change("a", 1, 0)).unwrap();
    done.orders.send(Does::Take).unwrap();
    assert_eq!(done.close(Duration::from_secs(60)), (0, Some(true)));

    let failing = run(1 << 20);
    failing.line.push(&change("a", 1, 0)).unwrap();
    failing.line.push(&change("a", 2, 0)).unwrap();
    failing.next(Does::Fail);
    failing.line.push(&change("b", 3, 0)).unwrap();
    let orders = failing.orders.clone();
    (0..99).for_each(|_| assert_eq!(orders.try_send(Does::Fail), Ok(())));
    drop(orders);
    assert_eq!(failing.close(Duration::from_millis(300)), (3, None), "it was not closed as clean");
}

#[test]
fn what_is_abandoned_ends_without_a_further_batch() {
    let run = run(1 << 20);
    run.line.push(&change("a", 1, 0)).unwrap();
    run.next(Does::Fail);
    run.line.abandon();
    run.thread.join().unwrap();
    assert!(run.got.try_recv().is_err(), "it was not tried again");
    assert_eq!(*run.closed.lock().unwrap(), None);
}
