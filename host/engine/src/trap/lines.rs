//! Lines of the source for the frames of a story: read from the component's file when one is asked for, and kept.
//!
//! A component that has none costs nothing, and one that has them nothing until a call of it breaks: then its file is read
//! again, off the workers, and what was found is kept. That a guest which breaks at every event in another place does not keep a
//! thread busy is seen to by a pause between two readings.

use super::{
    dwarf::{self, Found, Place},
    story::Story,
};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tengen_settings::file;
use tokio::{task::spawn_blocking, time::timeout};

/// How long one reading may take.
const TIME: Duration = Duration::from_secs(1);
/// How long is waited for one: files can be slow to open.
const PATIENCE: Duration = Duration::from_secs(2);
/// After a reading there is none for so many times as long as it took.
const REST: u32 = 4;
/// Between two stories of a guest that computes for too long: where it was then is different each time.
const SAMPLE: Duration = Duration::from_secs(10);
/// Places of the code that are kept.
const KEPT: usize = 512;

/// What is known of one component's lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// SHA-256 of the component, its size; none where it has no lines.
    of: Option<([u8; 32], usize)>,
    known: Mutex<Known>,
    /// Somebody reads the file now, whether anybody waits for that still or not.
    is_read: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Known {
    places: BTreeMap<u32, Vec<Place>>,
    /// From when on there may be another reading.
    next: Option<Instant>,
    sampled: Option<Instant>,
}

impl Lines {
    /// Those of a component, of which this is the SHA-256.
    pub(crate) fn of(component: &[u8], hash: [u8; 32]) -> Self {
        let of = dwarf::has_any(component).then_some((hash, component.len()));
        Self { of, ..Self::default() }
    }

    /// Whether it is time to tell again where a guest was that computed for too long.
    pub(crate) fn samples(&self, now: Instant) -> bool {
        let sampled = &mut self.known().sampled;
        let is_due = sampled.is_none_or(|last| now.saturating_duration_since(last) >= SAMPLE);
        if is_due {
            *sampled = Some(now);
        }
        is_due
    }

    /// Says of a story's frames where in the source they are, as far as the component's file does.
    pub(crate) async fn locate(&self, story: &mut Story, file: &Path) {
        let Some((hash, size)) = self.of else { return };
        let wanted = self.unknown(story);
        if !wanted.is_empty() {
            let (found, end) = self.read(file, (hash, size), &wanted).await;
            story.unlocated = end.err();
            story.locate(&found);
        }
        story.locate(&self.known().places);
    }

    async fn read(
        &self,
        file: &Path,
        of: ([u8; 32], usize),
        wanted: &[u32],
    ) -> (Found, Result<(), &'static str>) {
        let began = Instant::now();
        {
            let next = &mut self.known().next;
            let waits = next.is_some_and(|next| began < next);
            if waits || self.is_read.swap(true, Ordering::Relaxed) {
                return (Found::new(), Err("they were looked up just now"));
            }
            *next = Some(began + PATIENCE);
        }
        let is_read = Arc::clone(&self.is_read);
        let (found, end) = read(file.to_owned(), of, wanted.to_vec(), is_read).await;
        let now = Instant::now();
        self.known().next = Some(now + (now - began) * REST);
        if end.is_ok() {
            self.keep(wanted, &found);
        }
        (found, end)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The places of a story that nobody has looked for.
    fn unknown(&self, story: &Story) -> Vec<u32> {
        let known = self.known();
        story.places().filter(|at| !known.places.contains_key(at)).collect()
    }

    /// Also that some have none: they are not looked for again.
    fn keep(&self, wanted: &[u32], found: &Found) {
        let mut known = self.known();
        for at in wanted {
            if known.places.len() >= KEPT {
                known.places.clear();
            }
            known.places.insert(*at, found.get(at).cloned().unwrap_or_default());
        }
    }
}

async fn read(
    file: PathBuf,
    of: ([u8; 32], usize),
    wanted: Vec<u32>,
    is_read: Arc<AtomicBool>,
) -> (Found, Result<(), &'static str>) {
    let reading = spawn_blocking(move || {
        let found = read_now(&file, of, &wanted);
        is_read.store(false, Ordering::Relaxed);
        found
    });
    match timeout(PATIENCE, reading).await {
        Ok(Ok(found)) => found,
        _ => (Found::new(), Err("its file could not be read in time")),
    }
}

fn read_now(
    file: &Path,
    (hash, size): ([u8; 32], usize),
    wanted: &[u32],
) -> (Found, Result<(), &'static str>) {
    let until = Instant::now() + TIME;
    let Ok((component, _)) = file::read(file, size.saturating_add(1)) else {
        return (Found::new(), Err("its file cannot be read any more"));
    };
    let is_it: [u8; 32] = Sha256::digest(&component).into();
    match is_it == hash {
        true => dwarf::find(&component, wanted, until),
        false => (Found::new(), Err("its file has changed since it was loaded")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sampled_is_told_once_in_ten_seconds() {
        let (lines, now) = (Lines::of(&[], [0; 32]), Instant::now());
        let after = |seconds| lines.samples(now + Duration::from_secs(seconds));
        assert_eq!([0, 1, 9, 10, 11, 20].map(after), [true, false, false, true, false, true]);
    }
}
