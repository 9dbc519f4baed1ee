//! The file system's notices: which names they were about, until somebody looks.

use notify::{
    Event, EventKind,
    event::{AccessKind, AccessMode},
};
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, mem,
    path::Path,
    sync::{Mutex, PoisonError},
};
use tokio::sync::Notify;

/// Names that are kept until the next look; with more, every file is meant.
const NAMES: usize = 256;

/// What the file system has told since the last look.
#[derive(Debug, Default)]
pub(super) struct Notices {
    notify: Notify,
    /// The last parts of the paths. A directory may be watched under another path than the file has.
    names: Mutex<Names>,
}

#[derive(Debug, Default)]
pub(super) struct Names {
    named: BTreeSet<OsString>,
    /// There were too many, or a notice without a name.
    any: bool,
}

impl Notices {
    pub(super) fn add(&self, event: notify::Result<Event>) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Ok(event) if is_idle(event.kind) => return,
            Ok(event) if !event.need_rescan() && !event.paths.is_empty() && !names.any => {
                let new = event.paths.iter().filter_map(|path| path.file_name());
                names.named.extend(new.map(Into::into));
                names.any = names.named.len() > NAMES;
            }
            _ => names.any = true,
        }
        drop(names);
        self.notify.notify_one();
    }

    /// Waits for the next one.
    pub(super) async fn told(&self) {
        self.notify.notified().await;
    }

    /// What has been told since this was called last.
    pub(super) fn take(&self) -> Names {
        mem::take(&mut *self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Names {
    /// Whether a notice may have been about this file, or about what its link leads to.
    pub(super) fn may_mean(&self, file: &Path) -> bool {
        let names = |path: &Path| path.file_name().is_some_and(|name| self.named.contains(name));
        let leads_to = || fs::canonicalize(file).is_ok_and(|target| names(&target));
        self.any || (!self.named.is_empty() && (names(file) || leads_to()))
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
