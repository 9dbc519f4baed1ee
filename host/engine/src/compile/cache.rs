//! Machine code kept on disk, so that a component that was compiled once is not compiled again.
//!
//! The folder is this user's own. What is read back is believed only under a seal (HMAC) whose key lies beside it, for
//! this user alone: that tells accidents and other users' files, not what someone does who acts as this user. Every
//! defect means to compile again, and nothing worse.

use super::{
    code::{Code, Fingerprint},
    compiled::Hash,
};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

const KEY: &str = "key";
const KEY_LEN: usize = 32;
const SEAL_LEN: usize = 32;
/// What is kept: for more plugins than one gateway has, before and after a change of each. With room for fewer than there
/// are, each start would throw out what it needs next, and compile all of them.
const FILES: usize = 1024;
const BYTES: u64 = 2 << 30;

/// The folder and its key.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    key: Key,
    /// The most files, and the most bytes of them all; the ones not used for longest go first.
    files: usize,
    bytes: u64,
}

/// Never shown.
struct Key([u8; KEY_LEN]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Cache {
    /// Opens a cache, makes it if need be. None, with a warning: it cannot be used, and everything is compiled.
    pub(crate) fn open(folder: &Path) -> Option<Self> {
        let opened = prepare(folder).and_then(|()| key(folder));
        match opened {
            Ok(key) => Some(Self { folder: folder.to_owned(), key, files: FILES, bytes: BYTES }),
            Err(error) => {
                tracing::warn!(
                    folder = %folder.display(), %error,
                    "compiled components are not kept: set `server.cache` to a folder of this user's own, or to \"off\""
                );
                None
            }
        }
    }

    /// The code of this component for this engine, if it is there and whole.
    pub(crate) fn get(&self, component: Hash, engine: Fingerprint) -> Option<Code> {
        let name = name(component, engine);
        let (mut bytes, file) = self.read(&self.folder.join(&name))?;
        let seal = bytes.split_off(bytes.len().checked_sub(SEAL_LEN)?);
        self.sealing(&name, &bytes).verify_slice(&seal).ok()?;
        // Marks it as used. Where that fails, it is only sooner forgotten.
        file.set_modified(SystemTime::now()).ok();
        Some(Code::of_cache(bytes))
    }

    fn read(&self, path: &Path) -> Option<(Vec<u8>, File)> {
        let (mut file, metadata) = tengen_settings::file::open(path).ok()?;
        if !is_private(&metadata) || metadata.len() > self.bytes {
            return None;
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).ok()?);
        Read::by_ref(&mut file).take(self.bytes).read_to_end(&mut bytes).ok()?;
        Some((bytes, file))
    }

    /// Keeps code. What cannot be kept is compiled again next time.
    pub(crate) fn put(&self, component: Hash, engine: Fingerprint, code: &Code) {
        let kept = self.write(&name(component, engine), code).and_then(|()| self.prune());
        if let Err(error) = kept {
            tracing::debug!(folder = %self.folder.display(), %error, "a compiled component was not kept");
        }
    }

    /// Under a name of its own first: nobody reads half a file.
    fn write(&self, name: &str, code: &Code) -> io::Result<()> {
        let part = part(&self.folder);
        let seal = self.sealing(name, code.bytes()).finalize().into_bytes();
        let written = create(&part).and_then(|mut file| {
            file.write_all(code.bytes())?;
            file.write_all(&seal)?;
            fs::rename(&part, self.folder.join(name))
        });
        if written.is_err() {
            fs::remove_file(&part).ok();
        }
        written
    }

    /// Of a file's name and content, so that one cannot be taken for another.
    fn sealing(&self, name: &str, code: &[u8]) -> Hmac<Sha256> {
        let mut sealing = sealing(&self.key);
        sealing.update(name.as_bytes());
        sealing.update(code);
        sealing
    }

    /// Removes what was not used for longest, until the rest is within the limits.
    fn prune(&self) -> io::Result<()> {
        let entries = fs::read_dir(&self.folder)?.filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            let ours = metadata.is_file() && is_ours(entry.file_name().to_str()?);
            ours.then(|| (metadata.modified().ok(), metadata.len(), entry.path()))
        });
        let mut entries: Vec<_> = entries.collect();
        entries.sort();
        let mut bytes: u64 = entries.iter().map(|(_, size, _)| size).sum();
        let mut files = entries.len();
        for (_, size, path) in entries {
            if files <= self.files && bytes <= self.bytes {
                break;
            }
            fs::remove_file(path)?;
            files -= 1;
            bytes = bytes.saturating_sub(size);
        }
        Ok(())
    }
}

fn sealing(key: &Key) -> Hmac<Sha256> {
    Hmac::new_from_slice(&key.0).expect("HMAC takes keys of every length")
}

fn name(component: Hash, engine: Fingerprint) -> String {
    format!("{component}-{engine}")
}

/// Names that are given here, unfinished files among them: nothing else is ever removed, whatever the folder is.
fn is_ours(name: &str) -> bool {
    let unfinished = name.strip_prefix('.').and_then(|name| name.strip_suffix(".part"));
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let Some((first, last)) = unfinished.unwrap_or(name).split_once('-') else { return false };
    let whole = first.len() == 64 && last.len() == 16;
    is_hex(first) && is_hex(last) && (unfinished.is_some() || whole)
}

/// A name for a file that is being written.
fn part(folder: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!(".{}-{count}.part", std::process::id()))
}

/// Whether nobody but this user can read or write it.
fn is_private(metadata: &Metadata) -> bool {
    is_own(metadata) && metadata.mode() & 0o077 == 0
}

fn is_own(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

/// Makes the folder, or sees that nobody else can write in it.
fn prepare(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::metadata(folder)?;
    if !is_own(&metadata) {
        return Err(io::Error::other("the folder belongs to another user"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other("others may write to the folder: run `chmod go-w` on it"));
    }
    Ok(())
}

/// The folder's key; a new one when there is none that is good. What is sealed with another is compiled again.
fn key(folder: &Path) -> io::Result<Key> {
    let path = folder.join(KEY);
    if let Some(key) = read_key(&path) {
        return Ok(key);
    }
    let mut fresh = [0; KEY_LEN];
    File::open("/dev/urandom")?.read_exact(&mut fresh)?;
    let part = part(folder);
    let written = create(&part).and_then(|mut file| {
        file.write_all(&fresh)?;
        // A gateway that starts at the same time may have been first: then its key holds, if it is good.
        match fs::hard_link(&part, &path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if read_key(&path).is_some() { Ok(()) } else { fs::rename(&part, &path) }
            }
            linked => linked,
        }
    });
    fs::remove_file(&part).ok();
    written?;
    read_key(&path).ok_or_else(|| io::Error::other("its key cannot be read"))
}

fn read_key(path: &Path) -> Option<Key> {
    let (file, metadata) = tengen_settings::file::open(path).ok()?;
    if !is_private(&metadata) {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(KEY_LEN as u64 + 1).read_to_end(&mut bytes).ok()?;
    bytes.try_into().map(Key).ok()
}

/// A new file, for this user alone; one that an earlier process of the same number left unfinished makes room.
fn create(path: &Path) -> io::Result<File> {
    fs::remove_file(path).ok();
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(test)]
impl Cache {
    /// The same with other bounds.
    pub(crate) fn with_limits(self, files: usize, bytes: u64) -> Self {
        Self { files, bytes, ..self }
    }
}
