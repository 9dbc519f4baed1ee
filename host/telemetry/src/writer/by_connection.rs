//! A folder with a file for each connection, for what clients say.
//!
//! A file's name is made of its connection's id and of nothing else. What is about no connection is in a file of its own,
//! `none`. How many files there are, how large each is and all of them are, and how many are open, is bounded: the file that
//! was not written to for the longest time is closed, or removed, first. Whatever else is in the folder is left alone, and no
//! link in it is followed.

mod kept;

use super::Output;
use kept::{Kept, Name};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tengen_core::{
    often::{Often, Times},
    sink::Signal,
};
use tengen_settings::Files;

/// How often is looked for files that are too old.
const LOOK_EVERY: Duration = Duration::from_secs(60);

pub(crate) struct ByConnection {
    folder: PathBuf,
    /// What names of files end with.
    ending: &'static str,
    limits: Files,
    /// What is in the folder; none: nobody has looked yet, or something is wrong with it.
    kept: Option<Kept>,
    looked: Option<Instant>,
    /// Those that are open; the one that was written to last is the last.
    open: Vec<(Name, File)>,
    /// The lines that are being written: whose each is, and where it ends. None: they are not of a batch.
    lines: Option<Vec<(Name, usize)>>,
    removed: Often,
}

/// What is to be written next.
struct Piece<'b> {
    name: Name,
    bytes: &'b [u8],
    /// Whether a line begins with it.
    begins: bool,
    /// How long its first line is.
    first: usize,
}

impl ByConnection {
    pub(crate) fn new(folder: PathBuf, ending: &'static str, limits: Files) -> Self {
        let (kept, looked, lines) = (None, None, None);
        let removed = Often::default();
        Self { folder, ending, limits, kept, looked, open: Vec::new(), lines, removed }
    }

