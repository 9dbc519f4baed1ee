//! The state file: where a running gateway listens, for the command line to find it.
//!
//! `serve` writes it beside its port file and into the user's runtime folder, and removes it at the end. A gateway that
//! was killed leaves its file behind: it is told by its process, which is gone.

use serde::{Deserialize, Serialize};
use std::{
    ffi::OsString,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// What a running gateway says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub pid: u32,
    pub listen: SocketAddr,
    /// None: the admin listener is off.
    pub admin: Option<SocketAddr>,
}

/// State files that have been written; dropping it removes them.
#[derive(Debug, Default)]
pub struct Written(Vec<PathBuf>);

impl Drop for Written {
    fn drop(&mut self) {
        for file in &self.0 {
            if let Err(error) = fs::remove_file(file) {
                tracing::debug!(file = %file.display(), %error, "state file not removed");
            }
        }
    }
}

/// Why no state can be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("cannot read the state file `{}`", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("`{}` is not a state file", file.display())]
    Malformed {
        file: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("the gateway of the state file `{}` (process {pid}) is gone; remove the file", file.display())]
    Stale { file: PathBuf, pid: u32 },
    #[error(
        "no running gateway was found; start one with `tengen serve`, or name its admin listener with --admin ADDR"
    )]
    None,
    #[error("several gateways are running ({}); choose one with --admin ADDR", .0.join(", "))]
    Several(Vec<String>),
}

/// The state file that belongs to a port file.
pub fn beside(port_file: &Path) -> PathBuf {
    let mut name: OsString = port_file.as_os_str().to_owned();
    name.push(".state");
    name.into()
}

/// Where this user's gateways leave their state files.
pub fn runtime_folder(env: &dyn Fn(&str) -> Option<String>) -> PathBuf {
    match env("XDG_RUNTIME_DIR").filter(|folder| Path::new(folder).is_absolute()) {
        Some(folder) => Path::new(&folder).join("tengen"),
        None => {
            let user = env("USER").or_else(|| env("USERNAME")).unwrap_or_else(|| "anyone".into());
            let user: String = user.chars().filter(char::is_ascii_alphanumeric).collect();
            std::env::temp_dir().join(format!("tengen-{user}"))
        }
    }
}

impl State {
    /// Writes the state files; one that cannot be written is only warned of, for the gateway runs without.
    pub fn write(&self, port_file: Option<&Path>, folder: &Path) -> Written {
        let mut written = Written::default();
        let shared = make_folder(folder).map(|()| folder.join(format!("{}.json", self.pid)));
        let files = port_file.map(|file| Ok(beside(file))).into_iter().chain([shared]);
        for file in files {
            let done = file.and_then(|file| self.write_to(&file).map(|()| file));
            match done {
                Ok(file) => written.0.push(file),
                Err(error) => {
                    tracing::warn!(%error, "state file not written: the command line finds this gateway by --admin only")
                }
            }
        }
        written
    }

    /// Under another name first: nobody reads half a file.
    fn write_to(&self, file: &Path) -> io::Result<()> {
        let mut part = file.as_os_str().to_owned();
        part.push(".part");
        fs::write(&part, serde_json::to_vec(self)?)?;
        fs::rename(&part, file)
    }

    /// Reads a state file whose gateway still runs.
    pub fn read(file: &Path) -> Result<Self, StateError> {
        let unreadable = |source| StateError::Unreadable { file: file.to_owned(), source };
        let metadata = fs::metadata(file).map_err(unreadable)?;
        if !is_mine(&metadata) {
            return Err(unreadable(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it belongs to another user",
            )));
        }
        let text = fs::read(file).map_err(unreadable)?;
        let state: Self = serde_json::from_slice(&text)
            .map_err(|source| StateError::Malformed { file: file.to_owned(), source })?;
        if !is_running(state.pid) {
            return Err(StateError::Stale { file: file.to_owned(), pid: state.pid });
        }
        Ok(state)
    }

    /// The one gateway that runs, by the files of the runtime folder. Stale files are passed over.
    pub fn find(folder: &Path) -> Result<Self, StateError> {
        let files = fs::read_dir(folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect());
        let files: Vec<PathBuf> = files.unwrap_or_default();
        let states = files
            .iter()
            .filter(|file| file.extension().is_some_and(|extension| extension == "json"));
        let mut states: Vec<Self> = states.filter_map(|file| Self::read(file).ok()).collect();
        match (states.pop(), states.as_slice()) {
            (None, _) => Err(StateError::None),
            (Some(state), []) => Ok(state),
            (Some(last), _) => {
                states.push(last);
                states.sort_by_key(|state| state.pid);
                let shown = |state: &Self| {
                    let admin =
                        state.admin.map_or_else(|| "off".to_owned(), |admin| admin.to_string());
                    format!("process {}: clients {}, admin {admin}", state.pid, state.listen)
                };
                Err(StateError::Several(states.iter().map(shown).collect()))
            }
        }
    }
}

