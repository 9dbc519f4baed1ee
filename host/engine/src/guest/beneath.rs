//! Opens what lies beneath a folder, at once or not at all: nobody at the other end of a pipe is waited for.

use rustix::{fs::OFlags, io::Errno};
use std::fs::File;

/// Opens what the path leads to from this folder, and never what is outside of it. None: this system cannot, as Linux before
/// 5.6, some sandboxes, and macOS.
#[cfg(target_os = "linux")]
pub(super) fn open(folder: &File, path: &str, flags: OFlags) -> Option<Result<File, Errno>> {
    use rustix::fs::{Mode, ResolveFlags, fcntl_setfl, openat2};
    use std::sync::OnceLock;

    /// How often what was renamed meanwhile is tried again.
    const TRIES: usize = 4;
    static CAN: OnceLock<bool> = OnceLock::new();
    let inside = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    // Asked for nothing but the folder itself, such a refusal is of the call and not of what the path leads to.
    let refused =
        || openat2(folder, ".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), inside).err();
    if !CAN.get_or_init(|| !matches!(refused(), Some(Errno::NOSYS | Errno::PERM))) {
        return None;
    }
    let created = flags.contains(OFlags::CREATE);
    let mode = if created { Mode::from_raw_mode(0o666) } else { Mode::empty() };
    let at_once = flags | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let mut opened = openat2(folder, path, at_once, mode, inside);
    for _ in 1..TRIES {
        if !matches!(opened, Err(Errno::AGAIN)) {
            break;
        }
        opened = openat2(folder, path, at_once, mode, inside);
    }
    // What is open is read and written like any other.
    Some(opened.and_then(|file| fcntl_setfl(&file, OFlags::empty()).map(|()| file.into())))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn open(_: &File, _: &str, _: OFlags) -> Option<Result<File, Errno>> {
    None
}
