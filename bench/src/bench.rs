//! What every bench is given: sizes, and the servers to be measured.

use crate::{
    bare::Role,
    gateway,
    plan::Plan,
    process::{Program, Server},
};
use anyhow::{Context as _, Result};
use std::{fmt::Display, path::PathBuf};
use tempfile::TempDir;

/// The surroundings of a run.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) plan: Plan,
    /// This program, which is also the bare servers.
    pub(crate) own: PathBuf,
    pub(crate) gateway: PathBuf,
    /// The program that calls a plugin without sockets; it holds the gateway's code.
    pub(crate) call: PathBuf,
    /// The program that says things; it holds the signals' code.
    pub(crate) signals: PathBuf,
    pub(crate) guests: PathBuf,
    /// For one run: what an earlier run has compiled is new to this one.
    pub(crate) cache: TempDir,
}

impl Bench {
    /// A bare server, on the server's core.
    pub(crate) fn bare(&self, role: Role) -> Result<Server> {
        self.bare_on(role, true)
    }

    /// Unless it is pinned, on both cores, with a worker for each.
    pub(crate) fn bare_on(&self, role: Role, pinned: bool) -> Result<Server> {
        let workers = if pinned { "1" } else { "2" };
        let arguments = ["bare", role.word(), "--workers", workers].map(Into::into).into();
        let program = Program { file: &self.own, arguments, config: None, cache: None, pinned };
        Server::start(&program).with_context(|| format!("the bare server `{}`", role.word()))
    }

    /// The gateway, on the server's core.
    pub(crate) fn gateway(&self, config: String) -> Result<Server> {
        self.gateway_on(config, true)
    }

    pub(crate) fn gateway_on(&self, config: String, pinned: bool) -> Result<Server> {
        let program = Program {
            file: &self.gateway,
            arguments: vec!["serve".into()],
            config: Some(config),
            cache: Some(self.cache.path()),
            pinned,
        };
        Server::start(&program).context("the gateway")
    }

    /// The configuration with one plugin that gets every event.
    pub(crate) fn with_plugin(&self, guest: &str) -> Result<String> {
        Ok(gateway::with_plugins(&[(guest, &self.guest(guest)?)]))
    }

    /// A guest's component.
    pub(crate) fn guest(&self, name: &str) -> Result<PathBuf> {
        let file = self.guests.join(format!("{name}.wasm"));
        anyhow::ensure!(
            file.is_file(),
            "there is no `{}`: run `cargo xtask guests`",
            file.display()
        );
        Ok(file)
    }
}

/// Takes turns: every contestant once in every round, beginning with another one each time. What it yields is
/// `[contestant][round]`.
pub(crate) async fn take_turns<S>(
    rounds: u32,
    contestants: usize,
    mut turn: impl AsyncFnMut(usize) -> Result<S>,
) -> Result<Vec<Vec<S>>> {
    let mut samples: Vec<Vec<S>> = (0..contestants).map(|_| Vec::new()).collect();
    for round in 0..usize::try_from(rounds)? {
        for place in 0..contestants {
            let contestant = (round + place) % contestants;
            let sample = turn(contestant).await?;
            if let Some(own) = samples.get_mut(contestant) {
                own.push(sample);
            }
        }
    }
    Ok(samples)
}

/// Tells whoever waits what is being done.
#[expect(clippy::print_stderr, reason = "standard output is the report's")]
pub(crate) fn say(what: impl Display) {
    eprintln!("bench: {what}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_has_a_turn_in_every_round() {
        let mut order = Vec::new();
        let samples = take_turns(2, 3, async |contestant| {
            order.push(contestant);
            Ok(contestant * 10)
        });
        assert_eq!(samples.await.unwrap(), [[0, 0], [10, 10], [20, 20]]);
        assert_eq!(order, [0, 1, 2, 1, 2, 0]);
    }
}
