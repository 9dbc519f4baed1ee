//! Events that broke a plugin, put aside in a folder for whoever has to find out why.
//!
//! One file each, as JSON: the event, what went wrong, which version of the plugin it was, and the state that its instance had
//! begun with. For the eyes of the gateway's user alone: it is what clients sent.

use crate::{call::saved::Saved, text::plain};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::Serialize;
use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tengen_core::event::{Event, Occurrence};

/// The most files of one plugin,
const FILES: usize = 100;
/// and bytes of all of them.
const BYTES: u64 = 16 << 20;

/// What is written down.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) plugin: String,
    pub(crate) revision: String,
    pub(crate) version: String,
    pub(crate) why: String,
    /// The state that the instance had loaded, and when that was saved.
    pub(crate) state: Option<(Arc<Saved>, SystemTime)>,
    pub(crate) event: Seen,
}

/// An event, as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Seen {
    /// Its id; of what is no message, the word for it.
    event: String,
    connection: Option<String>,
    /// The path at which the connection is.
    endpoint: Option<String>,
    user: Option<String>,
    seq: u32,
    at_ms: u64,
    encoding: Option<&'static str>,
    /// The body of a message, where it is text,
    text: Option<String>,
    /// and where it is none.
    base64: Option<String>,
}

#[derive(Serialize)]
struct Record<'a> {
    plugin: &'a str,
    revision: &'a str,
    version: &'a str,
    why: &'a str,
    #[serde(flatten)]
    event: &'a Seen,
    checkpoint: Option<Checkpoint>,
}

#[derive(Serialize)]
struct Checkpoint {
    at_ms: u64,
    format: String,
    /// In base64.
    pieces: Vec<String>,
}

impl Seen {
    pub(crate) fn of(event: &Event) -> Self {
        let connection = event.connection.as_ref();
        let payload = match &event.what {
            Occurrence::Message(message) => Some(&message.payload),
            _ => None,
        };
        let text = payload.and_then(|payload| std::str::from_utf8(&payload.body).ok());
        let bytes = payload.filter(|_| text.is_none());
        Self {
            event: event.word().to_owned(),
            connection: connection.map(|connection| connection.id.to_string()),
            endpoint: connection.map(|connection| connection.endpoint.to_string()),
            user: connection.and_then(|it| it.user.as_ref()).map(|user| user.id.to_string()),
            seq: event.seq,
            at_ms: millis(event.at),
            encoding: payload.map(|payload| payload.encoding.word()),
            text: text.map(str::to_owned),
            base64: bytes.map(|payload| BASE64_STANDARD.encode(&payload.body)),
        }
    }
}

impl Broken {
    /// Writes it into the folder, and takes out what was there for longest as long as there is too much. Returns the file.
    pub(crate) fn put(&self, folder: &Path) -> io::Result<PathBuf> {
        // A state that is larger than all may be is not even written out: base64 takes four bytes for three.
        let state = self.state.as_ref().map_or(0, |(state, _)| state.size() as u64);
        let json = self.json(state / 3 * 4 <= BYTES / 2)?;
        fs::create_dir_all(folder)?;
        self.make_room(folder, json.len() as u64)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let file = folder.join(format!("{}{now:024}.json", self.prefix()));
        let mut options = fs::OpenOptions::new();
        let mut written = options.write(true).create_new(true).mode(0o600).open(&file)?;
        io::Write::write_all(&mut written, &json)?;
        Ok(file)
    }

    fn prefix(&self) -> String {
        format!("{}.", self.plugin)
    }

    fn json(&self, with_state: bool) -> io::Result<Vec<u8>> {
        let checkpoint = self.state.as_ref().filter(|_| with_state).map(|(state, at)| Checkpoint {
            at_ms: millis(*at),
            format: plain(state.format().unwrap_or_default(), 128),
            pieces: state.bytes().map(|bytes| BASE64_STANDARD.encode(bytes)).collect(),
        });
        let Self { plugin, revision, version, why, event, .. } = self;
        let record = Record { plugin, revision, version, why, event, checkpoint };
        Ok(serde_json::to_vec_pretty(&record)?)
    }

    fn make_room(&self, folder: &Path, wanted: u64) -> io::Result<()> {
        let prefix = self.prefix();
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_ours = name
                .to_str()
                .and_then(|name| name.strip_prefix(&prefix)?.strip_suffix(".json"))
                .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
            if is_ours {
                files.push((name, entry.metadata()?.len()));
            }
        }
        // The names are in the order of time.
        files.sort();
        let mut bytes = files.iter().map(|(_, size)| size).sum::<u64>() + wanted;
        let mut left = files.len();
        for (name, size) in files {
            if left < FILES && bytes <= BYTES {
                break;
            }
            // Somebody else may have been faster.
            match fs::remove_file(folder.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            (bytes, left) = (bytes - size, left - 1);
        }
        Ok(())
    }
}

fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use tengen_core::{event::Message, trace::Span};
    use tengen_wire::payload::{Encoding, Payload};

    fn broken(body: &[u8]) -> Broken {
        let payload = Payload::new(Encoding::Json, body.to_vec());
        let what = Occurrence::Message(Message { id: "a/b".into(), payload, reply_to: None });
        let at = SystemTime::UNIX_EPOCH;
        let event = Event { connection: None, seq: 3, at, what, span: Span::none(), permit: None };
        Broken {
            plugin: "chat".into(),
            revision: "abc".into(),
            version: "1.0".into(),
            why: "it trapped".into(),
            state: None,
            event: Seen::of(&event),
        }
    }

    #[test]
    fn what_broke_a_plugin_is_a_file_for_the_gateways_user_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = broken(b"{\"x\":1}").put(&folder.path().join("made")).expect("written");
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        let said = fs::read_to_string(&file).expect("read");
        let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
        assert_eq!((&said["event"], &said["text"]), (&"a/b".into(), &"{\"x\":1}".into()));
        assert_eq!((&said["why"], &said["checkpoint"]), (&"it trapped".into(), &().into()));
        let file = broken(&[0xff, 0]).put(folder.path()).expect("written");
        assert!(fs::read_to_string(file).expect("read").contains("\"base64\": \"/wA=\""));
    }

    #[test]
    fn the_oldest_make_room_and_what_is_somebody_elses_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let others = ["other.000000000000000000000001.json", "chat.txt", "chat.notes.json"];
        for name in others {
            fs::write(folder.path().join(name), "mine").expect("written");
        }
        let first = broken(b"1").put(folder.path()).expect("written");
        for _ in 0..FILES {
            broken(b"1").put(folder.path()).expect("written");
        }
        assert!(!first.exists());
        let count = || fs::read_dir(folder.path()).expect("read").count();
        assert_eq!(count(), FILES + others.len());
        let large = vec![b'1'; usize::try_from(BYTES).expect("it fits") - 1000];
        broken(&large).put(folder.path()).expect("written");
        assert!(count() <= others.len() + 4, "{}", count());
        assert!(others.iter().all(|name| folder.path().join(name).exists()));
    }
}
