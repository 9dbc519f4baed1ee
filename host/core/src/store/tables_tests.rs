//! Buckets against one plain map, and their bounds.

use super::*;
use bytes::Bytes;
use proptest::prelude::*;

fn put(bucket: &str, key: &str, value: &str) -> Write {
    Write {
        bucket: bucket.into(),
        key: key.into(),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        expected: None,
    }
}

fn take(bucket: &str, key: &str) -> Write {
    Write { value: None, ..put(bucket, key, "") }
}

fn only(write: Write, expected: Expected) -> Write {
    Write { expected: Some(expected), ..write }
}

/// As an engine does it: the version that stands there now.
fn write(tables: &mut Tables, write: &Write) -> Result<Option<u64>, Refusal> {
    let change = tables.check(write)?;
    let version = change.as_ref().and_then(|change| change.now.as_ref()).map(|entry| entry.version);
    change.into_iter().for_each(|change| tables.apply(change));
    Ok(version)
}

fn tables() -> Tables {
    Tables::new(Bounds::default())
}

#[test]
fn versions_count_the_writes_and_come_never_again() {
    let mut tables = tables();
    assert_eq!(write(&mut tables, &put("b", "k", "one")), Ok(Some(1)));
    assert_eq!(write(&mut tables, &put("b", "k", "two")), Ok(Some(2)));
    assert_eq!(write(&mut tables, &take("b", "k")), Ok(None));
    assert_eq!(write(&mut tables, &put("b", "k", "one")), Ok(Some(3)), "it is another value");
    let old = only(put("b", "k", "four"), Expected::Version(1));
    assert_eq!(write(&mut tables, &old), Err(Refusal::Conflict { found: Some(3) }));
    assert_eq!(write(&mut tables, &put("other", "k", "")), Ok(Some(4)));
}

#[track_caller]
fn check(expected: Option<Expected>, of_known: bool, of_absent: bool) {
    for (key, allowed) in [("known", of_known), ("absent", of_absent)] {
        for value in [Some(Bytes::new()), None] {
            let mut tables = tables();
            write(&mut tables, &put("b", "known", "")).unwrap();
            let found = (key == "known").then_some(1);
            let wanted = Write { expected, value, ..take("b", key) };
            let refused = (!allowed).then_some(Refusal::Conflict { found });
            assert_eq!(write(&mut tables, &wanted).err(), refused, "{wanted:?}");
            let left = tables.get("b", "known").is_some();
            assert_eq!(left, key == "absent" || wanted.value.is_some() || !allowed);
        }
    }
}

#[test]
fn a_write_is_carried_out_where_there_is_what_was_expected() {
    check(None, true, true);
    check(Some(Expected::Absent), false, true);
    check(Some(Expected::Version(1)), true, false);
    check(Some(Expected::Version(2)), false, false);
    check(Some(Expected::Version(0)), false, false);
}

#[test]
fn what_is_no_name_is_refused() {
    let mut tables = tables();
    for name in ["", " k", "a\nb", "\u{200b}", &"k".repeat(257)] {
        assert_eq!(write(&mut tables, &put(name, "k", "")), Err(Refusal::BucketName), "{name:?}");
        assert_eq!(write(&mut tables, &put("b", name, "")), Err(Refusal::KeyName), "{name:?}");
    }
    assert_eq!(write(&mut tables, &put("b", &"k".repeat(256), "")), Ok(Some(1)));
}

