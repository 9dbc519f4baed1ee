//! Finds the running gateway that a command is about.

use super::{Io, Running};
use tengen_server::admin::{
    client::Client,
    state::{State, StateError, runtime_folder},
};

/// Why there is nobody to ask.
#[derive(Debug, thiserror::Error)]
pub(super) enum FindError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(
        "the running gateway (process {pid}) has its admin listener switched off; start it without `--admin off`"
    )]
    Off { pid: u32 },
}

impl FindError {
    /// Whether it may simply be that no gateway runs, and nobody said that one does.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::State(StateError::None))
    }
}

/// The admin listener of the gateway that `--admin`, `--state` or the user's runtime folder names.
pub(super) fn client(running: &Running, io: &Io) -> Result<Client, FindError> {
    if let Some(address) = running.admin {
        return Ok(Client::new(address));
    }
    let state = match &running.state {
        Some(file) => State::read(file)?,
        None => State::find(&runtime_folder(&io.env))?,
    };
    state.admin.map(Client::new).ok_or(FindError::Off { pid: state.pid })
}
