//! How many signals come through in a second, and whether all of half as many do.

use crate::{
    Found,
    rig::{Rig, account, sink},
    say::said,
};
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use tengen_settings::{self as settings, FullSink};

/// What is said in one go at most where a pace is kept.
const BURST: u64 = 64;

/// One thread that says as much as the sink takes, and loses none of it.
pub(crate) fn capacity(count: u64) -> Result<Found> {
    let rig = Rig::new(settings::Telemetry::default())?;
    let _sink = rig.count(&sink("count"))?;
    (0..count / 10).for_each(said);
    let began = Instant::now();
    (0..count).for_each(said);
    let saying = began.elapsed();
    let report = rig.end()?;
    let took = began.elapsed();
    let (accepted, processed, dropped) = account(&report, "count")?;
    let said = count + count / 10;
    ensure!(accepted == said && processed == said && dropped == 0, "some were lost");
    Ok(vec![
        ("per_second", count as f64 / took.as_secs_f64()),
        ("said_per_second", count as f64 / saying.as_secs_f64()),
    ])
}

/// At half of the pace that a sink with the default settings has just shown it can take: what is delivered of it.
pub(crate) fn half(count: u64) -> Result<Found> {
    let rig = Rig::new(settings::Telemetry::default())?;
    let usual = settings::Sink::new(settings::SinkKind::File);
    let name = Some("count".to_owned());
    let settings =
        settings::Sink { name, buffer: usual.buffer, when_full: FullSink::Block, ..sink("count") };
    let _sink = rig.count(&settings)?;
    let began = Instant::now();
    (0..count).for_each(said);
    let pace = count as f64 / began.elapsed().as_secs_f64() / 2.0;
    // The newest is dropped from now on, as it is by default, and in a queue of the default length.
    let name = Some("half".to_owned());
    let half = settings::Sink { name, when_full: FullSink::DropNewest, ..settings };
    let _half = rig.count(&half)?;
    let (mut began, mut number) = (Instant::now(), 0);
    while number < count {
        let due = (began.elapsed().as_secs_f64() * pace) as u64;
        let behind = due.saturating_sub(number);
        let now = behind.min(BURST).min(count - number);
        (number..number + now).for_each(said);
        number += now;
        if behind > BURST {
            // Somebody else had the processor: what that cost is not made up for at once, which would be no pace.
            began = Instant::now() - Duration::from_secs_f64(number as f64 / pace);
        }
    }
    let (accepted, processed, _) = account(&rig.end()?, "half")?;
    ensure!(accepted == count, "{accepted} of {count} were accepted");
    Ok(vec![("share", processed as f64 / count as f64), ("per_second", pace)])
}
