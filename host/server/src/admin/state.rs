//! The state file: where a running gateway listens, for the command line to find it.
//!
//! `serve` puts it beside its port file and into the user's runtime folder, and removes it at the end. A gateway that
//! was killed leaves its file behind: nobody holds its lock then. The number of its process would say less, for another
//! process may have it by now; in a container the next gateway does. Only what this user alone can have
//! written is believed: a state file of somebody else could lead a key to a listener of theirs.

use super::sign::{Folder, Read, Readers, Sign, parts};
use serde::{Deserialize, Serialize};
use std::{
    ffi::{OsStr, OsString},
    io,
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
pub struct Written(Vec<Sign>);

/// Why no state can be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("cannot read the state file `{}`", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("state files in `{}` are not believed: name the gateway with --admin ADDR", folder.display())]
    Folder {
        folder: PathBuf,
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
            // By the number, which nobody can choose: a name comes from the environment.
            let user = rustix::process::geteuid().as_raw();
            std::env::temp_dir().join(format!("tengen-{user}"))
        }
    }
}

impl State {
    /// Writes the state files; one that cannot be written is only warned of, for the gateway runs without.
    pub fn write(&self, port_file: Option<&Path>, folder: &Path) -> Written {
        let mut written = Written::default();
        let beside = port_file.map(|file| (beside(file), self.put_at(&beside(file))));
        let own = (folder.join(self.name()), self.put_into(folder));
        for (file, done) in beside.into_iter().chain([own]) {
            match done {
                Ok(sign) => written.0.push(sign),
                Err(error) => {
                    tracing::warn!(
                        file = %file.display(), %error,
                        "state file not written: the command line finds this gateway by --admin only"
                    );
                }
            }
        }
        written
    }

    fn name(&self) -> String {
        format!("{}.json", self.pid)
    }

    fn put_at(&self, file: &Path) -> io::Result<Sign> {
        Sign::put_at(file, &serde_json::to_vec(self)?, Readers::Owner)
    }

    fn put_into(&self, folder: &Path) -> io::Result<Sign> {
        let (folder, text) = (Folder::make_own(folder)?, serde_json::to_vec(self)?);
        Sign::put(&folder, OsStr::new(&self.name()), &text, Readers::Owner)
    }

    /// Reads a state file whose gateway still runs.
    pub fn read(file: &Path) -> Result<Self, StateError> {
        let unreadable = |source| StateError::Unreadable { file: file.to_owned(), source };
        let (folder, name) = parts(file).map_err(unreadable)?;
        Self::read_in(&Folder::named(folder).map_err(unreadable)?, name, file)
    }

    fn read_in(folder: &Folder, name: &OsStr, file: &Path) -> Result<Self, StateError> {
        let Read { text, held } = folder
            .read(name)
            .map_err(|source| StateError::Unreadable { file: file.to_owned(), source })?;
        let state: Self = serde_json::from_slice(&text)
            .map_err(|source| StateError::Malformed { file: file.to_owned(), source })?;
        if !held.unwrap_or_else(|| is_running(state.pid)) {
            return Err(StateError::Stale { file: file.to_owned(), pid: state.pid });
        }
        Ok(state)
    }

    /// The one gateway that runs, by the files of the runtime folder. Stale files are passed over; a folder that others
    /// can write to is not believed.
    pub fn find(folder: &Path) -> Result<Self, StateError> {
        let distrusted = |source| StateError::Folder { folder: folder.to_owned(), source };
        let open = match Folder::own(folder) {
            Ok(open) => open,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StateError::None),
            Err(error) => return Err(distrusted(error)),
        };
        let names = open.names().map_err(distrusted)?;
        let names = names.iter().map(OsString::as_os_str);
        let named =
            names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "json"));
        let read = |name: &OsStr| Self::read_in(&open, name, &folder.join(name)).ok();
        let mut states: Vec<Self> = named.filter_map(read).collect();
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

/// Whether the process still exists, which is asked where there are no locks. Where that cannot be seen, it is taken to: the call to it then says more.
fn is_running(pid: u32) -> bool {
    let processes = Path::new("/proc");
    !processes.join("self").exists() || processes.join(pid.to_string()).exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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

    // Whoever opens the old port could be given a key, if a process that happens to have the number were enough.
    #[test]
    fn a_gateway_that_is_gone_is_told_and_passed_over_whoever_has_its_number_by_now() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("1.json");
        let text = serde_json::to_vec(&state(1)).unwrap();
        fs::write(&file, text).unwrap();
        let error = State::read(&file).unwrap_err();
        assert!(matches!(error, StateError::Stale { pid: 1, .. }), "{error}");
        let mine = state(std::process::id());
        let _written = mine.write(None, temp.path());
        assert_eq!(State::find(temp.path()).unwrap(), mine);
    }

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
        let user = rustix::process::geteuid().as_raw();
        let own = std::env::temp_dir().join(format!("tengen-{user}"));
        assert_eq!(with("XDG_RUNTIME_DIR", "relative"), own);
        assert_eq!(with("USER", "somebody-else"), own, "a name from the environment says nothing");
    }

    // Another local user could lead a key to a listener of theirs.
    #[test]
    fn a_runtime_folder_that_others_can_write_to_is_neither_used_nor_believed() {
        use std::os::unix::fs::PermissionsExt;
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("tengen");
        let mine = state(std::process::id());
        let written = mine.write(None, &folder);
        assert_eq!(State::find(&folder).unwrap(), mine);
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        let error = State::find(&folder).unwrap_err();
        assert!(matches!(error, StateError::Folder { .. }), "{error}");
        drop(written);
        let _refused = mine.write(None, &folder);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is written there");
    }
}
