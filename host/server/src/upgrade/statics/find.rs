//! From the path of a request to an open file: links are followed inside the folder, and nowhere else.

use percent_encoding::percent_decode_str;
use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    path::{Component, Path, PathBuf},
};
use tokio::task::spawn_blocking;

/// A file, and what was known of it when it was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) metadata: Metadata,
}

#[derive(Debug)]
pub(super) enum Found {
    File(Box<Opened>),
    /// A folder asked for without its last `/`: its relative links would lead astray.
    Folder,
}

/// The path inside the folder. None for everything that could lead out of it or to a hidden file.
pub(super) fn safe(rest: &str) -> Option<PathBuf> {
    let mut relative = PathBuf::new();
    let mut segments = rest.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_none() {
            break;
        }
        let name = percent_decode_str(segment).decode_utf8().ok()?;
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', ':', '\0']) {
            return None;
        }
        relative.push(&*name);
    }
    Some(relative)
}

/// What is behind a path. `is_folder`: it was asked for with a `/` at its end.
pub(super) async fn find(dir: PathBuf, relative: PathBuf, is_folder: bool) -> io::Result<Found> {
    let look = move || look(&dir, &relative, is_folder);
    spawn_blocking(look).await.map_err(io::Error::other)?
}

fn look(dir: &Path, relative: &Path, is_folder: bool) -> io::Result<Found> {
    let root = dir.canonicalize()?;
    let mut path = inside(&root, &root.join(relative))?;
    match (path.metadata()?.is_dir(), is_folder) {
        // Asked for with and without its `/`, what lies outside was not found already.
        (true, false) => return Ok(Found::Folder),
        (true, true) => path = inside(&root, &path.join("index.html"))?,
        (false, true) => return Err(io::ErrorKind::NotFound.into()),
        (false, false) => {}
    }
    open(&root, path).map(|opened| Found::File(Box::new(opened)))
}

/// Where a path really leads, if that is in the folder and not hidden.
fn inside(root: &Path, path: &Path) -> io::Result<PathBuf> {
    let real = path.canonicalize()?;
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(name) if !name.as_encoded_bytes().starts_with(b"."));
    match real.strip_prefix(root) {
        Ok(below) if below.components().all(is_plain) => Ok(real),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Opened once, on the way that was looked at: what is served is what was found to be inside, even if somebody who may write
/// to the folder puts a link in the way meanwhile. Nothing that is no file is waited for.
pub(super) fn open(root: &Path, path: PathBuf) -> io::Result<Opened> {
    if !path.metadata()?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let file = open_below(root, &path)?;
    let metadata = file.metadata()?;
    match metadata.is_file() {
        true => Ok(Opened { path, file, metadata }),
        false => Err(io::ErrorKind::NotFound.into()),
    }
}

/// The kernel follows no link on the way. Where it cannot be asked to (Linux before 5.6, a container that forbids it), only the
/// last part is held to be no link.
#[cfg(target_os = "linux")]
fn open_below(root: &Path, path: &Path) -> io::Result<File> {
    use rustix::{
        fs::{Mode, OFlags, ResolveFlags, open, openat2},
        io::Errno,
    };
    let folder = open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let below = path.strip_prefix(root).map_err(io::Error::other)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    match openat2(&folder, below, flags, Mode::empty(), inside) {
        Ok(file) => Ok(File::from(file)),
        Err(Errno::NOSYS | Errno::PERM) => open_plainly(path),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_below(_: &Path, path: &Path) -> io::Result<File> {
    open_plainly(path)
}

fn open_plainly(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        use std::os::unix::fs::OpenOptionsExt;
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
        options.custom_flags(i32::try_from(flags).map_err(io::Error::other)?);
    }
    options.open(path)
}

/// Whether an error says no more than that there is no such file: a peer can ask for any name.
pub(super) fn is_absence(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    let is_loop = error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error());
    is_loop || matches!(error.kind(), NotFound | NotADirectory | InvalidFilename | InvalidInput)
}
