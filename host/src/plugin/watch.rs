//! Tells which watched file has changed, once whoever writes it is done.
//!
//! Editors and build tools write in place, write beside and rename, swap a symbolic link, or delete and create. The
//! file system's notices only say when to look; what is compared is size, time, identity and, last, the bytes.

use super::{
    compiled::Hash,
    engine::EngineLimits,
    error::{Cause, PluginError},
    file,
    format::is_unfinished,
};
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    sync::Notify,
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};

/// So long without a notice, and with an unchanged size and time, makes a file settled.
const QUIET: Duration = Duration::from_millis(25);
/// How long an unfinished or missing file is waited for before it is reported as it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the files are looked at without a notice: some file systems give none.
const LOOK: Duration = Duration::from_secs(2);

/// What happened to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It has other bytes than before, or is new in the folder.
    Written(PathBuf),
    Removed(PathBuf),
}

/// Watches files, and the components of a folder.
///
/// What is there when a file is first watched counts as known: make the watch, then read the files.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    noticed: Arc<Notify>,
    files: BTreeSet<PathBuf>,
    folder: Option<PathBuf>,
    known: BTreeMap<PathBuf, Known>,
    /// Watched directories, and which directory each was when it was watched.
    directories: BTreeMap<PathBuf, Option<Stamp>>,
    changes: VecDeque<Change>,
    /// A look at the files is due; stays so when the look is given up half way.
    due: bool,
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    /// Which file it is: another one may have been moved to its place.
    identity: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Known {
    stamp: Option<Stamp>,
    hash: Option<Hash>,
}

impl Watch {
    pub fn new(
        files: impl IntoIterator<Item = PathBuf>,
        folder: Option<PathBuf>,
    ) -> Result<Self, PluginError> {
        let noticed = Arc::new(Notify::new());
        let notice = Arc::clone(&noticed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if !matches!(&event, Ok(event) if is_idle(event.kind)) {
                notice.notify_one();
            }
        });
        let mut watch = Self {
            watcher: watcher.map_err(|error| PluginError::Watch(Cause::new(&error.to_string())))?,
            noticed,
            files: BTreeSet::new(),
            folder,
            known: BTreeMap::new(),
            directories: BTreeMap::new(),
            changes: VecDeque::new(),
            due: false,
        };
        watch.set_files(files);
        Ok(watch)
    }

    /// Watches these files from now on, and no others but those of the folder.
    pub fn set_files(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        self.files = files.into_iter().collect();
        let all = self.all();
        self.known.retain(|file, _| all.contains(file));
        for file in all {
            self.known.entry(file).or_insert_with_key(|file| known(file));
        }
        self.watch_directories();
    }

    /// The next change. May be given up and called again without missing one.
    pub async fn next(&mut self) -> Change {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return change;
            }
            if !self.due {
                // Without a notice it is time for a look as well.
                timeout(LOOK, self.noticed.notified()).await.ok();
                self.due = true;
            }
            let give_up = Instant::now() + PATIENCE;
            while timeout(QUIET, self.noticed.notified()).await.is_ok() && Instant::now() < give_up
            {
            }
            self.look().await;
            self.watch_directories();
            self.due = false;
        }
    }

    /// All files there are, or were.
    fn all(&self) -> BTreeSet<PathBuf> {
        let mut all = self.files.clone();
        if let Some(folder) = &self.folder {
            all.extend(components(folder));
        }
        all
    }

    async fn look(&mut self) {
        let mut all = self.all();
        all.extend(self.known.keys().cloned());
        for file in all {
            let before = self.known.get(&file).copied().unwrap_or_default();
            if stamp(&file) == before.stamp {
                continue;
            }
            let now = settled(&file).await;
            let change = match (before.hash, now.hash) {
                (before, after) if before == after => None,
                (_, Some(_)) => Some(Change::Written(file.clone())),
                (_, None) => Some(Change::Removed(file.clone())),
            };
            self.changes.extend(change);
            if now.stamp.is_none() && !self.files.contains(&file) {
                self.known.remove(&file);
            } else {
                self.known.insert(file, now);
            }
        }
    }

    /// Watches the directories that the files are in, and those that symbolic links lead to.
    fn watch_directories(&mut self) {
        let mut wanted = BTreeSet::new();
        for file in self.all() {
            wanted.insert(directory(&file));
            if let Ok(target) = fs::canonicalize(&file) {
                wanted.insert(directory(&target));
            }
        }
        wanted.extend(self.folder.clone());
        let gone = self
            .directories
            .keys()
            .filter(|known| !wanted.contains(*known))
            .cloned()
            .collect::<Vec<_>>();
        for directory in gone {
            self.directories.remove(&directory);
            // It may have been deleted, and its watch with it.
            self.watcher.unwatch(&directory).ok();
        }
        for directory in wanted {
            let identity =
                stamp(&directory).map(|stamp| Stamp { size: 0, modified: None, ..stamp });
            if self.directories.get(&directory) == Some(&identity) {
                continue;
            }
            // What cannot be watched is looked at every so often, like everything else.
            let watched = self.watcher.watch(&directory, RecursiveMode::NonRecursive).is_ok();
            self.directories.insert(directory, identity.filter(|_| watched));
        }
    }
}

/// Notices of reading, ours among them.
fn is_idle(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => false,
        EventKind::Access(_) => true,
        _ => false,
    }
}