#[test]
fn nothing_grows_past_its_bound_and_all_may_shrink() {
    let bounds = Bounds {
        value: 100,
        bucket_bytes: BUCKET + 1 + 2 * (ENTRY + 1) + 100,
        bucket_entries: 2,
        bytes: 2 * (BUCKET + 1) + 3 * (ENTRY + 1) + 150,
    };
    let mut tables = Tables::new(bounds);
    let of = |length: usize| "v".repeat(length);
    let mut said = |it: &Write| write(&mut tables, it).err();
    assert_eq!(said(&put("a", "1", &of(101))), Some(Refusal::TooLarge { most: 100 }));
    assert_eq!(said(&put("a", "1", &of(100))), None);
    let full = Some(Refusal::BucketBytes { most: bounds.bucket_bytes });
    assert_eq!(said(&put("a", "2", "v")), full);
    assert_eq!(said(&put("a", "2", "")), None);
    assert_eq!(said(&put("a", "1", &of(99))), None, "it shrinks");
    assert_eq!(said(&take("a", "1")), None);
    assert_eq!(said(&put("a", "3", &of(100))), None);
    assert_eq!(said(&take("a", "2")), None);
    assert_eq!(said(&put("a", "1", "")), None);
    assert_eq!(said(&put("a", "4", "")), full);
    assert_eq!(said(&put("b", "1", &of(51))), Some(Refusal::StoreBytes { most: bounds.bytes }));
    assert_eq!(said(&put("b", "1", &of(50))), None);
    assert_eq!(said(&put("c", "1", "")), Some(Refusal::StoreBytes { most: bounds.bytes }));

    let mut few = Tables::new(Bounds { bucket_entries: 1, ..Bounds::default() });
    write(&mut few, &put("a", "1", "")).unwrap();
    let more = write(&mut few, &put("a", "2", ""));
    assert_eq!(more, Err(Refusal::BucketEntries { most: 1 }));
    assert_eq!(write(&mut few, &put("a", "1", "longer")), Ok(Some(2)), "none comes along");
}

#[test]
fn what_was_written_under_larger_bounds_stays_and_may_only_shrink() {
    let mut tables = Tables::new(Bounds { bytes: 1, bucket_bytes: 1, ..Bounds::default() });
    let entry = Entry { value: Bytes::from_static(b"value"), version: 7 };
    tables.load("b", "k", entry.clone()).unwrap();
    assert_eq!(tables.get("b", "k"), Some(&entry));
    assert_eq!(write(&mut tables, &put("b", "k", "VALUE")), Ok(Some(8)), "as long as before");
    let longer = write(&mut tables, &put("b", "k", "longer"));
    assert_eq!(longer, Err(Refusal::BucketBytes { most: 1 }));
    assert_eq!(write(&mut tables, &take("b", "k")), Ok(None));
    assert_eq!((tables.buckets(), tables.bytes()), (0, 0));
}

#[test]
fn what_no_store_has_written_is_not_loaded() {
    let entry = |version| Entry { value: Bytes::new(), version };
    for (bucket, key, version) in
        [("", "k", 1), ("b", "", 1), ("b", "k", 0), ("b", "k", (1 << 53) + 1)]
    {
        assert_eq!(
            tables().load(bucket, key, entry(version)),
            Err(Foreign),
            "{bucket} {key} {version}"
        );
    }
    let mut last = tables();
    last.load("b", "k", entry(VERSION_MAX)).unwrap();
    assert_eq!(write(&mut last, &put("b", "k", "")), Err(Refusal::Versions));
    assert_eq!(write(&mut last, &take("b", "k")), Ok(None));
}

fn keys(page: &Page) -> Vec<&str> {
    page.entries.iter().map(|(key, _)| &**key).collect()
}

#[test]
fn a_page_is_bounded_in_entries_and_in_bytes() {
    let mut tables = tables();
    let large = "v".repeat(PAGE_BYTES);
    for (key, value) in [("a", ""), ("b", &large), ("c", ""), ("d", &large)] {
        write(&mut tables, &put("b", key, value)).unwrap();
    }
    let page = |after, limit| tables.page("b", &Wanted { prefix: "", after, limit });
    let seen = |after, limit| {
        let page = page(after, limit);
        (keys(&page).concat(), page.next.as_deref().map(str::to_owned))
    };
    let expected = |keys: &str, next: Option<&str>| (keys.to_owned(), next.map(str::to_owned));
    assert_eq!(seen(None, 9), expected("a", Some("a")), "the next one is too large beside it");
    assert_eq!(seen(Some("a"), 9), expected("b", Some("b")), "but goes alone");
    assert_eq!(seen(Some("b"), 9), expected("c", Some("c")));
    assert_eq!(seen(Some("c"), 9), expected("d", None), "and that was all");
    assert_eq!(seen(Some("d"), 9), expected("", None));
    assert_eq!(seen(None, 0), expected("a", Some("a")), "none at all would never end");

    for number in 0..1001 {
        write(&mut tables, &put("many", &format!("{number:04}"), "")).unwrap();
    }
    let page = tables.page("many", &Wanted { prefix: "", after: None, limit: usize::MAX });
    assert_eq!((page.entries.len(), page.next.as_deref()), (1000, Some("0999")));
}

