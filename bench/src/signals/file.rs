//! JSON lines to a file, from the first call to the last line, with none lost.

use crate::{
    Found,
    rig::{Rig, account},
    say::said,
};
use anyhow::{Result, ensure};
use std::{fs, path::Path, time::Instant};
use tengen_settings as settings;

pub(crate) fn run(count: u64, folder: &Path) -> Result<Found> {
    let path = folder.join("signals.jsonl");
    let rig = Rig::new(settings::Telemetry::default())?;
    rig.file(&path, false)?;
    let began = Instant::now();
    (0..count).for_each(said);
    let report = rig.end()?;
    let took = began.elapsed();
    let (_, processed, dropped) = account(&report, "file")?;
    ensure!(processed == count && dropped == 0, "{processed} of {count} were written");
    Ok(vec![("per_second", count as f64 / took.as_secs_f64()), ("bytes", whole(&path, count)?)])
}

/// Bytes of a line, of a file that has so many.
pub(crate) fn whole(path: &Path, count: u64) -> Result<f64> {
    let text = fs::read(path)?;
    let lines = text.iter().filter(|byte| **byte == b'\n').count() as u64;
    ensure!(lines == count, "{lines} lines of {count} are in the file");
    fs::remove_file(path)?;
    Ok(text.len() as f64 / count.max(1) as f64)
}
