//! Hands a plugin's sink batches of signals.

use crate::{Done, PATIENCE, SAMPLES, load};
use anyhow::{Context as _, Result, bail, ensure};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tengen_core::sink::{Level, Location, Signal, Sink, Value};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// So many signals a sample, `batch` in each delivery.
#[expect(clippy::print_stdout, reason = "its samples are what this program is for")]
pub(crate) async fn measure(file: &Path, batch: usize, signals: usize) -> Result<()> {
    let stop = CancellationToken::new();
    let plugin =
        load(tengen_settings::Plugin::new(file), "sink", Arc::<Done>::default(), &stop).await?;
    let sink = plugin.sink().context("the plugin is no sink")?;
    let said: Vec<_> = (0..batch).map(|number| Arc::new(signal(number))).collect();
    run(&*sink, &said, signals).await?;
    for _ in 0..SAMPLES {
        let took = timeout(PATIENCE, run(&*sink, &said, signals)).await;
        let took = took.context("the plugin does not answer")??;
        println!("{}", took.as_secs_f64() * 1e6 / signals as f64);
    }
    plugin.stop(Duration::from_secs(1)).await;
    stop.cancel();
    Ok(())
}

async fn run(sink: &dyn Sink, said: &[Arc<Signal>], signals: usize) -> Result<Duration> {
    let began = Instant::now();
    for _ in 0..signals / said.len() {
        match sink.deliver(said, 0).await {
            Ok(taken) => ensure!(taken == said.len(), "{taken} of {} were taken", said.len()),
            Err(refusal) => bail!("the sink refused: {refusal:?}"),
        }
    }
    Ok(began.elapsed())
}

/// Four values and a sentence.
fn signal(number: usize) -> Signal {
    let mut signal = Signal::new(Level::Info, "tengen_bench::call", "a message was handled");
    signal.at = SystemTime::now();
    signal.location = Location::Line(file!(), line!());
    signal.data = vec![
        ("number".into(), Value::Integer(number as i64)),
        ("share".into(), Value::Float(0.25)),
        ("known".into(), Value::Boolean(true)),
        ("name".into(), Value::Text("wss/chat".into())),
    ];
    signal
}
