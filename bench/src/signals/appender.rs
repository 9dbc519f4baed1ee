//! The same lines by tracing-subscriber's JSON and tracing-appender, which makes them where they are said.

use crate::{Found, file::whole, rig::BUFFER, say::said};
use anyhow::Result;
use std::{fs::File, path::Path, time::Instant};
use tracing_appender::non_blocking::NonBlockingBuilder;

pub(crate) fn run(count: u64, folder: &Path) -> Result<Found> {
    let path = folder.join("appender.jsonl");
    // It waits for room rather than losing lines, as our sink does here.
    let builder = NonBlockingBuilder::default().lossy(false).buffered_lines_limit(BUFFER);
    let (writer, guard) = builder.finish(File::create(&path)?);
    tracing_subscriber::fmt().json().with_writer(writer).init();
    let began = Instant::now();
    (0..count).for_each(said);
    drop(guard);
    let took = began.elapsed();
    Ok(vec![("per_second", count as f64 / took.as_secs_f64()), ("bytes", whole(&path, count)?)])
}
