//! The way of lines to their stream: a bounded queue, and a thread of its own that writes.
//!
//! Whoever says something never waits for it: a collector that hangs, a terminal that was halted and a slow disk stop that
//! thread and nothing else. What finds no place is lost, counted, and told where the stream takes lines again.

use std::{
    collections::VecDeque,
    fmt,
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

/// Bytes that may wait for a stream,
const BYTES: usize = 2 << 20;
/// and lines.
const LINES: usize = 8192;
/// A stream that somebody has set to take nothing rather than wait is tried again after so long.
const AGAIN: Duration = Duration::from_millis(10);
/// While lines are being lost all the time, it is told so often.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Lines that no stream of this process has taken.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many lines of the log and of the notes beside it were lost since the process began.
pub fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Where lines go. Clones share it; its thread ends with the last of them, when it has written what waits.
#[derive(Clone)]
pub struct Outlet(Arc<Owner>);

/// Whoever holds it may add lines.
struct Owner(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something to write, or nothing more to come.
    filled: Condvar,
    /// Everything is written.
    emptied: Condvar,
}

/// What waits for the stream.
#[derive(Default)]
struct Waiting {
    lines: VecDeque<Vec<u8>>,
    /// What others wait for, who hear what came of it.
    awaited: VecDeque<(Vec<u8>, SyncSender<io::Result<()>>)>,
    /// Bytes of the lines, those of the one that is being written included.
    bytes: usize,
    is_writing: bool,
    /// Lines that were lost, and not told of.
    untold: u64,
    /// When losses were told last.
    told: Option<Instant>,
    /// The stream did not take the last line: it is told nothing before it takes one again.
    refuses: bool,
    /// Somebody waits for all of it to be written.
    hurry: bool,
    /// No more lines come.
    over: bool,
}

/// What the thread has to do next.
enum Next {
    Write(Vec<u8>),
    /// The same, for somebody who waits for it.
    Answer(Vec<u8>, SyncSender<io::Result<()>>),
    /// So many lines were lost.
    Tell(u64),
    End,
}

impl Outlet {
    /// Begins to write to a stream. `tell`: the line, with its end, that says how many were lost; an empty one says nothing.
    ///
    /// The thread cannot be ended while the stream makes it wait: it belongs to the process, and goes with it.
    pub fn start(
        stream: impl Write + Send + 'static,
        tell: impl Fn(u64) -> String + Send + 'static,
    ) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let writer = Writer { shared: Arc::clone(&shared), stream, cut: false };
        thread::Builder::new().name("log".into()).spawn(move || writer.run(tell))?;
        Ok(Self(Arc::new(Owner(shared))))
    }

    /// Adds a line, with its end, or counts it as lost.
    fn put(&self, line: Vec<u8>) {
        let shared = &self.0.0;
        let mut waiting = shared.lock();
        let bytes = waiting.bytes.saturating_add(line.len());
        if bytes > BYTES || waiting.lines.len() >= LINES {
            waiting.lose();
            return;
        }
        waiting.bytes = bytes;
        waiting.lines.push_back(line);
        drop(waiting);
        shared.filled.notify_one();
    }

    /// Writes this between the lines that wait, and waits for it as long as it takes: for a thread that has nothing else to
    /// do. A line of it that was cut is begun anew by who is told of the failure.
    pub(crate) fn write_through(&self, text: &[u8]) -> io::Result<()> {
        let shared = &self.0.0;
        let (answer, answered) = sync_channel(1);
        shared.lock().awaited.push_back((text.to_owned(), answer));
        shared.filled.notify_one();
        answered.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
    }

    /// Waits until everything is written, so long at most; whether it is.
    pub fn flush(&self, within: Duration) -> bool {
        let shared = &self.0.0;
        let mut waiting = shared.lock();
        waiting.hurry = true;
        shared.filled.notify_one();
        let waited =
            shared.emptied.wait_timeout_while(waiting, within, |waiting| !waiting.is_done());
        let (_waiting, result) = waited.unwrap_or_else(PoisonError::into_inner);
        !result.timed_out()
    }

    /// Writes one line: what is written to it goes as a whole, with a flush or at its end.
    pub fn pen(&self) -> Pen {
        Pen { outlet: self.clone(), line: Vec::new() }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outlet")
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.lock().over = true;
        self.0.filled.notify_one();
    }
}

