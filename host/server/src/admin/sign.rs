//! Signs: small files that say something of a running gateway to who looks for it, and go with it.
//!
//! A sign is made new, under a name that nobody can guess, and then put in its place: nobody reads half of one, and no
//! link that somebody laid in its way is followed. What is looked at is what was opened, and it is opened once.

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, openat, renameat, unlinkat},
    io::Errno,
};
use std::{
    ffi::{OsStr, OsString},
    fs::{DirBuilder, File, Metadata, TryLockError},
    io::{self, Read as _, Write},
    os::{
        fd::OwnedFd,
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

/// Signs are small; more than so many bytes are none of ours.
const SIZE_MAX: u64 = 64 << 10;

/// A folder that is open: what is done in it is done in that one, whatever becomes of its path.
#[derive(Debug, Clone)]
pub struct Folder {
    open: Arc<OwnedFd>,
    path: PathBuf,
}

/// A sign in its place. Dropping it takes it away, unless another stands there by now.
#[derive(Debug)]
pub struct Sign {
    folder: Folder,
    name: OsString,
    /// What was put there: held open, so that no other file gets its number, and locked, so that whoever reads it knows that
    /// we are there.
    put: File,
}

/// What stands in a sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub text: Vec<u8>,
    /// Whether the process that put it there still runs; none: the file system knows no locks.
    pub held: Option<bool>,
}

/// Who may read a sign; only this user may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    Owner,
    /// As the process's mask says, as for any file.
    Usual,
}

impl Folder {
    /// A folder that an operator has named, and may have linked to.
    pub fn named(path: &Path) -> io::Result<Self> {
        Self::open(path, OFlags::empty())
    }

    /// A folder of this user's own, no link: nobody else may write to it.
    pub fn own(path: &Path) -> io::Result<Self> {
        let folder = Self::open(path, OFlags::NOFOLLOW)?;
        of_this_user(&File::from(folder.open.try_clone()?).metadata()?)?;
        Ok(folder)
    }

    /// As [`Folder::own`]; made if need be.
    pub fn make_own(path: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        Self::own(path)
    }

    fn open(path: &Path, more: OFlags) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | more;
        let open = openat(CWD, path, flags, Mode::empty()).map_err(|error| match error {
            // What systems say of a link that may not be followed.
            Errno::LOOP | Errno::NOTDIR => io::Error::other("it is a link, or no folder"),
            error => error.into(),
        })?;
        Ok(Self { open: Arc::new(open), path: path.to_owned() })
    }

    /// The names in it.
    pub fn names(&self) -> io::Result<Vec<OsString>> {
        // By its path, which does no harm: whatever is read is opened in the folder that is open.
        let entries = std::fs::read_dir(&self.path)?;
        Ok(entries.flatten().map(|entry| entry.file_name()).collect())
    }

    /// A sign that this user, and nobody else, can have put there. Waits for nobody, whatever stands in its place.
    pub fn read(&self, name: &OsStr) -> io::Result<Read> {
        let file = self.open_file(name)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        of_this_user(&metadata)?;
        // The lock of whoever put it goes with its process, however that ends.
        let held = match file.try_lock_shared() {
            Ok(()) => Some(false),
            Err(TryLockError::WouldBlock) => Some(true),
            Err(TryLockError::Error(_)) => None,
        };
        let mut text = Vec::new();
        file.take(SIZE_MAX).read_to_end(&mut text)?;
        Ok(Read { text, held })
    }

    /// Whatever stands there, but no link; without waiting for the other end of a pipe.
    fn open_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open =
            openat(&*self.open, name, flags, Mode::empty()).map_err(|error| match error {
                Errno::LOOP => io::Error::other("it is a link"),
                error => error.into(),
            })?;
        Ok(File::from(open))
    }
}

impl Sign {
    /// Puts a sign at a path; in its folder, which an operator has named.
    pub fn put_at(path: &Path, text: &[u8], readers: Readers) -> io::Result<Self> {
        let (folder, name) = parts(path)?;
        Self::put(&Folder::named(folder)?, name, text, readers)
    }

    /// Puts a sign into a folder. What stood there is gone.
    pub fn put(folder: &Folder, name: &OsStr, text: &[u8], readers: Readers) -> io::Result<Self> {
        let mut part = OsString::from(format!(".{}-", uuid::Uuid::now_v7().simple()));
        part.push(name);
        let written = make(folder, &part, text, readers).and_then(|put| {
            renameat(&*folder.open, &part, &*folder.open, name)?;
            Ok(put)
        });
        match written {
            Ok(put) => Ok(Self { folder: folder.clone(), name: name.to_owned(), put }),
            Err(error) => {
                // There may be none; what there is would be left behind.
                unlinkat(&*folder.open, &part, AtFlags::empty()).ok();
                Err(error)
            }
        }
    }

    /// Where it stands.
    pub fn path(&self) -> PathBuf {
        self.folder.path.join(&self.name)
    }

