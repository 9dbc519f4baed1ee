//! Records in files, in order, within a budget.
//!
//! ```text
//! FOLDER/0000000100000000.spill    head, record, record, …
//! head    "tengen", its version (u16)
//! record  length of the body (u32), CRC-32 of the body (u32), body; numbers are little-endian
//! ```
//!
//! A file is written once from its beginning to its end, and removed when all of it was read. A file of an earlier run is
//! never written to: where its end was lost, only that is lost. Nothing is synced: what a crash of the gateway finds written
//! is there afterwards; what a power failure finds may not be.

use super::{
    earlier::{self, Form},
    records::{HEAD, RECORD_HEAD, Records, private, record},
};
use std::{
    collections::VecDeque,
    fs::{self, File, TryLockError},
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// A file is no larger than this,
const LARGEST: u64 = 4 << 20;
/// nor than this share of the budget, so that making room costs little.
const SHARE: u64 = 8;
/// The number of the first file: there is room before it for what has to be read first.
const FIRST: u64 = 1 << 32;
const END: &str = ".spill";
/// A file on its way to take the place of another.
const PART: &str = "part";

/// The files of one folder, which nobody else uses meanwhile.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    /// Held as long as this is there.
    _lock: File,
    budget: u64,
    /// From the oldest to the newest.
    files: VecDeque<Segment>,
    /// The least and the greatest number of files that are not ours to touch.
    others: Option<(u64, u64)>,
    /// The last of them, if it was begun by us and may grow.
    growing: Option<File>,
    /// The first of them, from where it was read.
    reading: Option<BufReader<File>>,
}

/// A file, as far as its records are whole.
#[derive(Debug)]
struct Segment {
    number: u64,
    /// Its head and its records.
    bytes: u64,
    /// Of these, what was read.
    read: u64,
    /// Those that were not.
    records: u64,
}

/// What there was when it was opened.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) records: u64,
    /// What cannot be read.
    pub(super) damaged: u64,
    /// The version of files that we do not know, and how many bytes they have: they stay.
    pub(super) unknown: Option<(u16, u64)>,
}

