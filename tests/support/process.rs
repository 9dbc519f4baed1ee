//! What this process holds of the machine: file descriptors and memory, over many rounds.

use crate::heap;
use anyhow::{Context, Result, ensure};
use std::{fmt, fs};

/// Rounds before the figures count: caches fill, allocators settle.
const SETTLED_AFTER: u32 = 1_000;
/// Growth of the heap that is no leak, in bytes a round. Resident memory is shown beside it and decides nothing: it also
/// grows by what the allocator's free pieces are cut into, more the longer it takes.
const GROWTH_MAX: f64 = 100.0;

/// File descriptors and memory, round by round.
#[derive(Debug, Default)]
pub struct Samples {
    taken: Vec<Sample>,
}

#[derive(Debug)]
struct Sample {
    round: u32,
    descriptors: usize,
    /// Bytes that are allocated.
    heap: usize,
    /// Bytes of memory that the system has given.
    resident: u64,
}

impl Samples {
    pub fn take(&mut self, round: u32) -> Result<()> {
        let (descriptors, resident) = (descriptors()?, resident()?);
        self.taken.push(Sample { round, descriptors, heap: heap::live(), resident });
        Ok(())
    }

    /// Descriptors are equal and the heap grows less than the limit, from round 1,000 on; with fewer rounds nothing has
    /// settled and nothing is claimed of memory.
    pub fn check(&self) -> Result<()> {
        let settled: Vec<_> =
            self.taken.iter().filter(|sample| sample.round >= SETTLED_AFTER).collect();
        if let (Some(first), Some(last)) = (settled.first(), settled.last()) {
            let (before, after) = (first.descriptors, last.descriptors);
            ensure!(before == after, "file descriptors went from {before} to {after}");
            let growth = self.growth();
            ensure!(
                settled.len() < 1_000 || growth < GROWTH_MAX,
                "the heap grows by {growth:.0} bytes a round"
            );
        }
        Ok(())
    }

    /// Bytes a round, by a linear fit over the settled rounds.
    fn growth(&self) -> f64 {
        let points: Vec<_> = self
            .taken
            .iter()
            .filter(|sample| sample.round >= SETTLED_AFTER)
            .map(|sample| (f64::from(sample.round), sample.heap as f64))
            .collect();
        let count = points.len() as f64;
        let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
        let (x, y) = (mean(|point| point.0), mean(|point| point.1));
        let up: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
        let down: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
        if down == 0.0 { 0.0 } else { up / down }
    }
}

impl fmt::Display for Samples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, last)) = self.taken.first().zip(self.taken.last()) else {
            return f.write_str("no samples");
        };
        let of = |sample: &Sample| (sample.descriptors, sample.heap >> 10, sample.resident >> 10);
        let ((open, heap, resident), (open_now, heap_now, resident_now)) = (of(first), of(last));
        write!(
            f,
            "descriptors {open} → {open_now}, heap {heap} → {heap_now} KiB, resident {resident} → {resident_now} KiB"
        )?;
        if last.round > SETTLED_AFTER {
            let growth = self.growth();
            write!(f, ", the heap by {growth:.1} bytes a round from round {SETTLED_AFTER} on")?;
        }
        Ok(())
    }
}

fn descriptors() -> Result<usize> {
    Ok(fs::read_dir("/proc/self/fd").context("reading the list of descriptors")?.count())
}

fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/statm").context("reading the memory in use")?;
    let pages: u64 = status.split(' ').nth(1).context("no resident pages")?.parse()?;
    Ok(pages * 4096)
}