    /// Whether what stands in its place is what was put there: a gateway that started later may have put its own.
    fn stands(&self) -> bool {
        let which = |file: &File| file.metadata().map(|it| (it.dev(), it.ino())).ok();
        let now = self.folder.open_file(&self.name).ok();
        now.is_some_and(|now| which(&now).is_some() && which(&now) == which(&self.put))
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        if !self.stands() {
            return;
        }
        if let Err(error) = unlinkat(&*self.folder.open, &self.name, AtFlags::empty()) {
            tracing::debug!(file = %self.path().display(), %error, "a file of the gateway was not removed");
        }
    }
}

/// A new file with this text.
fn make(folder: &Folder, name: &OsStr, text: &[u8], readers: Readers) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = match readers {
        Readers::Owner => Mode::RUSR | Mode::WUSR,
        Readers::Usual => Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH,
    };
    let mut file = File::from(openat(&*folder.open, name, flags, mode)?);
    file.write_all(text)?;
    // Some file systems know no locks: readers then go by what stands in it.
    file.try_lock().ok();
    Ok(file)
}

/// The folder and the name of a path.
pub fn parts(path: &Path) -> io::Result<(&Path, &OsStr)> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it is the path of no file"))?;
    Ok((path.parent().unwrap_or(Path::new("")), name))
}

/// What somebody else could have written may be meant to lead us, and our key, to a listener of theirs.
fn of_this_user(metadata: &Metadata) -> io::Result<()> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "others may write to it: run `chmod go-w` on it",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
        process::Command,
    };

    fn put(path: &Path, text: &str) -> io::Result<Sign> {
        Sign::put_at(path, text.as_bytes(), Readers::Owner)
    }

    fn read(path: &Path) -> io::Result<String> {
        let (folder, name) = parts(path)?;
        Folder::named(folder)?.read(name).map(|read| String::from_utf8(read.text).unwrap())
    }

    fn allow(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_sign_takes_the_place_of_a_link_and_leaves_what_the_link_leads_to() {
        let temp = tempfile::tempdir().unwrap();
        let (others, place) = (temp.path().join("others"), temp.path().join("place"));
        fs::write(&others, "theirs").unwrap();
        symlink(&others, &place).unwrap();
        // The names that were once used for what is half written.
        symlink(&others, temp.path().join("place.part")).unwrap();
        let sign = put(&place, "ours").unwrap();
        assert_eq!(fs::read_to_string(&others).unwrap(), "theirs");
        assert_eq!(read(&place).unwrap(), "ours");
        assert_eq!(fs::metadata(&place).unwrap().mode() & 0o777, 0o600);
        drop(sign);
        assert!(!place.exists());
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 2, "nothing half written is left");
    }

    #[test]
    fn a_sign_that_another_has_replaced_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let place = temp.path().join("place");
        let (first, second) = (put(&place, "first").unwrap(), put(&place, "second").unwrap());
        drop(first);
        assert_eq!(read(&place).unwrap(), "second");
        drop(second);
        assert!(!place.exists());
    }

    #[test]
    fn a_sign_says_whether_whoever_put_it_still_holds_it() {
        let temp = tempfile::tempdir().unwrap();
        let (place, left) = (temp.path().join("place"), temp.path().join("left"));
        let sign = put(&place, "ours").unwrap();
        fs::write(&left, "of somebody who was killed").unwrap();
        let folder = Folder::named(temp.path()).unwrap();
        let held = |name: &str| folder.read(OsStr::new(name)).unwrap().held;
        assert_eq!((held("place"), held("left")), (Some(true), Some(false)));
        assert_eq!(held("place"), Some(true), "looking changes nothing");
        drop(sign);
    }

    #[test]
    fn a_sign_that_cannot_be_put_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let place = temp.path().join("place");
        fs::create_dir(&place).unwrap();
        put(&place, "ours").unwrap_err();
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[track_caller]
    fn check_unread(path: &Path, why: &str) {
        let error = read(path).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }

    #[test]
    fn only_a_file_that_this_user_alone_can_write_is_read() {
        let temp = tempfile::tempdir().unwrap();
        let (file, link) = (temp.path().join("file"), temp.path().join("link"));
        let pipe = temp.path().join("pipe");
        fs::write(&file, "ours").unwrap();
        symlink(&file, &link).unwrap();
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        assert_eq!(read(&file).unwrap(), "ours");
        check_unread(&link, "a link");
        check_unread(&pipe, "no file");
        check_unread(temp.path(), "no file");
        allow(&file, 0o622);
        check_unread(&file, "others may write to it");
    }

    #[test]
    fn a_folder_of_ones_own_is_no_link_and_closed_to_others() {
        let temp = tempfile::tempdir().unwrap();
        let (folder, link) = (temp.path().join("a/b"), temp.path().join("link"));
        Folder::make_own(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        symlink(&folder, &link).unwrap();
        let error = Folder::make_own(&link).unwrap_err().to_string();
        assert!(error.contains("a link"), "{error}");
        allow(&folder, 0o777);
        let error = Folder::make_own(&folder).unwrap_err().to_string();
        assert!(error.contains("others may write"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_belongs_to_another_user_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        // Root can give a folder away; nobody else has to, to find one that is not theirs.
        let theirs = if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(temp.path(), Some(65_534), None).unwrap();
            temp.path()
        } else {
            Path::new("/proc/1")
        };
        let error = Folder::own(theirs).unwrap_err().to_string();
        assert!(error.contains("another user"), "{error}");
    }
}
