//! Tells which watched file has changed, once whoever writes it is done.
//!
//! Editors and build tools write in place, write beside and rename, swap a symbolic link, or delete and create. A notice
//! of the file system is a reason to compare the bytes, whatever size and time say: tools set times back. Where there are
//! no notices, size, identity and times tell, among them that of the last change of the inode, which no tool sets.

mod notices;

use crate::{
    compile::{compiled::Hash, format::is_unfinished},
    engine::EngineLimits,
    error::{Cause, PluginError},
};
use notices::Notices;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};
use tengen_settings::file;
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};

/// So long without a notice, and with an unchanged size and time, makes a file settled.
const QUIET: Duration = Duration::from_millis(25);
/// How long an unfinished or missing file is waited for before it is reported as it is.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often the files are looked at without a notice: some file systems give none.
const LOOK: Duration = Duration::from_secs(2);

/// Longest pause between two tries to read a file that cannot be read; the first is [`LOOK`].
const UNREADABLE_MAX: Duration = Duration::from_secs(60);
/// What happened to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileChange {
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
    noticed: Arc<Notices>,
    files: BTreeSet<PathBuf>,
    folder: Option<PathBuf>,
    known: BTreeMap<PathBuf, Known>,
    /// Files that are there and cannot be read: when to try again, and the pause after that.
    unreadable: BTreeMap<PathBuf, (Instant, Duration)>,
    /// Watched directories, and which directory each was when it was watched.
    directories: BTreeMap<PathBuf, Option<Stamp>>,
    changes: VecDeque<FileChange>,
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
    /// When its inode last changed, its rights included: seconds and nanoseconds.
    changed: (i64, i64),
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
        let noticed = Arc::<Notices>::default();
        let notices = Arc::clone(&noticed);
        let watcher = notify::recommended_watcher(move |event| notices.add(event));
        let mut watch = Self {
            watcher: watcher.map_err(|error| PluginError::Watch(Cause::new(&error.to_string())))?,
            noticed,
            files: BTreeSet::new(),
            folder,
            known: BTreeMap::new(),
            unreadable: BTreeMap::new(),
            directories: BTreeMap::new(),
            changes: VecDeque::new(),
            due: false,
        };
        watch.files = files.into_iter().collect();
        watch.note(watch.all());
        watch.watch_directories();
        Ok(watch)
    }

    /// Watches these files from now on, and no others but those of the folder.
    pub fn set_files(&mut self, files: impl IntoIterator<Item = PathBuf>) {
        let files: BTreeSet<_> = files.into_iter().collect();
        if files == self.files {
            return;
        }
        // What comes to the folder or goes meanwhile is left to the next look, which tells it.
        let of_folder = |file: &Path| file.parent() == self.folder.as_deref();
        self.known.retain(|file, _| files.contains(file) || of_folder(file));
        self.files.clone_from(&files);
        self.note(files);
        self.watch_directories();
    }

    /// What is there of these counts as known.
    fn note(&mut self, files: BTreeSet<PathBuf>) {
        for file in files {
            if !self.known.contains_key(&file) {
                let known = known(&file);
                self.note_unreadable(&file, known);
                self.known.insert(file, known);
            }
        }
    }

    /// The next change. May be given up and called again without missing one.
    pub async fn next(&mut self) -> FileChange {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return change;
            }
            if !self.due {
                // Without a notice it is time for a look as well.
                timeout(LOOK, self.noticed.told()).await.ok();
                self.due = true;
            }
            let give_up = Instant::now() + PATIENCE;
            let noticed = || timeout(QUIET, self.noticed.told());
            while noticed().await.is_ok() && Instant::now() < give_up {}
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
        let noticed = self.noticed.take();
        self.unreadable.retain(|file, _| all.contains(file));
        for file in all {
            let before = self.known.get(&file).copied().unwrap_or_default();
            let as_before = stamp(&file) == before.stamp;
            if as_before && !noticed.may_mean(&file) && !self.is_tried_again(&file) {
                continue;
            }
            let now = settled(&file).await;
            self.note_unreadable(&file, now);
            let change = match (before.hash, now.hash) {
                (before, after) if before == after => None,
                (_, Some(_)) => Some(FileChange::Written(file.clone())),
                (_, None) => Some(FileChange::Removed(file.clone())),
            };
            self.changes.extend(change);
            if now.stamp.is_none() && !self.files.contains(&file) {
                self.known.remove(&file);
            } else {
                self.known.insert(file, now);
            }
        }
    }

    /// Whether the pause is over after which a file that could not be read is tried again: what keeps it from being read
    /// need not change the file.
    fn is_tried_again(&self, file: &Path) -> bool {
        self.unreadable.get(file).is_some_and(|(at, _)| *at <= Instant::now())
    }

    fn note_unreadable(&mut self, file: &Path, now: Known) {
        if now.stamp.is_none() || now.hash.is_some() {
            self.unreadable.remove(file);
            return;
        }
        let pause = self.unreadable.get(file).map_or(LOOK, |(_, pause)| *pause);
        let next = pause.saturating_mul(2).min(UNREADABLE_MAX);
        self.unreadable.insert(file.to_owned(), (Instant::now() + pause, next));
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
            let identity = stamp(&directory).map(|stamp| Stamp {
                size: 0,
                modified: None,
                changed: (0, 0),
                ..stamp
            });
            if self.directories.get(&directory) == Some(&identity) {
                continue;
            }
            // What cannot be watched is looked at every so often, like everything else.
            let watched = self.watcher.watch(&directory, RecursiveMode::NonRecursive).is_ok();
            self.directories.insert(directory, identity.filter(|_| watched));
        }
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
        identity: metadata.ino(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
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

    async fn next(watch: &mut Watch) -> FileChange {
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
        assert_eq!(change, FileChange::Written(file.clone()));
    }

    #[tokio::test]
    async fn a_rename_a_link_swap_and_a_new_file_are_told_and_equal_bytes_are_not() {
        let Place { _kept, folder, file, mut watch } = place();
        let beside = folder.join("a.tmp");
        fs::write(&beside, component(2)).expect("written");
        fs::rename(&beside, &file).expect("renamed");
        assert_eq!(next(&mut watch).await, FileChange::Written(file.clone()));

        fs::write(&file, component(2)).expect("the same bytes");
        fs::remove_file(&file).expect("deleted");
        fs::write(&file, component(3)).expect("created");
        assert_eq!(next(&mut watch).await, FileChange::Written(file.clone()));

        let target = folder.join("target");
        fs::write(&target, component(4)).expect("written");
        fs::remove_file(&file).expect("deleted");
        #[cfg(unix)]
        std::os::unix::fs::symlink(&target, &file).expect("linked");
        assert_eq!(next(&mut watch).await, FileChange::Written(file.clone()));
        assert_eq!(
            watch.known.get(&file).and_then(|known| known.hash),
            Some(Hash::of(&component(4)))
        );
        fs::write(&target, component(5)).expect("written behind the link");
        assert_eq!(next(&mut watch).await, FileChange::Written(file));
    }

    fn set_time(file: &Path) {
        let open = OpenOptions::new().write(true).open(file).expect("open");
        open.set_modified(SystemTime::UNIX_EPOCH).expect("set back");
    }

    #[tokio::test]
    async fn other_bytes_of_the_same_size_and_time_are_told() {
        let Place { _kept, file, .. } = place();
        set_time(&file);
        let mut watch = Watch::new([file.clone()], None).expect("watched");
        let before = stamp(&file).expect("it is there");
        let mut open = OpenOptions::new().write(true).open(&file).expect("open");
        open.write_all(&component(2)).expect("in place");
        set_time(&file);
        let now = stamp(&file).expect("it is there");
        assert_eq!(
            (now.size, now.modified, now.identity),
            (before.size, before.modified, before.identity)
        );
        assert_eq!(next(&mut watch).await, FileChange::Written(file));
    }

    // On a file system that gives no time to an inode's changes.
    #[tokio::test]
    async fn a_notice_is_a_reason_to_compare_the_bytes() {
        let Place { _kept, file, mut watch, .. } = place();
        fs::write(&file, component(2)).expect("written");
        watch.known.get_mut(&file).expect("known").stamp = stamp(&file);
        assert_eq!(next(&mut watch).await, FileChange::Written(file));
    }

    #[tokio::test]
    async fn a_file_that_becomes_readable_is_told() {
        let kept = tempfile::tempdir().expect("a folder");
        let (file, target) = (kept.path().join("a.wasm"), kept.path().join("elsewhere"));
        // A link to a directory cannot be read as a file: whoever runs the tests may read what `chmod` forbids.
        fs::create_dir(&target).expect("made");
        fs::write(kept.path().join("real"), component(1)).expect("written");
        std::os::unix::fs::symlink(&target, &file).expect("linked");
        let mut watch = Watch::new([file.clone()], None).expect("watched");
        assert!(watch.unreadable.contains_key(&file));
        watch.note_unreadable(&file, Known { stamp: stamp(&file), hash: None });
        let (_, pause) = watch.unreadable.get(&file).copied().expect("it is tried again");
        assert_eq!(pause, LOOK * 4, "with growing pauses");
        fs::remove_dir(&target).expect("removed");
        fs::rename(kept.path().join("real"), &target).expect("moved");
        assert_eq!(next(&mut watch).await, FileChange::Written(file.clone()));
        assert!(!watch.unreadable.contains_key(&file));
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_tried_again_though_nothing_about_it_changes() {
        let Place { _kept, file, mut watch, .. } = place();
        watch.noticed.take();
        // As after a read that failed for want of file descriptors.
        let known = watch.known.get_mut(&file).expect("known");
        known.hash = None;
        let known = *known;
        watch.note_unreadable(&file, known);
        watch.unreadable.get_mut(&file).expect("it is tried again").0 = Instant::now();
        assert_eq!(next(&mut watch).await, FileChange::Written(file));
    }

    #[tokio::test]
    async fn a_folders_components_come_and_go() {
        let kept = tempfile::tempdir().expect("a folder");
        let file = kept.path().join("b.wasm");
        let mut watch = Watch::new([], Some(kept.path().to_owned())).expect("watched");
        fs::write(kept.path().join("notes.txt"), "no component").expect("written");
        fs::write(&file, component(1)).expect("written");
        assert_eq!(next(&mut watch).await, FileChange::Written(file.clone()));
        fs::remove_file(&file).expect("deleted");
        assert_eq!(next(&mut watch).await, FileChange::Removed(file));
    }

    #[tokio::test]
    async fn what_comes_to_the_folder_while_other_files_are_set_is_told() {
        let kept = tempfile::tempdir().expect("a folder");
        let file = kept.path().join("b.wasm");
        let mut watch = Watch::new([], Some(kept.path().to_owned())).expect("watched");
        fs::write(&file, component(1)).expect("written");
        watch.set_files([kept.path().join("of-the-configuration.wasm")]);
        assert_eq!(next(&mut watch).await, FileChange::Written(file));
    }
}
