//! Deliveries to streams: encoded and written on a thread of the sink's own, which the stream may hold up as long as it likes.
//!
//! What a stream does not take stays: the first of it is tried again, later and later, and meanwhile the queue holds what
//! it may. So a full disk costs what finds no room in the queue, and nothing else.

pub(crate) mod by_connection;
pub(crate) mod file;
pub(crate) mod stream;

use crate::{
    encode::Encoder,
    station::{Batch, Loss, Next, Station},
};
use std::{
    cell::Cell,
    io,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tengen_core::{
    often::{Often, Times},
    sink::Signal,
};
use tokio::sync::watch;

/// When the end has begun, what failed is tried again after so long.
const AT_THE_END: Duration = Duration::from_millis(50);
/// While signals are being lost all the time, it is told so often.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Where encoded signals are written.
pub(crate) trait Output: Send {
    /// Makes ready for so many bytes.
    fn prepare(&mut self, bytes: usize) -> io::Result<()>;

    /// Whose the lines are that come next, and where each ends: for who keeps them apart.
    fn lines(&mut self, _: &[Arc<Signal>], _: &[usize]) {}

    /// Whether it ends a line by itself that was cut, before that is written again.
    fn mends(&self) -> bool {
        false
    }

    /// Writes some of them, from the first.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    fn flush(&mut self) -> io::Result<()>;
}

/// How a sink is delivered to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) batch: NonZeroUsize,
    pub(crate) delay: Duration,
}

/// Delivers to an output on a thread of its own, until the station is closed and empty; the receiver is closed then.
pub(crate) fn start(
    station: Arc<Station>,
    output: impl Output + 'static,
    encoder: Encoder,
    pace: Pace,
) -> io::Result<watch::Receiver<()>> {
    let (alive, done) = watch::channel(());
    let name = format!("sink {}", station.name());
    let mut courier = Courier::new(station, output, encoder);
    thread::Builder::new().name(name).spawn(move || {
        while let Some(batch) = courier.station.wait_for(pace.batch, pace.delay) {
            courier.deliver(&batch, true);
        }
        courier.end();
        // Its output has work to finish: only then it has ended.
        drop(courier);
        drop(alive);
    })?;
    Ok(done)
}

/// Delivers on the thread of who says something. What fails is lost at once: nobody waits for another try.
pub(crate) fn at_once(station: &Arc<Station>, output: impl Output + 'static, encoder: Encoder) {
    thread_local! {
        static BUSY: Cell<bool> = const { Cell::new(false) };
    }
    let of_courier = Arc::clone(station);
    let courier = Mutex::new(Courier::new(of_courier, output, encoder));
    station.deliver_at_once(move || {
        // What is said in the midst of it is delivered by those who are at it.
        if BUSY.replace(true) {
            return;
        }
        let mut courier = courier.lock().unwrap_or_else(PoisonError::into_inner);
        while let Next::Deliver(batch) = courier.station.next(NonZeroUsize::MIN) {
            courier.deliver(&batch, false);
        }
        drop(courier);
        BUSY.set(false);
    });
}

struct Courier<O> {
    station: Arc<Station>,
    output: O,
    encoder: Encoder,
    text: Vec<u8>,
    /// Where each signal's text ends.
    ends: Vec<usize>,
    /// The last line was written in part.
    cut: bool,
    /// How many were lost that the stream was told of, and when.
    told: (u64, Option<Instant>),
    often: Often,
}

impl<O: Output> Courier<O> {
    fn new(station: Arc<Station>, output: O, encoder: Encoder) -> Self {
        Self {
            station,
            output,
            encoder,
            text: Vec::new(),
            ends: Vec::new(),
            cut: false,
            told: (0, None),
            often: Often::default(),
        }
    }

