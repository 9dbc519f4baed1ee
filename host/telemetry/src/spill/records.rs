//! Records one after the other, as they are in files, and what is the same of all files.

use std::{
    fs::OpenOptions,
    io::{self, Read},
};

pub(super) const HEAD: [u8; 8] = *b"tengen\x02\x00";
/// Of each record, before its body.
pub(super) const RECORD_HEAD: usize = 8;
/// No body is longer: what says so is damaged.
const LONGEST: usize = 64 << 20;

/// Bodies of records, one after the other.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// With their heads.
    bytes: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Records {
    /// Adds one that is written by this.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend([0; RECORD_HEAD]);
        write(&mut self.bytes);
        let (length, sum) = {
            let body = self.bytes.get(start + RECORD_HEAD..).unwrap_or_default();
            (u32::try_from(body.len()).unwrap_or(u32::MAX), crc32fast::hash(body))
        };
        let head = [length.to_le_bytes(), sum.to_le_bytes()].concat();
        if let Some(place) = self.bytes.get_mut(start..start + RECORD_HEAD) {
            place.copy_from_slice(&head);
        }
        self.ends.push(self.bytes.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn end(&self, records: usize) -> usize {
        records.checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or_default()
    }

    /// From this record on, as many as have room in so many bytes; where the last of them ends, and how many there are then.
    pub(super) fn fitting(&self, from: usize, room: u64) -> (usize, &[u8]) {
        let start = self.end(from);
        let room = usize::try_from(room).unwrap_or(usize::MAX);
        let until = self.ends.partition_point(|end| end.saturating_sub(start) <= room).max(from);
        (until, self.bytes.get(start..self.end(until)).unwrap_or_default())
    }
}

/// For nobody else's eyes.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The next body, of what is left of a file; none: there is no whole one.
pub(super) fn record(reader: &mut impl Read, left: u64) -> io::Result<Option<Vec<u8>>> {
    if left < RECORD_HEAD as u64 {
        return Ok(None);
    }
    let (mut length, mut sum) = ([0; 4], [0; 4]);
    let Some(()) = whole(reader.read_exact(&mut length))? else { return Ok(None) };
    let Some(()) = whole(reader.read_exact(&mut sum))? else { return Ok(None) };
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST || length as u64 > left - RECORD_HEAD as u64 {
        return Ok(None);
    }
    let mut body = vec![0; length];
    let Some(()) = whole(reader.read_exact(&mut body))? else { return Ok(None) };
    Ok((crc32fast::hash(&body) == u32::from_le_bytes(sum)).then_some(body))
}

/// That a file is at its end is no failure.
fn whole(result: io::Result<()>) -> io::Result<Option<()>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        other => other.map(Some),
    }
}
