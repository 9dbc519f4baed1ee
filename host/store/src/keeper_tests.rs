//! A store as its owner has it: opened, written, closed, and killed.

use super::*;
use bytes::Bytes;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use tempfile::TempDir;
use tengen_core::{
    meter::{Metric, Samples, Value},
    store::{Entry, Expected, Refusal, Wanted, Write},
};

const LONG: Duration = Duration::from_secs(60);

fn put(key: &str, value: impl Into<Bytes>) -> Write {
    Write { bucket: "b".into(), key: key.into(), value: Some(value.into()), expected: None }
}

fn disk(path: &Path) -> Disk {
    Disk { path: path.to_owned(), waiting: 8 << 20 }
}

fn open(path: &Path) -> Keeper {
    Keeper::on_disk(Bounds::default(), &disk(path)).unwrap()
}

fn seen(keeper: &Keeper) -> Vec<(String, Entry)> {
    let page = keeper.store().page("b", &Wanted { prefix: "", after: None, limit: 1000 });
    page.entries.into_iter().map(|(key, entry)| (key.to_string(), entry)).collect()
}

/// The process dies: what waits is lost, and the lock with it.
fn kill(mut keeper: Keeper) {
    let (line, thread) = keeper.writer.take().unwrap();
    line.abandon();
    thread.join().unwrap();
}

#[test]
fn who_writes_reads_it_at_once_with_and_without_a_disk() {
    let folder = TempDir::new().unwrap();
    for keeper in [Keeper::in_memory(Bounds::default()), open(&folder.path().join("kv"))] {
        let store = keeper.store();
        assert_eq!(store.get("b", "k"), None);
        assert_eq!(store.write(put("k", "one")), Ok(Some(1)));
        let one = Entry { value: "one".into(), version: 1 };
        assert_eq!(store.get("b", "k"), Some(one.clone()));
        let refused = Write { expected: Some(Expected::Absent), ..put("k", "two") };
        assert_eq!(store.write(refused), Err(Refusal::Conflict { found: Some(1) }));
        assert_eq!(seen(&keeper), [("k".to_owned(), one)]);
        assert_eq!(store.write(Write { value: None, ..put("k", "") }), Ok(None));
        assert_eq!(store.get("b", "k"), None);
        keeper.close(LONG).unwrap();
    }
}

#[test]
fn what_became_of_writes_is_counted() {
    let folder = TempDir::new().unwrap();
    let keeper = open(&folder.path().join("kv"));
    let store = keeper.store();
    store.write(put("k", "value")).unwrap();
    store.write(put("other", "value")).unwrap();
    store.write(Write { value: None, ..put("k", "") }).unwrap();
    store.write(Write { expected: Some(Expected::Absent), ..put("other", "") }).unwrap_err();
    store.write(put("", "")).unwrap_err();
    keeper.close(LONG).unwrap();
    let mut samples = Samples::default();
    store.collect(&mut samples);
    let samples = samples.sorted();
    let of = |metric| {
        let its = samples.iter().filter(move |sample| sample.metric == metric);
        its.map(|sample| (sample.labels.concat(), sample.value.clone())).collect::<Vec<_>>()
    };
    let whole = |label: &str, count| (label.to_owned(), Value::Whole(count));
    let writes =
        [whole("put", 2), whole("deleted", 1), whole("malformed", 1), whole("conflict", 1)];
    assert_eq!(of(Metric::StoreWrites), writes);
    assert_eq!(of(Metric::StoreEntries), [whole("", 1)]);
    assert_eq!(of(Metric::StoreMemory), [whole("", 1024 + 1 + 192 + 5 + 5)]);
    assert_eq!(of(Metric::StoreWaitingWrites), [whole("", 0)], "all of it is on the disk");
    let [(_, Value::Times(commits))] = &of(Metric::StoreCommits)[..] else { panic!("one") };
    assert!(commits.count() > 0);
}