/// A folder that only this user can write to.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(folder)
}

/// Whether the process still exists. Where that cannot be seen, it is taken to: the call to it then says more.
fn is_running(pid: u32) -> bool {
    let processes = Path::new("/proc");
    !processes.join("self").exists() || processes.join(pid.to_string()).exists()
}

/// A state file of somebody else could lead our key to a listener of theirs.
#[cfg(target_os = "linux")]
fn is_mine(metadata: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == metadata.uid())
}

/// Elsewhere temporary folders are each user's own.
#[cfg(not(target_os = "linux"))]
fn is_mine(_: &fs::Metadata) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No process has this number: Linux ends at 4,194,304.
    const GONE: u32 = 4_194_305;

    fn state(pid: u32) -> State {
        State {
            pid,
            listen: "127.0.0.1:8080".parse().unwrap(),
            admin: Some("127.0.0.1:8081".parse().unwrap()),
        }
    }

    #[test]
    fn a_running_gateway_is_found_and_leaves_nothing_behind() {
        let temp = tempfile::tempdir().unwrap();
        let (folder, port_file) = (temp.path().join("run/tengen"), temp.path().join("port"));
        let mine = state(std::process::id());
        let written = mine.write(Some(&port_file), &folder);
        assert_eq!(State::find(&folder).unwrap(), mine);
        assert_eq!(State::read(&beside(&port_file)).unwrap(), mine);
        drop(written);
        assert!(matches!(State::find(&folder), Err(StateError::None)));
        assert!(!beside(&port_file).exists());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing half written is left");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_gateway_that_is_gone_is_told_and_passed_over() {
        let temp = tempfile::tempdir().unwrap();
        let _stale = state(GONE).write(None, temp.path());
        let file = temp.path().join(format!("{GONE}.json"));
        let error = State::read(&file).unwrap_err();
        assert!(matches!(error, StateError::Stale { pid: GONE, .. }), "{error}");
        let mine = state(std::process::id());
        let _written = mine.write(None, temp.path());
        assert_eq!(State::find(temp.path()).unwrap(), mine);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn several_gateways_are_named() {
        let temp = tempfile::tempdir().unwrap();
        let _one = state(std::process::id()).write(None, temp.path());
        let _other = state(1).write(None, temp.path());
        let error = State::find(temp.path()).unwrap_err().to_string();
        assert!(
            error.contains("process 1: clients 127.0.0.1:8080, admin 127.0.0.1:8081"),
            "{error}"
        );
        assert!(error.ends_with("choose one with --admin ADDR"), "{error}");
    }

    #[test]
    fn what_is_no_state_file_says_so() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("x.json");
        assert!(matches!(State::read(&file), Err(StateError::Unreadable { .. })));
        fs::write(&file, "{}").unwrap();
        assert!(matches!(State::read(&file), Err(StateError::Malformed { .. })));
    }

    #[test]
    fn the_runtime_folder_is_the_users_own() {
        let with = |name: &str, value: &str| {
            let (name, value) = (name.to_owned(), value.to_owned());
            runtime_folder(&move |asked| (asked == name).then(|| value.clone()))
        };
        assert_eq!(with("XDG_RUNTIME_DIR", "/run/user/7"), Path::new("/run/user/7/tengen"));
        assert_eq!(with("XDG_RUNTIME_DIR", "relative"), std::env::temp_dir().join("tengen-anyone"));
        assert_eq!(with("USER", "a/../b"), std::env::temp_dir().join("tengen-ab"));
    }
}
