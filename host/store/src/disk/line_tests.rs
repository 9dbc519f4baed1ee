//! What waits for the disk, in which order, and how much of it.

use super::*;
use bytes::Bytes;
use std::thread;
use tengen_core::store::Entry;

pub(in crate::disk) fn change(key: &str, version: u64, length: usize) -> Change {
    let now = (version > 0).then(|| Entry { value: Bytes::from(vec![b'v'; length]), version });
    Change { bucket: "b".into(), key: key.into(), now }
}

/// By key, the versions.
fn seen(batch: &Batch) -> Vec<(&str, Option<u64>)> {
    let changes = batch.changes.iter();
    changes.map(|((_, key), it)| (&**key, it.now.as_ref().map(|entry| entry.version))).collect()
}

#[test]
fn a_batch_has_the_last_of_each_key_and_the_last_version() {
    let line = Line::new(1 << 20, 3);
    for (key, version) in [("a", 4), ("b", 5), ("a", 6), ("b", 0), ("c", 0)] {
        line.push(&change(key, version, 10)).unwrap();
    }
    let batch = line.take().unwrap();
    assert_eq!(seen(&batch), [("a", Some(6)), ("b", None), ("c", None)]);
    assert_eq!((batch.version, batch.writes()), (6, 5));
    line.brought();
    line.push(&change("d", 0, 0)).unwrap();
    assert_eq!(line.take().unwrap().version, 6, "to take away gives no version");
}

#[test]
fn a_batch_is_not_taken_before_its_time_unless_the_end_is_near() {
    let line = Line::new(1 << 20, 0);
    let before = Instant::now();
    line.push(&change("a", 1, 0)).unwrap();
    line.take().unwrap();
    assert!(before.elapsed() >= GATHERED);
    line.push(&change("a", 2, 0)).unwrap();
    thread::scope(|scope| {
        let left = scope.spawn(|| line.close(Instant::now() + Duration::from_secs(60)));
        while line.push(&change("b", 3, 0)).is_ok() {}
        let batch = line.take().unwrap();
        assert_eq!(batch.changes.len(), batch.changes.keys().count());
        line.brought();
        assert_eq!(line.take(), None, "nothing follows");
        line.over();
        assert_eq!(left.join().unwrap(), 0);
    });
}

#[test]
fn what_waits_is_bounded_in_bytes_until_it_is_on_the_disk() {
    let of = |length| change("a", 1, length);
    let line = Line::new(of(100).bytes() * 2, 0);
    line.push(&of(100)).unwrap();
    line.push(&change("b", 2, 100)).unwrap();
    assert_eq!(line.push(&change("c", 3, 0)), Err(Refusal::Behind));
    line.take().unwrap();
    assert_eq!(line.push(&change("c", 3, 0)), Err(Refusal::Behind), "it is only on its way");
    line.brought();
    line.push(&change("c", 3, 0)).unwrap();
    assert_eq!(line.waiting(), (1, change("c", 3, 0).bytes()));
}

#[test]
fn what_is_larger_than_all_that_may_wait_goes_alone() {
    let line = Line::new(100, 0);
    line.push(&change("a", 1, 1000)).unwrap();
    assert_eq!(line.push(&change("b", 2, 0)), Err(Refusal::Behind));
}

#[test]
fn what_waits_is_bounded_in_writes_also_where_all_are_at_one_key() {
    let line = Line::new(usize::MAX / 2, 0);
    for version in 1..=WRITES {
        line.push(&change("a", version, 0)).unwrap();
    }
    assert_eq!(line.push(&change("a", WRITES + 1, 0)), Err(Refusal::Behind));
    assert_eq!(line.waiting(), (WRITES, change("a", 1, 0).bytes()), "one is kept");
}

#[test]
fn who_waits_for_the_end_waits_no_longer_than_he_said() {
    let line = Line::new(1 << 20, 0);
    line.push(&change("a", 1, 0)).unwrap();
    line.push(&change("b", 2, 0)).unwrap();
    line.take().unwrap();
    assert_eq!(line.close(Instant::now()), 2, "nobody brought them");
    assert!(!line.pause(Duration::from_secs(60)), "and there is no further try");
}

#[test]
fn an_abandoned_line_gives_nothing_more() {
    let line = Line::new(1 << 20, 0);
    line.push(&change("a", 1, 0)).unwrap();
    line.abandon();
    assert_eq!(line.take(), None);
    assert!(!line.pause(Duration::from_secs(60)));
    assert_eq!(line.push(&change("a", 2, 0)), Err(Refusal::Behind));
}
