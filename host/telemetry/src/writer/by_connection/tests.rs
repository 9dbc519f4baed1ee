//! What is in the folder, after lines of some connections were written.

use super::*;
use crate::{
    encode::{Encoder, Format},
    station::{Station, Traits},
    writer::at_once,
};
use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    os::unix::fs::{PermissionsExt, symlink},
};
use tengen_core::sink::Level;

const EACH: usize = 300;

fn limits() -> Files {
    let some = |number| NonZeroUsize::new(number).unwrap();
    Files { count: some(4), size: some(EACH), total: some(900), open: some(2), ..Files::new() }
}

fn id(number: u32) -> String {
    format!("{number:08x}-0000-7000-8000-000000000000")
}

fn signal(connection: &str, message: &str) -> Signal {
    let mut signal = Signal::new(Level::Info, "browser.page", message.to_owned());
    signal.connection = connection.into();
    signal
}

/// Writes each signal when it is said.
fn sink(folder: &Path, limits: Files) -> Arc<Station> {
    let station = Station::new(Traits::new("pages", "file"), crate::filter::Filter::default());
    let output = ByConnection::new(folder.to_owned(), "jsonl", limits);
    at_once(&station, output, Encoder(Format::Json));
    station
}

fn say(station: &Arc<Station>, connection: &str, message: &str) {
    let signal = Arc::new(signal(connection, message));
    let weight = signal.weight();
    station.take_in(&signal, weight, true);
}

/// How many lines each file has.
fn lines(folder: &Path) -> BTreeMap<String, usize> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.metadata().unwrap().is_file());
    files
        .map(|entry| {
            let text = fs::read_to_string(entry.path()).unwrap();
            (entry.file_name().into_string().unwrap(), text.lines().count())
        })
        .collect()
}

#[test]
fn each_connection_has_a_file_and_names_come_from_ids_alone() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("pages");
    let station = sink(&pages, Files::new());
    for (connection, message) in [
        (id(1).as_str(), "a"),
        (id(2).as_str(), "b"),
        (id(1).as_str(), "c"),
        ("", "of nobody"),
        ("../../etc/passwd", "of somebody bad"),
        ("0000000A-0000-7000-8000-000000000000", "not as we write it"),
    ] {
        say(&station, connection, message);
    }
    let expected = [
        (format!("{}.jsonl", id(1)), 2),
        (format!("{}.jsonl", id(2)), 1),
        ("none.jsonl".into(), 3),
    ];
    assert_eq!(lines(&pages), BTreeMap::from(expected));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&pages), mode(&pages.join(format!("{}.jsonl", id(1))))), (0o700, 0o600));
    assert_eq!(station.stats().processed, 6);
}

#[test]
fn files_are_bounded_in_number_and_bytes_each_and_in_all() {
    let folder = tempfile::tempdir().unwrap();
    let station = sink(folder.path(), limits());
    for number in 0..50 {
        for _ in 0..=number % 5 {
            say(&station, &id(number), "hello");
        }
        let entries = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
        let sizes: Vec<_> = entries.map(|entry| entry.metadata().unwrap().len()).collect();
        assert!(sizes.len() <= 4, "{number}: {sizes:?}");
        assert!(sizes.iter().all(|size| *size <= EACH as u64), "{number}: {sizes:?}");
        assert!(sizes.iter().sum::<u64>() <= 900, "{number}: {sizes:?}");
    }
    let there = lines(folder.path());
    assert!(there.contains_key(&format!("{}.jsonl", id(49))), "the newest stay: {there:?}");
    assert_eq!(station.stats().processed, 150);
}

#[test]
fn a_full_file_gives_way_and_the_one_before_it_stays() {
    let folder = tempfile::tempdir().unwrap();
    let station = sink(folder.path(), limits());
    let message = "x".repeat(100);
    (0..3).for_each(|_| say(&station, &id(1), &message));
    let expected = [(format!("{}.1.jsonl", id(1)), 1), (format!("{}.jsonl", id(1)), 1)];
    assert_eq!(lines(folder.path()), BTreeMap::from(expected), "one line fits");
}

#[test]
fn no_more_files_are_open_than_may_be() {
    let folder = tempfile::tempdir().unwrap();
    let mut output = ByConnection::new(folder.path().to_owned(), "jsonl", limits());
    for number in [1, 2, 3, 1, 2, 3] {
        output.prepare(2).unwrap();
        output.lines(&[Arc::new(signal(&id(number), ""))], &[2]);
        assert_eq!(output.write(b"a\n").unwrap(), 2);
        assert!(output.open.len() <= 2);
    }
    let open: Vec<_> = output.open.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(open, [Name::of_connection(&id(2)), Name::of_connection(&id(3))]);
    assert_eq!(lines(folder.path()).values().collect::<Vec<_>>(), [&2, &2, &2]);
}

#[test]
fn no_link_is_followed_and_what_is_not_ours_stays() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("pages");
    fs::create_dir(&pages).unwrap();
    let targets = ["one", "other"].map(|name| folder.path().join(name));
    targets.iter().for_each(|target| fs::write(target, "precious").unwrap());
    symlink(&targets[0], pages.join(format!("{}.jsonl", id(1)))).unwrap();
    fs::hard_link(&targets[1], pages.join(format!("{}.jsonl", id(2)))).unwrap();
    fs::write(pages.join("notes.txt"), "x".repeat(5000)).unwrap();
    let station = sink(&pages, limits());
    (1..=5).for_each(|number| say(&station, &id(number), "hello"));
    for target in &targets {
        assert_eq!(fs::read_to_string(target).unwrap(), "precious");
    }
    assert_eq!(fs::read_to_string(pages.join("notes.txt")).unwrap().len(), 5000);
    assert_eq!(station.stats().processed, 5);
}

#[test]
fn old_files_are_removed_when_somebody_looks() {
    let folder = tempfile::tempdir().unwrap();
    let old = folder.path().join(format!("{}.jsonl", id(1)));
    fs::write(&old, "old\n").unwrap();
    let ago = SystemTime::now() - Duration::from_secs(3600);
    File::options().append(true).open(&old).unwrap().set_modified(ago).unwrap();
    let age = Duration::from_secs(1800);
    let station = sink(folder.path(), Files { age, ..limits() });
    say(&station, &id(2), "new");
    let there: Vec<_> = lines(folder.path()).into_keys().collect();
    assert_eq!(there, [format!("{}.jsonl", id(2))]);
}

#[test]
fn a_line_that_was_cut_is_written_again_on_a_line_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let mut output = ByConnection::new(folder.path().to_owned(), "jsonl", limits());
    let batch = [Arc::new(signal(&id(1), "")), Arc::new(signal(&id(2), ""))];
    let begin = |output: &mut ByConnection| {
        output.prepare(8).unwrap();
        output.lines(&batch, &[4, 8]);
    };
    begin(&mut output);
    assert_eq!(output.write(b"aaa\nbbb\n").unwrap(), 4, "each file gets its own");
    // Of the second line a part was written, and then no more.
    let name = Name::of_connection(&id(2));
    output.file(&name).unwrap().write_all(b"bb").unwrap();
    output.kept.as_mut().unwrap().wrote(&name, 2, SystemTime::now());
    output.kept.as_mut().unwrap().cut(&name);
    begin(&mut output);
    assert_eq!(output.write(b"bbb\n").unwrap(), 4);
    let text = fs::read_to_string(output.path(&name)).unwrap();
    assert_eq!(text, "bb\nbbb\n");
}
