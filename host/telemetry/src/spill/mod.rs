//! Signals on the disk: what finds no room in a sink's queue waits there, and comes back in order.
//!
//! Each sink that spills has a thread for it, so a disk that hangs holds up nobody. What the disk does not take stays in
//! memory, within the bounds of what is aside, and it is tried again with growing pauses.

mod codec;
mod earlier;
mod records;
pub(crate) mod spans;
mod store;

use crate::station::{Errand, LONGEST_PAUSE, PAUSE, Station, Written};
use records::Records;
use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use store::Store;
use tengen_core::{
    often::{Often, Times},
    sink::Signal,
};
use tengen_settings::{FullSink, Spill};
use tokio::sync::watch;

/// Brings signals to the disk and back until the station is over; the receiver is closed then.
pub(crate) fn start(station: &Arc<Station>, spill: &Spill) -> io::Result<watch::Receiver<()>> {
    let (alive, done) = watch::channel(());
    let keeper = Keeper {
        station: Arc::clone(station),
        spill: spill.clone(),
        store: None,
        failures: 0,
        again: None,
        often: Often::default(),
    };
    let name = format!("spill {}", station.name());
    thread::Builder::new().name(name).spawn(move || {
        keeper.run();
        drop(alive);
    })?;
    Ok(done)
}

struct Keeper {
    station: Arc<Station>,
    spill: Spill,
    store: Option<Store>,
    /// In a row.
    failures: u32,
    again: Option<Instant>,
    often: Often,
}

impl Keeper {
    fn run(mut self) {
        self.open();
        loop {
            match self.station.errand(self.store.is_some(), self.again) {
                Errand::Open => self.open(),
                Errand::Write(signals) => self.write(&signals),
                Errand::Read(most) => self.read(most),
                Errand::End(before, left) => return self.end(&before, &left),
            }
        }
    }

    fn open(&mut self) {
        match Store::open(&self.spill.path, self.spill.size.get() as u64) {
            Ok((store, found)) => {
                let sink = self.station.name();
                if found.damaged > 0 {
                    let (bytes, kept) = (found.damaged, found.records);
                    tracing::warn!(sink, bytes, kept, "a part of what was spilled cannot be read");
                }
                if let Some((version, bytes)) = found.unknown {
                    tracing::warn!(
                        sink,
                        version,
                        bytes,
                        "what another version of the gateway has spilled stays where it is, for that one"
                    );
                }
                let unread = found.damaged + found.unknown.map_or(0, |(_, bytes)| bytes);
                self.station.settled(Some((found.records, unread)), store.bytes());
                self.store = Some(store);
                self.worked();
            }
            Err(error) => {
                self.failed(&error);
                self.station.settled(None, 0);
            }
        }
    }

    fn write(&mut self, signals: &[Arc<Signal>]) {
        let (passed, whole) = records(&self.station, signals);
        let ruled_out = (signals.len() - passed.len()) as u64;
        let Some(store) = &mut self.store else { return };
        let (mut done, mut result) = store.append(&whole);
        let mut displaced = 0;
        while self.station.traits.when_full == FullSink::DropOldest
            && result.is_ok()
            && done < passed.len()
            && store.records() > done as u64
        {
            displaced += store.drop_oldest();
            let (_, rest) = records(&self.station, passed.get(done..).unwrap_or_default());
            let (more, and) = store.append(&rest);
            (done, result) = (done + more, and);
        }
        let is_full = result.is_ok() && done < passed.len();
        let seen = (store.records(), store.bytes());
        match &result {
            Ok(()) => self.worked(),
            Err(error) => self.failed(error),
        }
        let back = passed.into_iter().skip(done).collect();
        self.station.written(Written { back, ruled_out, displaced, is_full }, seen);
    }

    fn read(&mut self, most: usize) {
        let Some(store) = &mut self.store else { return };
        match store.read(most) {
            Ok((bodies, mut lost)) => {
                let count = bodies.len() as u64;
                let signals: Vec<_> = bodies.iter().filter_map(|body| codec::read(body)).collect();
                lost += count - signals.len() as u64;
                let seen = (store.records(), store.bytes());
                self.worked();
                if lost > 0 {
                    let sink = self.station.name();
                    tracing::warn!(sink, lost, "spilled signals cannot be read any more");
                }
                self.station.read_back(signals, lost, seen);
            }
            Err(error) => self.failed(&error),
        }
    }

    /// The last errand: what was to be delivered first goes before what is there, the others behind it.
    fn end(mut self, before: &[Arc<Signal>], left: &[Arc<Signal>]) {
        let all = before.len() + left.len();
        let ((before, first), (left, last)) =
            (records(&self.station, before), records(&self.station, left));
        let passed = before.len() + left.len();
        let ruled_out = (all - passed) as u64;
        let Some(mut store) = self.store.take() else {
            return self.station.kept(passed as u64, ruled_out, (0, 0));
        };
        let is_empty = store.records() == 0;
        let mut kept = 0;
        for records in [&first, &last].into_iter().skip(usize::from(!is_empty)) {
            let (done, result) = store.append(records);
            kept += done;
            if let Err(error) = result {
                self.failed(&error);
            }
        }
        let none = Records::default();
        let finished = store.finish(if is_empty { &none } else { &first });
        if let Err(error) = finished.result {
            self.failed(&error);
        }
        let lost = (passed - kept - finished.done) as u64;
        self.station.kept(lost, ruled_out, (finished.records, finished.bytes));
    }

    fn worked(&mut self) {
        (self.failures, self.again) = (0, None);
    }

    fn failed(&mut self, error: &io::Error) {
        self.failures = self.failures.saturating_add(1);
        let now = Instant::now();
        self.again = Some(now + pace(self.failures));
        self.station.spill_failed(&error.to_string());
        if let Some(Times { untold, .. }) = self.often.count("spill", now) {
            let sink = self.station.name();
            tracing::warn!(sink, %error, untold, "a sink cannot spill to its disk");
        }
    }
}

/// How long to wait after so many failures in a row: it doubles with each.
pub(crate) fn pace(failures: u32) -> Duration {
    (PAUSE * 2_u32.pow(failures.clamp(1, 16) - 1)).min(LONGEST_PAUSE)
}

/// Those that no rule drops, as it leaves them, and their records: what a sink is not to see is not on its disk either.
fn records(station: &Station, signals: &[Arc<Signal>]) -> (Vec<Arc<Signal>>, Records) {
    let rules = &station.traits.rules;
    let passed: Vec<_> =
        signals.iter().filter_map(|signal| rules.apply(Arc::clone(signal))).collect();
    let mut records = Records::default();
    passed.iter().for_each(|signal| records.add(|to| codec::write(signal, to)));
    (passed, records)
}

#[cfg(test)]
mod tests;