impl Store {
    /// Takes the folder and looks through its files, so it takes as long as reading them.
    pub(super) fn open(folder: &Path, budget: u64) -> io::Result<(Self, Found)> {
        fs::create_dir_all(folder)?;
        let lock = private().create(true).append(true).open(folder.join("lock"))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::other("another gateway spills there"),
            TryLockError::Error(error) => error,
        })?;
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let number = name.strip_suffix(END).and_then(|hex| u64::from_str_radix(hex, 16).ok());
            files.extend(number);
        }
        files.sort_unstable();
        let (files_there, mut found) = (files, Found::default());
        let (mut files, mut others) = (VecDeque::new(), None);
        for number in files_there {
            let path = named(folder, number);
            match earlier::form(&path)? {
                Form::Ours => {}
                Form::Earlier => found.damaged += earlier::renew(&path, &folder.join(PART))?,
                Form::Unknown(version, bytes) => {
                    let (_, before) = found.unknown.unwrap_or_default();
                    found.unknown = Some((version, before + bytes));
                    let (least, _) = *others.get_or_insert((number, number));
                    others = Some((least, number));
                    continue;
                }
            }
            let (segment, damaged) = look_through(&path, number)?;
            found.records += segment.records;
            found.damaged += damaged;
            match segment.records {
                0 => fs::remove_file(path)?,
                _ => files.push_back(segment),
            }
        }
        let folder = folder.to_owned();
        let (growing, reading) = (None, None);
        Ok((Self { folder, _lock: lock, budget, files, others, growing, reading }, found))
    }

    /// Records that were not read.
    pub(super) fn records(&self) -> u64 {
        self.files.iter().map(|file| file.records).sum()
    }

    /// What the files take up.
    pub(super) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Writes as many as the budget allows, from the first; how many, and why no more if it is not that.
    pub(super) fn append(&mut self, records: &Records) -> (usize, io::Result<()>) {
        let mut done = 0;
        while done < records.len() {
            match self.append_some(records, done) {
                Ok(until) if until == done => break,
                Ok(until) => done = until,
                Err(error) => return (done, Err(error)),
            }
        }
        (done, Ok(()))
    }

    /// As many as go into one file.
    fn append_some(&mut self, records: &Records, done: usize) -> io::Result<usize> {
        let left = self.budget.saturating_sub(self.bytes());
        let largest = LARGEST.min(self.budget / SHARE);
        let growing = self.growing.is_some().then(|| self.files.back()).flatten();
        let room = growing.map_or(0, |file| largest.saturating_sub(file.bytes));
        let (until, _) = records.fitting(done, room.min(left));
        if until == done {
            // One that is larger than a file may be has one to itself.
            let left = left.saturating_sub(HEAD.len() as u64);
            let (until, _) = records.fitting(done, largest.min(left));
            let until =
                if until == done { records.fitting(done, left).0.min(done + 1) } else { until };
            if until == done {
                return Ok(done);
            }
            self.begin()?;
            return self.grow(records, done, until);
        }
        self.grow(records, done, until)
    }

    /// A number that no file has, behind all of them.
    fn after_all(&self) -> u64 {
        let ours = self.files.back().map_or(FIRST, |file| file.number + 1);
        self.others.map_or(ours, |(_, greatest)| ours.max(greatest + 1))
    }

    /// A number that no file has, before all of them.
    fn before_all(&self) -> u64 {
        let ours = self.files.front().map_or(FIRST, |file| file.number);
        self.others.map_or(ours, |(least, _)| ours.min(least)).saturating_sub(1)
    }

    fn begin(&mut self) -> io::Result<()> {
        self.growing = None;
        let number = self.after_all();
        let mut file = private().create_new(true).write(true).open(named(&self.folder, number))?;
        if let Err(error) = file.write_all(&HEAD) {
            // What cannot be removed has no record in it.
            fs::remove_file(named(&self.folder, number)).ok();
            return Err(error);
        }
        self.growing = Some(file);
        let bytes = HEAD.len() as u64;
        self.files.push_back(Segment { number, bytes, read: bytes, records: 0 });
        Ok(())
    }

    fn grow(&mut self, records: &Records, from: usize, until: usize) -> io::Result<usize> {
        let bytes = records.bytes().get(records.end(from)..records.end(until)).unwrap_or_default();
        let (Some(file), Some(segment)) = (&mut self.growing, self.files.back_mut()) else {
            return Ok(from);
        };
        if let Err(error) = file.write_all(bytes) {
            // What was written in part is not counted; the next begins a file of its own.
            file.set_len(segment.bytes).ok();
            self.growing = None;
            if segment.records == 0 {
                self.forget_last();
            }
            return Err(error);
        }
        segment.bytes += bytes.len() as u64;
        segment.records += (until - from) as u64;
        Ok(until)
    }

    fn forget_last(&mut self) {
        if self.files.len() == 1 {
            self.reading = None;
        }
        if let Some(last) = self.files.pop_back() {
            fs::remove_file(named(&self.folder, last.number)).ok();
        }
    }

    /// Reads so many bodies at most, from the oldest. What is damaged is passed over with the rest of its file: how many
    /// records that costs.
    pub(super) fn read(&mut self, most: usize) -> io::Result<(Vec<Vec<u8>>, u64)> {
        let (mut bodies, mut lost) = (Vec::new(), 0);
        while bodies.len() < most
            && let Some(first) = self.files.front_mut()
        {
            if first.records == 0 {
                self.forget_first();
                continue;
            }
            let reader = match &mut self.reading {
                Some(reader) => reader,
                None => match open_at(&named(&self.folder, first.number), first.read) {
                    Ok(reader) => self.reading.insert(reader),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {
                        lost += first.records;
                        first.records = 0;
                        continue;
                    }
                    Err(_) if !bodies.is_empty() => break,
                    Err(error) => return Err(error),
                },
            };
            match record(reader, first.bytes - first.read) {
                Ok(Some(body)) => {
                    first.read += (RECORD_HEAD + body.len()) as u64;
                    first.records -= 1;
                    bodies.push(body);
                }
                Ok(None) => {
                    lost += first.records;
                    first.records = 0;
                }
                Err(error) => {
                    self.reading = None;
                    if bodies.is_empty() {
                        return Err(error);
                    }
                    break;
                }
            }
        }
        if self.files.front().is_some_and(|first| first.records == 0) {
            self.forget_first();
        }
        Ok((bodies, lost))
    }

    /// The oldest file gives way; how many records that costs.
    pub(super) fn drop_oldest(&mut self) -> u64 {
        let records = self.files.front().map_or(0, |file| file.records);
        self.forget_first();
        records
    }

    fn forget_first(&mut self) {
        self.reading = None;
        if self.files.len() == 1 {
            self.growing = None;
        }
        if let Some(first) = self.files.pop_front() {
            // What cannot be removed is read again by the next run: better twice than never.
            fs::remove_file(named(&self.folder, first.number)).ok();
        }
    }

    /// The last thing to do: what was read and not delivered goes before all others, and what was delivered of the first
    /// file is taken out of it.
    pub(super) fn finish(mut self, before: &Records) -> Finished {
        self.reading = None;
        let (records, bytes) = (self.records(), self.bytes());
        let head = HEAD.len() as u64;
        let (number, from, until) = match self.files.front() {
            Some(first) if first.read > head => (first.number, first.read, first.bytes),
            Some(_) if before.len() > 0 => (self.before_all(), head, head),
            None if before.len() > 0 => (self.before_all(), head, head),
            _ => return Finished { done: 0, records, bytes, result: Ok(()) },
        };
        // What was read of a file goes, and its head stays.
        let gone = from.saturating_sub(head);
        let more = if from > head { 0 } else { head };
        let left = (self.budget + gone).saturating_sub(bytes + more);
        let (done, text) = before.fitting(0, left);
        match rewrite(&self.folder, number, text, (from, until)) {
            Ok(()) => {
                let bytes = bytes + more + text.len() as u64 - gone;
                Finished { done, records: records + done as u64, bytes, result: Ok(()) }
            }
            Err(error) => Finished { done: 0, records, bytes, result: Err(error) },
        }
    }
}

