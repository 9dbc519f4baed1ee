//! The attacks, by the promise that they are against.

mod bursts;
mod claims;
mod connections;
mod costly;
mod megabytes;
mod memory;
mod outcomes;
mod patterns;
mod publications;
mod reloads;
mod signals;
mod traps;
mod unanswered;

use super::arena::{Arena, Grounds, Part};
use crate::load::Peer;
use anyhow::Result;
use std::{future::Future, path::Path, pin::Pin, time::Duration};
use tokio::time::sleep;

/// The name of what is no attack at all.
pub(super) const QUIET: &str = "quiet";

/// One attack.
#[derive(Debug)]
pub(super) struct Attack {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// How many it opens at one time.
    pub(super) sockets: usize,
    /// What it puts into the configuration; files go into the folder.
    pub(super) config: fn(&Grounds, &Path) -> Result<Part>,
    /// Attacks until the arena's time is up.
    pub(super) run: for<'a> fn(&'a Arena<'a>) -> Attacking<'a>,
}

pub(super) type Attacking<'a> = Pin<Box<dyn Future<Output = Result<Done>> + 'a>>;

/// What an attack has done.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) what: String,
    /// What the gateway should not have let it do.
    pub(super) wrong: Vec<String>,
    /// Why it ended before its time.
    pub(super) cut_short: Option<String>,
}

impl Done {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), ..Self::default() }
    }

    pub(super) fn cut_short(why: String) -> Self {
        Self { cut_short: Some(why), ..Self::new("cut short") }
    }

    pub(super) fn wrong_if(mut self, wrong: bool, what: impl Into<String>) -> Self {
        if wrong {
            self.wrong.push(what.into());
        }
        self
    }
}

macro_rules! attacks {
    ($($name:expr, $sockets:expr, $config:path, $run:path, $what:literal;)+) => {
        /// All attacks, in the order in which they are run.
        pub(super) const ATTACKS: &[Attack] = &[
            $(Attack {
                name: $name,
                what: $what,
                sockets: $sockets,
                config: $config,
                run: |arena| Box::pin($run(arena)),
            }),+
        ];
    };
}

attacks! {
    QUIET, 0, nothing, wait,
        "nobody attacks: whether the machine can tell anything";
    "burst", 1, hostile, bursts::run,
        "a thousand questions in one write, again and again; each must be answered";
    "unanswered", 40, hostile, unanswered::run,
        "forty connections ask what nobody answers";
    "costly-frames", 1, hostile, costly::frames,
        "frames of 1 MB that are long to check: maps as keys 60 deep, sets, long numbers, escapes";
    "costly-outcomes", 1, hostile, costly::outcomes,
        "a plugin that answers with 1 MB of such text";
    "megabytes", 25, megabytes::config, megabytes::run,
        "24 good messages of 1 MB at once to the chat, whose rooms must stay";
    "signals", 1, hostile, signals::run,
        "a plugin that logs texts of 5 MB";
    "patterns", 10, patterns::config, patterns::run,
        "a plugin that wants events by 400,000 patterns";
    "publications", 2001, hostile, publications::run,
        "4,000 publications of one event to 2,000 subscribers";
    "outcomes", 1, outcomes::config, outcomes::run,
        "a plugin that returns 64,000 effects beside a failure with 50,000 further facts";
    "reloads", 2, reloads::config, reloads::run,
        "reloads in a row of a handler, authenticator and sink";
    "claims", 100, claims::config, claims::run,
        "an authenticator with claims of 4 MB, names of 100 KB, channels and statuses that it may not give";
    "traps", 5001, hostile, traps::run,
        "a plugin that traps, again and again, with 5,000 connections open";
    "resets", 8000, connections::config, connections::resets,
        "8,000 connections of one user, all reset at once";
    "leaving", 1000, hostile, connections::leaving,
        "1,000 connections that say goodbye and do not go";
    "unfinished", 228, hostile, memory::unfinished,
        "228 messages of 1 MB of which 900 KB came";
    "non-readers", 300, hostile, memory::non_readers,
        "300 connections that read none of their answers of 900 KB";
    "waiting", 300, hostile, memory::waiting,
        "300 connections with 900 KB each that wait for a slow plugin";
}

fn nothing(_: &Grounds, _: &Path) -> Result<Part> {
    Ok(Part::default())
}

/// The plugin `hostile`, which gets `hostile/*`.
fn hostile(grounds: &Grounds, folder: &Path) -> Result<Part> {
    super::arena::handler(grounds, folder, ("hostile", "handler_hostile"), 16)
}

async fn wait(arena: &Arena<'_>) -> Result<Done> {
    rest(arena).await;
    Ok(Done::new("nothing"))
}

/// Waits until the attack's time is up.
async fn rest(arena: &Arena<'_>) {
    tokio::time::sleep_until(arena.until().into()).await;
}

/// Not so often that an attack is only a loop around an error.
async fn breathe() {
    sleep(Duration::from_millis(10)).await;
}

/// Opens so many connections.
async fn crowd(arena: &Arena<'_>, count: usize) -> Result<Vec<Peer>> {
    crate::load::open_all(arena.address(), arena.count(count), crate::load::Dialect::Tengen).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_attack_has_a_name_of_its_own_and_the_quiet_comes_first() {
        let names: BTreeSet<_> = ATTACKS.iter().map(|attack| attack.name).collect();
        assert_eq!(names.len(), ATTACKS.len());
        assert_eq!(ATTACKS[0].name, QUIET);
    }

    #[test]
    fn the_documentation_lists_the_attacks_as_they_are() {
        let text = include_str!("../../../../docs/hostile.md");
        let listed: Vec<&str> = text.lines().filter(|line| line.starts_with("| `")).collect();
        let rows = ATTACKS.iter().map(|attack| format!("| `{}` | {} |", attack.name, attack.what));
        // `/healthz` has a row among the limits.
        let attacks = listed.into_iter().filter(|line| !line.starts_with("| `/healthz`"));
        assert_eq!(attacks.collect::<Vec<_>>(), rows.collect::<Vec<_>>());
    }
}