    /// Delivers a batch as a whole, in as many attempts as it takes, or counts what is lost of it.
    fn deliver(&mut self, batch: &Batch, again: bool) {
        self.encode(&batch.signals);
        let (mut written, mut done) = (0, 0);
        while done < batch.signals.len() {
            if self.station.leaves_the_rest() {
                self.station.lose(batch.signals.get(done..).unwrap_or_default(), Loss::Shutdown);
                break;
            }
            if let Err(pause) = self.station.admit(Instant::now()) {
                if let Some(why) = self.hopeless(again, pause) {
                    self.station.lose(batch.signals.get(done..).unwrap_or_default(), why);
                    break;
                }
                continue;
            }
            let result = self.write(&batch.signals, &mut written);
            let whole = self.ends.partition_point(|end| *end <= written);
            if let Some(taken) = batch.signals.get(done..whole).filter(|taken| !taken.is_empty()) {
                self.station.delivered(taken);
                done = whole;
            }
            let Err(error) = result else { continue };
            // What was cut is written again as a whole, on a line of its own.
            let last = done.checked_sub(1).and_then(|last| self.ends.get(last)).copied();
            let start = last.unwrap_or_default();
            self.cut |= written > start && !self.output.mends();
            written = start;
            let pause = self.failed(&error);
            if let Some(why) = self.hopeless(again, pause) {
                self.station.lose(batch.signals.get(done..).unwrap_or_default(), why);
                break;
            }
            self.station.retried();
        }
        self.station.release(batch);
    }

    fn encode(&mut self, signals: &[Arc<Signal>]) {
        self.text.clear();
        self.ends.clear();
        for signal in signals {
            self.encoder.encode(signal, &mut self.text);
            self.ends.push(self.text.len());
        }
    }

    /// Goes on where the last attempt ended.
    fn write(&mut self, signals: &[Arc<Signal>], written: &mut usize) -> io::Result<()> {
        self.output.prepare(self.text.len() - *written)?;
        self.tell_of_losses()?;
        if self.cut {
            put(&mut self.output, b"\n", &mut 0)?;
            self.cut = false;
        }
        self.output.lines(signals, &self.ends);
        put(&mut self.output, &self.text, written)?;
        self.output.flush()
    }

    /// Says in the stream itself how many are missing before what comes next.
    fn tell_of_losses(&mut self) -> io::Result<()> {
        let lost = self.station.lost();
        let (told, at) = self.told;
        if lost == told || at.is_some_and(|at| at.elapsed() < TELL_EVERY) {
            return Ok(());
        }
        let line = self.encoder.lost(lost - told);
        if self.cut {
            put(&mut self.output, b"\n", &mut 0)?;
            self.cut = false;
        }
        let mut written = 0;
        let result = put(&mut self.output, &line, &mut written);
        self.cut |= result.is_err() && written > 0;
        result?;
        self.told = (lost, Some(Instant::now()));
        Ok(())
    }

    /// How long the next attempt is to wait.
    fn failed(&mut self, error: &io::Error) -> Duration {
        let pause = self.station.failed(&error.to_string(), Instant::now());
        if let Some(Times { untold, .. }) = self.often.count("sink", Instant::now()) {
            let (sink, lost) = (self.station.name(), self.station.lost());
            tracing::warn!(sink, %error, untold, lost, "a sink failed");
        }
        pause
    }

    /// Waits for the next attempt; some: there will be none.
    fn hopeless(&self, again: bool, pause: Duration) -> Option<Loss> {
        if !again {
            return Some(Loss::SinkError);
        }
        let now = Instant::now();
        match self.station.until() {
            None => self.station.pause_until(now + pause),
            Some(until) if now >= until => return Some(Loss::Shutdown),
            Some(until) => thread::sleep(AT_THE_END.min(until.saturating_duration_since(now))),
        }
        None
    }

    /// The last word of a stream that has lost some.
    fn end(&mut self) {
        self.told.1 = None;
        if let Err(error) = self.tell_of_losses().and_then(|()| self.output.flush()) {
            self.station.failed(&error.to_string(), Instant::now());
        }
    }
}

/// Writes all of it, from where it was.
fn put(output: &mut impl Output, bytes: &[u8], written: &mut usize) -> io::Result<()> {
    while let Some(left) = bytes.get(*written..).filter(|left| !left.is_empty()) {
        match output.write(left) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => *written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