/// See [`Outlet::pen`].
#[derive(Debug)]
pub struct Pen {
    outlet: Outlet,
    line: Vec<u8>,
}

impl Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.line.is_empty() {
            self.outlet.put(std::mem::take(&mut self.line));
        }
        Ok(())
    }
}

impl Drop for Pen {
    fn drop(&mut self) {
        // It cannot fail.
        self.flush().ok();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for what is next.
    fn next(&self) -> Next {
        let mut waiting = self.lock();
        loop {
            let pause = waiting.before_telling();
            // Told between lines that wait: they may do so for as long as the stream is slow.
            if pause == Some(Duration::ZERO) {
                (waiting.told, waiting.is_writing) = (Some(Instant::now()), true);
                return Next::Tell(std::mem::take(&mut waiting.untold));
            }
            if let Some(line) = waiting.lines.pop_front() {
                waiting.is_writing = true;
                return Next::Write(line);
            }
            if let Some((text, answer)) = waiting.awaited.pop_front() {
                waiting.is_writing = true;
                return Next::Answer(text, answer);
            }
            if waiting.over {
                return Next::End;
            }
            let waited = match pause {
                None => self.filled.wait(waiting),
                Some(pause) => self
                    .filled
                    .wait_timeout(waiting, pause)
                    .map(|(waiting, _)| waiting)
                    .map_err(|poisoned| PoisonError::new(poisoned.into_inner().0)),
            };
            waiting = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A line was written, or was not: so many bytes wait no longer, and so many lines are lost that nobody was told of.
    fn wrote(&self, bytes: usize, lost: u64, taken: bool) {
        let mut waiting = self.lock();
        waiting.is_writing = false;
        waiting.refuses = !taken;
        waiting.bytes = waiting.bytes.saturating_sub(bytes);
        waiting.untold += lost;
        if waiting.is_done() {
            self.emptied.notify_all();
        }
    }
}

impl Waiting {
    fn lose(&mut self) {
        self.untold += 1;
        LOST.fetch_add(1, Ordering::Relaxed);
    }

    /// How long until losses are told; none where there are none, or nobody to tell.
    fn before_telling(&self) -> Option<Duration> {
        let told = self.told.filter(|_| !self.hurry && !self.over);
        let rest = told.map_or(Duration::ZERO, |told| TELL_EVERY.saturating_sub(told.elapsed()));
        (self.untold > 0 && !self.refuses).then_some(rest)
    }

    /// Everything is written that the stream takes.
    fn is_done(&self) -> bool {
        let nothing_waits = self.lines.is_empty() && self.awaited.is_empty();
        !self.is_writing && nothing_waits && self.before_telling().is_none()
    }
}

/// What the thread owns.
struct Writer<S> {
    shared: Arc<Shared>,
    stream: S,
    /// The last line was written in part.
    cut: bool,
}

impl<S: Write> Writer<S> {
    fn run(mut self, tell: impl Fn(u64) -> String) {
        loop {
            match self.shared.next() {
                Next::Write(line) => {
                    let taken = self.write(&line).is_ok();
                    LOST.fetch_add(u64::from(!taken), Ordering::Relaxed);
                    self.shared.wrote(line.len(), u64::from(!taken), taken);
                }
                Next::Answer(text, answer) => {
                    let result = self.write(&text);
                    self.shared.wrote(0, 0, result.is_ok());
                    // Who asked may have gone meanwhile.
                    drop(answer.send(result));
                }
                Next::Tell(lost) => {
                    let taken = self.write(tell(lost).as_bytes()).is_ok();
                    self.shared.wrote(0, if taken { 0 } else { lost }, taken);
                }
                Next::End => return,
            }
        }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.cut {
            self.write_bytes(b"\n")?;
            self.cut = false;
        }
        self.write_bytes(line)
    }

    fn write_bytes(&mut self, mut left: &[u8]) -> io::Result<()> {
        let all = left.len();
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => left = left.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::sleep(AGAIN),
                Err(error) => {
                    self.cut |= left.len() < all;
                    return Err(error);
                }
            }
        }
        self.stream.flush()
    }
}

#[cfg(test)]
mod tests;
