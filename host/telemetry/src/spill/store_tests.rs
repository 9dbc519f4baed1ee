//! Records in files.

use super::*;
use proptest::prelude::*;

fn records(bodies: &[Vec<u8>]) -> Records {
    let mut records = Records::default();
    bodies.iter().for_each(|body| records.add(|to| to.extend_from_slice(body)));
    records
}

fn body(number: usize, length: usize) -> Vec<u8> {
    let mut body = number.to_le_bytes().to_vec();
    body.resize(length.max(8), 7);
    body
}

fn all(store: &mut Store) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while store.records() > 0 {
        let (bodies, lost) = store.read(3).unwrap();
        assert_eq!(lost, 0);
        all.extend(bodies);
    }
    all
}

#[test]
fn a_file_is_removed_when_all_of_it_was_read() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, found) = Store::open(folder.path(), 64 << 10).unwrap();
    assert_eq!(found, Found::default());
    let bodies: Vec<_> = (0..100).map(|number| body(number, 400)).collect();
    assert_eq!(store.append(&records(&bodies)).0, 100);
    assert!(store.files.len() > 3, "an eighth of the budget is the most of one");
    assert_eq!(all(&mut store), bodies);
    assert_eq!((store.records(), store.bytes(), store.files.len()), (0, 0, 0));
    let names = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(names, 1, "the lock");
}

#[test]
fn a_file_that_is_gone_costs_its_records_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(folder.path(), 64 << 10).unwrap();
    let bodies: Vec<_> = (0..100).map(|number| body(number, 400)).collect();
    store.append(&records(&bodies)).1.unwrap();
    let gone = store.files[1].records;
    fs::remove_file(named(folder.path(), store.files[1].number)).unwrap();
    let (read, lost) = store.read(1000).unwrap();
    assert_eq!((read.len() as u64, lost), (100 - gone, gone));
}

#[test]
fn a_record_that_does_not_fit_a_file_has_one_to_itself_and_over_the_budget_none() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(folder.path(), 64 << 10).unwrap();
    let bodies = [body(0, 10), body(1, 20 << 10), body(2, 10), body(3, 60 << 10), body(4, 10)];
    let (done, result) = store.append(&records(&bodies));
    assert_eq!((done, result.is_ok(), store.files.len()), (3, true, 3));
    assert_eq!(all(&mut store), bodies[..3]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is written, read and left for other runs, it comes in order, none is missing and none comes twice.
    #[test]
    fn a_store_is_a_queue_that_outlives_runs(
        steps in proptest::collection::vec((0_u8..4, 1_usize..40, 8_usize..600), 1..40),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open(folder.path(), 1 << 20).unwrap();
        let (mut store, _) = open();
        let mut expected = VecDeque::new();
        let mut next = 0;
        for (what, count, length) in steps {
            match what {
                0 | 1 => {
                    let bodies: Vec<_> = (next..next + count).map(|it| body(it, length)).collect();
                    prop_assert_eq!(store.append(&records(&bodies)).0, count);
                    expected.extend(bodies);
                    next += count;
                }
                2 => {
                    let (read, lost) = store.read(count).unwrap();
                    prop_assert_eq!((read.len(), lost), (count.min(expected.len()), 0));
                    let those: Vec<_> = expected.drain(..read.len()).collect();
                    prop_assert_eq!(read, those);
                }
                _ => {
                    // Of what was read last, some is not delivered.
                    let (read, _) = store.read(count).unwrap();
                    let back = read.len() / 2;
                    expected.drain(..read.len() - back);
                    let finished = store.finish(&records(&read[read.len() - back..]));
                    prop_assert!(finished.result.is_ok());
                    prop_assert_eq!(finished.records, expected.len() as u64);
                    let (again, found) = open();
                    prop_assert_eq!(found, Found { records: expected.len() as u64, ..Found::default() });
                    prop_assert_eq!(again.bytes(), finished.bytes);
                    store = again;
                }
            }
        }
        prop_assert_eq!(all(&mut store), Vec::from(expected));
    }
}
