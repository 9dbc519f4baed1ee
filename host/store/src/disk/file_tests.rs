//! A process that dies at any moment leaves the batches that were there, each whole.

use super::*;
use crate::disk::line::tests::change;
use redb::BackendError;
use std::{
    io,
    sync::{Arc, Mutex},
};
use tengen_core::store::{Bounds, Wanted};

/// A file in memory that can be looked at after each thing that was done to it.
#[derive(Debug, Default, Clone)]
struct Image(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// What the file was after each step; empty: they are not kept.
    steps: Option<Vec<Vec<u8>>>,
    fails: bool,
}

impl Image {
    fn of(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Kept { bytes, ..Kept::default() })))
    }

    fn step(&self, what: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut kept = self.0.lock().unwrap();
        if kept.fails {
            return Err(io::Error::other("the disk is full"));
        }
        what(&mut kept.bytes);
        let now = kept.bytes.clone();
        if let Some(steps) = &mut kept.steps {
            steps.push(now);
        }
        Ok(())
    }
}

impl StorageBackend for Image {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let kept = self.0.lock().unwrap();
        let from = kept.bytes.get(offset as usize..).unwrap_or_default();
        let found = from.get(..out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.step(|bytes| bytes.resize(length as usize, 0))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.step(|_| ())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.step(|bytes| bytes[offset as usize..][..data.len()].copy_from_slice(data))
    }

    fn unlock_range(
        &self,
        _: std::ops::Bound<u64>,
        _: std::ops::Bound<u64>,
    ) -> Result<(), BackendError> {
        Ok(())
    }
}

fn open(image: &Image, tables: &mut Tables) -> Result<File, Why> {
    let image = image.clone();
    File::with(Box::new(move |checked| super::database(image.clone(), checked)), 0, tables)
}

/// By key, the versions.
fn seen(tables: &Tables) -> Vec<(String, u64)> {
    let page = tables.page("b", &Wanted { prefix: "", after: None, limit: 1000 });
    page.entries.iter().map(|(key, entry)| (key.to_string(), entry.version)).collect()
}

fn tables() -> Tables {
    Tables::new(Bounds::default())
}

/// Ten keys at once, with the version of the batch; in every third they are taken away.
fn batch(number: u64) -> Batch {
    let mut batch = Batch::default();
    for key in 0..10 {
        let version = if number.is_multiple_of(3) { 0 } else { number };
        batch.push(&change(&key.to_string(), version, 500 * key));
    }
    batch.version = number;
    batch
}

fn after(number: u64) -> Vec<(String, u64)> {
    let there = !number.is_multiple_of(3);
    (0..10).filter(|_| there).map(|key| (key.to_string(), number)).collect()
}

#[test]
fn wherever_a_process_dies_each_batch_is_there_whole_or_not_at_all() {
    let image = Image::default();
    let mut file = open(&image, &mut tables()).unwrap();
    for number in 1..8 {
        let kept = |image: &Image| image.0.lock().unwrap().steps.take();
        image.0.lock().unwrap().steps = Some(Vec::new());
        file.commit(&batch(number)).unwrap();
        let steps = kept(&image).unwrap();
        assert!(steps.len() > 3, "there is something to see");
        let mut came = Vec::new();
        for left in steps {
            let mut found = tables();
            open(&Image::of(left), &mut found).unwrap();
            assert!(found.version() > number, "{} was given perhaps", found.version());
            came.push(seen(&found) == after(number));
            assert!(
                came.ends_with(&[true]) || seen(&found) == after(number - 1),
                "half of {number}"
            );
        }
        assert!(came.is_sorted() && came.ends_with(&[true]), "once it is there it stays: {came:?}");
    }
}

#[test]
fn after_a_failure_the_file_is_opened_anew_and_the_batch_is_there() {
    let image = Image::default();
    let mut file = open(&image, &mut tables()).unwrap();
    file.commit(&batch(1)).unwrap();
    image.0.lock().unwrap().fails = true;
    for _ in 0..3 {
        file.commit(&batch(2)).unwrap_err();
    }
    image.0.lock().unwrap().fails = false;
    file.commit(&batch(2)).unwrap();
    file.close(true).unwrap();
    let mut found = tables();
    open(&image, &mut found).unwrap();
    assert_eq!((seen(&found), found.version()), (after(2), 2));
}

#[test]
fn a_file_that_was_closed_goes_on_with_the_next_version_and_another_leaves_some_out() {
    for (clean, least) in [(true, 2), (false, 2 + (1 << 20))] {
        let image = Image::default();
        let mut file = open(&image, &mut tables()).unwrap();
        file.commit(&batch(2)).unwrap();
        file.close(clean).unwrap();
        let mut found = tables();
        open(&image, &mut found).unwrap();
        assert_eq!(found.version(), least, "clean: {clean}");
        let mut again = tables();
        open(&image, &mut again).unwrap();
        assert_eq!(again.version(), least + (1 << 20), "that one was not closed");
    }
}

#[test]
fn a_damaged_byte_is_said_or_makes_no_difference() {
    let image = Image::default();
    let mut file = open(&image, &mut tables()).unwrap();
    file.commit(&batch(1)).unwrap();
    file.close(true).unwrap();
    let whole = image.0.lock().unwrap().bytes.clone();
    let mut said = 0;
    for place in (0..whole.len()).step_by(997) {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x55;
        let mut found = tables();
        match open(&Image::of(damaged), &mut found) {
            Ok(_) => assert_eq!(seen(&found), after(1), "at {place}"),
            Err(_) => said += 1,
        }
    }
    assert!(said > 0);
}

#[test]
fn another_database_is_no_store() {
    let image = Image::default();
    let other = redb::TableDefinition::<&str, u64>::new("others");
    let database = super::database(image.clone(), false).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(other).unwrap().insert("k", 1).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert!(matches!(open(&image, &mut tables()), Err(Why::Foreign)));
}
