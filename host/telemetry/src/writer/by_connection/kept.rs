//! The files of a folder, as far as they are ours: how large each is, and when it was written to last.

use std::{collections::HashMap, fs, io, path::Path, time::SystemTime};

/// Of what a file's name is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Name {
    /// It is about no connection.
    None,
    /// A connection's id.
    Of(Box<str>),
    /// The one before it, of the same connection or of none.
    Older(Box<str>),
}

const NONE: &str = "none";

impl Name {
    /// A connection's id is a UUID. Whatever is none names no file.
    pub(super) fn of_connection(id: &str) -> Self {
        match is_id(id) {
            true => Self::Of(id.into()),
            false => Self::None,
        }
    }

    pub(super) fn older(&self) -> Self {
        match self {
            Self::None => Self::Older(NONE.into()),
            Self::Of(id) | Self::Older(id) => Self::Older(id.clone()),
        }
    }

    pub(super) fn of_file(&self, ending: &str) -> String {
        match self {
            Self::None => format!("{NONE}.{ending}"),
            Self::Of(id) => format!("{id}.{ending}"),
            Self::Older(id) => format!("{id}.1.{ending}"),
        }
    }

    /// The other way round; none: it is not one of ours.
    fn of_entry(file: &str, ending: &str) -> Option<Self> {
        let stem = file.strip_suffix(ending)?.strip_suffix('.')?;
        match stem.strip_suffix(".1") {
            Some(id) if is_id(id) || id == NONE => Some(Self::Older(id.into())),
            Some(_) => None,
            None if stem == NONE => Some(Self::None),
            None => is_id(stem).then(|| Self::Of(stem.into())),
        }
    }
}

/// Whether it is written as a UUID is: 32 hexadecimal digits, with hyphens between.
fn is_id(text: &str) -> bool {
    let hyphens = [8, 13, 18, 23];
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match hyphens.contains(&place) {
            true => byte == b'-',
            false => byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'),
        })
}

#[derive(Debug)]
struct About {
    bytes: u64,
    /// When it was written to.
    last: SystemTime,
    /// Its last line was written in part.
    is_cut: bool,
}

#[derive(Debug, Default)]
pub(super) struct Kept {
    files: HashMap<Name, About>,
    bytes: u64,
}

impl Kept {
    /// What is in the folder already.
    pub(super) fn read(folder: &Path, ending: &str) -> io::Result<Self> {
        let mut kept = Self::default();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().and_then(|name| Name::of_entry(name, ending)) else {
                continue;
            };
            // Of a link this is about the link.
            let about = entry.metadata()?;
            if about.is_file() {
                kept.bytes += about.len();
                let last = about.modified()?;
                kept.files.insert(name, About { bytes: about.len(), last, is_cut: false });
            }
        }
        Ok(kept)
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Of all of them.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn has(&self, name: &Name) -> bool {
        self.files.contains_key(name)
    }

    pub(super) fn bytes_of(&self, name: &Name) -> u64 {
        self.files.get(name).map_or(0, |about| about.bytes)
    }

    pub(super) fn is_cut(&self, name: &Name) -> bool {
        self.files.get(name).is_some_and(|about| about.is_cut)
    }

    /// The one that was not written to for the longest time, beside this one.
    pub(super) fn oldest_but(&self, name: &Name) -> Option<Name> {
        let others = self.files.iter().filter(|(other, _)| *other != name);
        others.min_by_key(|(_, about)| about.last).map(|(name, _)| name.clone())
    }

    /// One that was not written to since then.
    pub(super) fn older_than(&self, then: SystemTime) -> Option<Name> {
        let old = |(_, about): &(&Name, &About)| about.last < then;
        self.files.iter().find(old).map(|(name, _)| name.clone())
    }

    pub(super) fn forget(&mut self, name: &Name) {
        if let Some(about) = self.files.remove(name) {
            self.bytes = self.bytes.saturating_sub(about.bytes);
        }
    }

    pub(super) fn rename(&mut self, from: &Name, to: Name) {
        if let Some(about) = self.files.remove(from) {
            self.files.insert(to, about);
        }
    }

    pub(super) fn wrote(&mut self, name: &Name, bytes: u64, now: SystemTime) {
        let about =
            self.files.entry(name.clone()).or_insert(About { bytes: 0, last: now, is_cut: false });
        about.bytes += bytes;
        about.last = now;
        about.is_cut = false;
        self.bytes += bytes;
    }

    pub(super) fn cut(&mut self, name: &Name) {
        if let Some(about) = self.files.get_mut(name) {
            about.is_cut = true;
        }
    }
}