    /// Looks what is there, and makes the folder if it is not.
    fn look(&mut self) -> io::Result<()> {
        if self.kept.is_none() {
            match DirBuilder::new().mode(0o700).create(&self.folder) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            self.kept = Some(Kept::read(&self.folder, self.ending)?);
        }
        if self.looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
            self.looked = Some(Instant::now());
            let since = SystemTime::now().checked_sub(self.limits.age);
            while let Some(old) = self.kept.as_ref().and_then(|kept| kept.older_than(since?)) {
                self.remove(&old)?;
            }
        }
        Ok(())
    }

    /// Makes room for so many bytes more in this file.
    fn make_room(&mut self, name: &Name, bytes: usize) -> io::Result<()> {
        let (most, total) = (self.limits.count.get(), self.limits.total.get() as u64);
        let is_over = |kept: &Kept| {
            let files = kept.len() + usize::from(!kept.has(name));
            files > most || kept.bytes().saturating_add(bytes as u64) > total
        };
        while let Some(kept) = self.kept.as_ref().filter(|kept| is_over(kept))
            && let Some(oldest) = kept.oldest_but(name)
        {
            self.remove(&oldest)?;
            if let Some(Times { untold, .. }) = self.removed.count("removed", Instant::now()) {
                let folder = self.folder.display();
                tracing::info!(%folder, untold, "old files of connections gave way to new ones: see the sink's `files`");
            }
        }
        Ok(())
    }

    fn remove(&mut self, name: &Name) -> io::Result<()> {
        self.open.retain(|(open, _)| open != name);
        gone(fs::remove_file(self.path(name)))?;
        if let Some(kept) = &mut self.kept {
            kept.forget(name);
        }
        Ok(())
    }

    /// A file that is full becomes the older one of its connection; the one that was that is removed.
    fn turn(&mut self, name: &Name) -> io::Result<()> {
        let older = name.older();
        self.remove(&older)?;
        self.open.retain(|(open, _)| open != name);
        gone(fs::rename(self.path(name), self.path(&older)))?;
        if let Some(kept) = &mut self.kept {
            kept.rename(name, older);
        }
        Ok(())
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.folder.join(name.of_file(self.ending))
    }

    /// The file of this name, open; it is the last of them.
    fn file(&mut self, name: &Name) -> io::Result<&mut File> {
        match self.open.iter().position(|(open, _)| open == name) {
            Some(place) => {
                let used = self.open.remove(place);
                self.open.push(used);
            }
            None => {
                let file = open(&self.path(name))?;
                while self.open.len() >= self.limits.open.get() {
                    drop(self.open.remove(0));
                }
                self.open.push((name.clone(), file));
            }
        }
        self.open.last_mut().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Of the bytes that are left of the lines: those of the first line, and of the next ones as long as they go to the same
    /// file and it has room for them.
    fn piece<'b>(&self, bytes: &'b [u8]) -> Piece<'b> {
        let whole = Piece { name: Name::None, bytes, begins: true, first: bytes.len() };
        let Some(lines) = &self.lines else { return whole };
        let Some((_, all)) = lines.last() else { return whole };
        let at = all.saturating_sub(bytes.len());
        let line = lines.partition_point(|(_, end)| *end <= at);
        let start =
            line.checked_sub(1).and_then(|before| lines.get(before)).map_or(0, |(_, end)| *end);
        let Some((name, end)) = lines.get(line) else { return whole };
        let (first, begins) = (end - at, at == start);
        let has = self.kept.as_ref().map_or(0, |kept| kept.bytes_of(name));
        let room = usize::try_from((self.limits.size.get() as u64).saturating_sub(has))
            .unwrap_or(usize::MAX);
        let more =
            lines.iter().skip(line).take_while(|(other, end)| other == name && end - at <= room);
        let length = more.last().map_or(first, |(_, end)| end - at).max(first);
        let bytes = bytes.get(..length).unwrap_or(bytes);
        Piece { name: name.clone(), bytes, begins, first }
    }

    fn write_piece(&mut self, piece: &Piece<'_>) -> io::Result<usize> {
        let Piece { name, bytes, begins, first } = piece;
        let has = self.kept.as_ref().map_or(0, |kept| kept.bytes_of(name));
        if *begins && has > 0 && has + *first as u64 > self.limits.size.get() as u64 {
            self.turn(name)?;
        }
        self.make_room(name, bytes.len())?;
        let is_cut = *begins && self.kept.as_ref().is_some_and(|kept| kept.is_cut(name));
        let file = self.file(name)?;
        if is_cut {
            file.write_all(b"\n")?;
        }
        let count = file.write(bytes)?;
        if let Some(kept) = &mut self.kept {
            kept.wrote(name, count as u64 + u64::from(is_cut), SystemTime::now());
        }
        Ok(count)
    }
}

impl Output for ByConnection {
    fn prepare(&mut self, _: usize) -> io::Result<()> {
        self.lines = None;
        self.look()
    }

    fn lines(&mut self, signals: &[Arc<Signal>], ends: &[usize]) {
        let names = signals.iter().map(|signal| Name::of_connection(&signal.connection));
        self.lines = Some(names.zip(ends.iter().copied()).collect());
    }

    fn mends(&self) -> bool {
        true
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = self.piece(bytes);
        let written = self.write_piece(&piece);
        if written.as_ref().is_err_and(|error| error.kind() != io::ErrorKind::Interrupted) {
            // It is opened again, and a line that was begun is begun anew.
            self.open.retain(|(open, _)| *open != piece.name);
            if let Some(kept) = self.kept.as_mut().filter(|_| !piece.begins) {
                kept.cut(&piece.name);
            }
            // Somebody may have moved the folder, or emptied it.
            if !self.folder.is_dir() {
                self.kept = None;
            }
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Opens or makes a file, readable for its owner alone. What is in its place and is no file, or has another name as well, gives
/// way: what is written there is for nowhere else.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    options.append(true).create(true).mode(0o600).custom_flags(flags);
    let is_own =
        |file: &File| file.metadata().is_ok_and(|about| about.is_file() && about.nlink() == 1);
    match options.open(path) {
        Ok(file) if is_own(&file) => Ok(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(error) if fs::symlink_metadata(path).is_ok_and(|about| about.is_file()) => Err(error),
        _ => {
            gone(fs::remove_file(path))?;
            options.create(false).create_new(true).open(path)
        }
    }
}

/// That there is no such file is no failure.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