#[test]
fn what_was_written_is_there_after_the_end() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kv");
    let keeper = open(&path);
    for number in 0..100 {
        keeper.store().write(put(&format!("{number:03}"), number.to_string())).unwrap();
    }
    keeper.store().write(Write { value: None, ..put("050", "") }).unwrap();
    let (before, store) = (seen(&keeper), keeper.store());
    keeper.close(LONG).unwrap();
    assert_eq!(store.write(put("late", "")), Err(Refusal::Behind), "nobody would bring it there");
    let again = open(&path);
    assert_eq!((seen(&again), before.len()), (before, 99));
    assert_eq!(again.store().write(put("next", "")), Ok(Some(101)));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

#[test]
fn a_process_that_dies_loses_the_last_writes_and_no_version_comes_again() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kv");
    let mut last = 0;
    for round in 0..5 {
        let keeper = open(&path);
        let there = seen(&keeper).len();
        // One after the other: what is there afterwards has to be the first of them.
        for number in there..there + 200 {
            last = keeper.store().write(put(&format!("{number:04}"), "v")).unwrap().unwrap();
            if number % 50 == 0 {
                std::thread::yield_now();
            }
        }
        kill(keeper);
        let again = open(&path);
        let keys: Vec<_> = seen(&again).into_iter().map(|(key, _)| key).collect();
        let expected: Vec<_> = (0..keys.len()).map(|number| format!("{number:04}")).collect();
        assert_eq!(
            keys, expected,
            "in round {round}: what came later is never there without what came before"
        );
        assert!(keys.len() >= there, "what was there stays");
        let next = again.store().write(put("z", "")).unwrap().unwrap();
        assert!(next > last, "{next} was given before");
        again.store().write(Write { value: None, ..put("z", "") }).unwrap();
        again.close(LONG).unwrap();
    }
}

#[test]
fn two_gateways_do_not_share_a_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kv");
    let keeper = open(&path);
    let refused = Keeper::on_disk(Bounds::default(), &disk(&path)).unwrap_err().to_string();
    assert!(refused.contains("is in use by another process"), "{refused}");
    keeper.store().write(put("k", "v")).unwrap();
    keeper.close(LONG).unwrap();
    assert_eq!(seen(&open(&path)).len(), 1);
}

#[track_caller]
fn check(path: &Path, part: &str) {
    let refused = Keeper::on_disk(Bounds::default(), &disk(path)).unwrap_err().to_string();
    assert!(refused.contains(part), "{refused}");
    assert!(refused.contains(path.to_str().unwrap()), "{refused}");
}

#[test]
fn a_file_that_is_no_store_is_named_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "not a store\n").unwrap();
    check(&text, "is no key-value store of this gateway: name another file as `store.path`");
    assert_eq!(fs::read_to_string(&text).unwrap(), "not a store\n");
    check(&folder.path().join("none/kv"), "make its folder first");
    check(folder.path(), "see to it that it is a file that this user may read and write");
}

#[test]
fn a_file_that_was_cut_off_is_said_to_be_damaged() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kv");
    let keeper = open(&path);
    keeper.store().write(put("k", vec![0; 100_000])).unwrap();
    keeper.close(LONG).unwrap();
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    check(&path, "is damaged");
    let version = folder.path().join("version");
    fs::write(&version, [&whole[..64], &[0xFF], &whole[65..]].concat()).unwrap();
    assert!(Keeper::on_disk(Bounds::default(), &disk(&version)).is_err());
}

#[test]
fn an_empty_file_becomes_a_store() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kv");
    fs::write(&path, "").unwrap();
    open(&path).close(LONG).unwrap();
    assert!(fs::metadata(&path).unwrap().len() > 0);
}

#[test]
fn a_file_full_of_room_gets_smaller_when_it_is_opened() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("kv");
    let keeper = open(&path);
    for number in 0..7 {
        keeper.store().write(put(&number.to_string(), vec![1; 1 << 20])).unwrap();
    }
    keeper.close(LONG).unwrap();
    let keeper = open(&path);
    for number in (0..7).filter(|number| *number != 4) {
        keeper.store().write(Write { value: None, ..put(&number.to_string(), "") }).unwrap();
    }
    keeper.close(LONG).unwrap();
    let before = fs::metadata(&path).unwrap().len();
    let keeper = open(&path);
    assert_eq!(seen(&keeper).len(), 1);
    keeper.close(LONG).unwrap();
    let after = fs::metadata(&path).unwrap().len();
    assert!(before > 8 << 20 && after < 5 << 20, "{before} {after}");
}