/// How the last thing went.
#[derive(Debug)]
pub(super) struct Finished {
    /// Of those before all others, how many had room.
    pub(super) done: usize,
    /// All that is there for the next run,
    pub(super) records: u64,
    /// and what it takes up.
    pub(super) bytes: u64,
    pub(super) result: io::Result<()>,
}

/// Makes a file of these records, and the rest of the one that it takes the place of.
fn rewrite(folder: &Path, number: u64, before: &[u8], (from, until): (u64, u64)) -> io::Result<()> {
    let partly = folder.join(PART);
    let mut file = private().create(true).truncate(true).write(true).open(&partly)?;
    file.write_all(&HEAD)?;
    file.write_all(before)?;
    if until > from {
        let rest = open_at(&named(folder, number), from)?;
        io::copy(&mut rest.take(until - from), &mut file)?;
    }
    fs::rename(&partly, named(folder, number))
}

fn named(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}{END}"))
}

fn open_at(path: &Path, offset: u64) -> io::Result<BufReader<File>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    Ok(BufReader::new(file))
}

/// How much of a file is whole, and how much of it is not.
fn look_through(path: &Path, number: u64) -> io::Result<(Segment, u64)> {
    let mut reader = BufReader::new(File::open(path)?);
    let all = reader.get_ref().metadata()?.len();
    let mut segment = Segment { number, bytes: 0, read: HEAD.len() as u64, records: 0 };
    let mut head = [0; HEAD.len()];
    match reader.read_exact(&mut head) {
        Ok(()) if head == HEAD => segment.bytes = HEAD.len() as u64,
        Ok(()) => return Ok((segment, all)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok((segment, all)),
        Err(error) => return Err(error),
    }
    while let Some(body) = record(&mut reader, all - segment.bytes)? {
        segment.bytes += (RECORD_HEAD + body.len()) as u64;
        segment.records += 1;
    }
    let damaged = all - segment.bytes;
    Ok((segment, damaged))
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
