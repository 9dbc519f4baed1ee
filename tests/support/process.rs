//! What this process holds of the machine: file descriptors and resident memory, over many rounds.

use anyhow::{Context, Result, ensure};
use std::{fmt, fs};

/// Rounds before the figures count: caches fill, allocators settle.
const SETTLED_AFTER: u32 = 1_000;
/// Growth of resident memory that is no leak, in bytes a round.
const GROWTH_MAX: f64 = 100.0;

/// File descriptors and resident memory, round by round.
#[derive(Debug, Default)]
pub struct Samples {
    /// (round, descriptors, bytes)
    taken: Vec<(u32, usize, u64)>,
}

impl Samples {
    pub fn take(&mut self, round: u32) -> Result<()> {
        self.taken.push((round, descriptors()?, resident()?));
        Ok(())
    }

    /// Descriptors are equal and memory grows less than the limit, from round 1,000 on; with fewer rounds nothing has
    /// settled and nothing is claimed of memory.
    pub fn check(&self) -> Result<()> {
        let settled: Vec<_> =
            self.taken.iter().filter(|(round, ..)| *round >= SETTLED_AFTER).collect();
        if let (Some(first), Some(last)) = (settled.first(), settled.last()) {
            ensure!(first.1 == last.1, "file descriptors went from {} to {}", first.1, last.1);
            let growth = self.growth();
            ensure!(
                settled.len() < 1_000 || growth < GROWTH_MAX,
                "memory grows by {growth:.0} bytes a round"
            );
        }
        Ok(())
    }

    /// Bytes a round, by a linear fit over the settled rounds.
    fn growth(&self) -> f64 {
        let points: Vec<_> = self
            .taken
            .iter()
            .filter(|(round, ..)| *round >= SETTLED_AFTER)
            .map(|(round, _, bytes)| (f64::from(*round), *bytes as f64))
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
        write!(
            f,
            "descriptors {} → {}, resident {} → {} KiB",
            first.1,
            last.1,
            first.2 >> 10,
            last.2 >> 10
        )?;
        if last.0 > SETTLED_AFTER {
            write!(f, ", {:.1} bytes a round from round {SETTLED_AFTER} on", self.growth())?;
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