/// Waits until the file's size and time stand still and its bytes are whole, and then reads it.
async fn settled(file: &Path) -> Known {
    let give_up = Instant::now() + PATIENCE;
    let mut before = stamp(file);
    loop {
        sleep(QUIET).await;
        let now = stamp(file);
        let late = Instant::now() >= give_up;
        if now != before {
            before = now;
        } else if now.is_some() || late {
            let path = file.to_owned();
            let read = spawn_blocking(move || read(&path)).await.unwrap_or_default();
            let (known, unfinished) = read;
            if (!unfinished && known.stamp.is_some() == known.hash.is_some()) || late {
                return known;
            }
        }
    }
}

/// What is in a file, and whether it may still be being written. Of one that is too large to be a component, only the
/// beginning and the length count.
fn read(path: &Path) -> (Known, bool) {
    let stamp = stamp(path);
    let most = EngineLimits::default().component_bytes;
    match file::read(path, most) {
        Ok((mut bytes, metadata)) => {
            let whole = metadata.len() <= most as u64;
            let unfinished = whole && is_unfinished(&bytes);
            if !whole {
                bytes.extend(metadata.len().to_le_bytes());
            }
            (Known { stamp, hash: Some(Hash::of(&bytes)) }, unfinished)
        }
        Err(_) => (Known { stamp, hash: None }, false),
    }
}

fn known(file: &Path) -> Known {
    read(file).0
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok()?;
    Some(Stamp {
        size: metadata.len(),
        modified: metadata.modified().ok(),
        identity: identity(&metadata),
    })
}

#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> u64 {
    0
}

fn directory(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// The `.wasm` files of a folder; temporary ones, whose names begin with a dot, are not meant.
fn components(folder: &Path) -> Vec<PathBuf> {
    let list = || -> io::Result<Vec<PathBuf>> {
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let is_component = |file: &PathBuf| {
        let hidden = file.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        !hidden && file.extension().is_some_and(|extension| extension == "wasm")
    };
    list().unwrap_or_default().into_iter().filter(is_component).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::OpenOptions, io::Write as _};

    /// A component's header and one custom section with this byte in it.
    fn component(byte: u8) -> Vec<u8> {
        [b"\0asm\x0d\0\x01\0".as_slice(), &[0, 3, 1, b'n', byte]].concat()
    }

    async fn next(watch: &mut Watch) -> Change {
        timeout(Duration::from_secs(20), watch.next()).await.expect("a change is told")
    }

    struct Place {
        _kept: tempfile::TempDir,
        folder: PathBuf,
        file: PathBuf,
        watch: Watch,
    }

    fn place() -> Place {
        let kept = tempfile::tempdir().expect("a folder");
        let folder = kept.path().to_owned();
        let file = folder.join("a.wasm");
        fs::write(&file, component(1)).expect("written");
        let watch = Watch::new([file.clone()], None).expect("watched");
        Place { _kept: kept, folder, file, watch }
    }

    #[tokio::test]
    async fn a_file_written_in_place_is_told_once_it_is_whole() {
        let Place { _kept, file, mut watch, .. } = place();
        let whole = component(2);
        let (begin, rest) = whole.split_at(10);
        let mut open = OpenOptions::new().write(true).truncate(true).open(&file).expect("open");
        open.write_all(begin).expect("begun");
        let wait = async {
            let change = next(&mut watch).await;
            assert_eq!(fs::read(&file).expect("read"), whole);
            change
        };
        let finish = async {
            tokio::task::yield_now().await;
            open.write_all(rest).expect("finished");
            drop(open);
        };
        let (change, ()) = tokio::join!(wait, finish);
        assert_eq!(change, Change::Written(file.clone()));
    }

    #[tokio::test]
    async fn a_rename_a_link_swap_and_a_new_file_are_told_and_equal_bytes_are_not() {
        let Place { _kept, folder, file, mut watch } = place();
        let beside = folder.join("a.tmp");
        fs::write(&beside, component(2)).expect("written");
        fs::rename(&beside, &file).expect("renamed");
        assert_eq!(next(&mut watch).await, Change::Written(file.clone()));

        fs::write(&file, component(2)).expect("the same bytes");
        fs::remove_file(&file).expect("deleted");
        fs::write(&file, component(3)).expect("created");
        assert_eq!(next(&mut watch).await, Change::Written(file.clone()));

        let target = folder.join("target");
        fs::write(&target, component(4)).expect("written");
        fs::remove_file(&file).expect("deleted");
        #[cfg(unix)]
        std::os::unix::fs::symlink(&target, &file).expect("linked");
        assert_eq!(next(&mut watch).await, Change::Written(file.clone()));
        assert_eq!(
            watch.known.get(&file).and_then(|known| known.hash),
            Some(Hash::of(&component(4)))
        );
        fs::write(&target, component(5)).expect("written behind the link");
        assert_eq!(next(&mut watch).await, Change::Written(file));
    }

    #[tokio::test]
    async fn a_folders_components_come_and_go() {
        let kept = tempfile::tempdir().expect("a folder");
        let file = kept.path().join("b.wasm");
        let mut watch = Watch::new([], Some(kept.path().to_owned())).expect("watched");
        fs::write(kept.path().join("notes.txt"), "no component").expect("written");
        fs::write(&file, component(1)).expect("written");
        assert_eq!(next(&mut watch).await, Change::Written(file.clone()));
        fs::remove_file(&file).expect("deleted");
        assert_eq!(next(&mut watch).await, Change::Removed(file));
    }
}