/// What may be done to a store.
#[derive(Debug, Clone)]
enum Step {
    Write(Write),
    Page { prefix: String, after: Option<String>, limit: usize },
}

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof![Just('a'), Just('b'), Just('ü')], 1..3)
        .prop_map(|characters| characters.into_iter().collect())
}

fn step() -> impl Strategy<Value = Step> {
    let expected = proptest::option::of(prop_oneof![
        Just(Expected::Absent),
        (0..20_u64).prop_map(Expected::Version)
    ]);
    let value = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..30));
    let write = (0..2_u8, name(), value, expected).prop_map(|(bucket, key, value, expected)| {
        let value = value.map(Bytes::from);
        Step::Write(Write { bucket: bucket.to_string(), key, value, expected })
    });
    let page = (proptest::option::of(name()), proptest::option::of(name()), 1..5_usize).prop_map(
        |(prefix, after, limit)| Step::Page { prefix: prefix.unwrap_or_default(), after, limit },
    );
    prop_oneof![5 => write, 1 => page]
}

type Model = BTreeMap<(String, String), (Bytes, u64)>;

fn model_bytes(model: &Model) -> usize {
    let buckets: std::collections::BTreeSet<_> = model.keys().map(|(bucket, _)| bucket).collect();
    let names: usize = buckets.iter().map(|bucket| bucket.len() + BUCKET).sum();
    let entries = model.iter().map(|((_, key), (value, _))| key.len() + value.len() + ENTRY);
    names + entries.sum::<usize>()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn buckets_are_what_one_plain_map_is(steps in proptest::collection::vec(step(), 0..60)) {
        let mut tables = tables();
        let (mut model, mut last) = (Model::new(), 0);
        for step in steps {
            match step {
                Step::Write(wanted) => {
                    let at = (wanted.bucket.clone(), wanted.key.clone());
                    let found = model.get(&at).map(|(_, version)| *version);
                    let is_so = match wanted.expected {
                        None => true,
                        Some(Expected::Absent) => found.is_none(),
                        Some(Expected::Version(version)) => found == Some(version),
                    };
                    let said = write(&mut tables, &wanted);
                    if !is_so {
                        prop_assert_eq!(said, Err(Refusal::Conflict { found }));
                        continue;
                    }
                    let Some(value) = wanted.value else {
                        prop_assert_eq!(said, Ok(None));
                        model.remove(&at);
                        continue;
                    };
                    last += 1;
                    prop_assert_eq!(said, Ok(Some(last)));
                    model.insert(at, (value, last));
                }
                Step::Page { prefix, after, limit } => {
                    let wanted = Wanted { prefix: &prefix, after: after.as_deref(), limit };
                    let page = tables.page("0", &wanted);
                    let mut all = model.iter().filter(|((bucket, key), _)| {
                        bucket == "0" && key.starts_with(&prefix) && after.as_ref().is_none_or(|after| key > after)
                    });
                    let expected: Vec<_> = all.by_ref().take(limit).collect();
                    prop_assert_eq!(page.entries.len(), expected.len());
                    for ((key, entry), ((_, known), (value, version))) in page.entries.iter().zip(&expected) {
                        prop_assert_eq!((&**key, &entry.value, entry.version), (known.as_str(), value, *version));
                    }
                    let last = expected.last().map(|((_, key), _)| key.as_str());
                    prop_assert_eq!(page.next.as_deref(), last.filter(|_| all.next().is_some()));
                }
            }
            prop_assert_eq!((tables.entries(), tables.bytes()), (model.len(), model_bytes(&model)));
            prop_assert_eq!(tables.version(), last);
        }
    }
}
