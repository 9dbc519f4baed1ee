//! Attacks, one at a time, from one address or one plugin, and what another connection notices of them.
//!
//! Each attack gets a gateway of its own. Beside it, a neighbour asks twenty times a second, somebody probes `/healthz`,
//! and the gateway's memory is looked at. Everything is bounded in count and time, and stays on the loopback.

mod arena;
mod attacks;
mod files;
mod health;
mod neighbour;
mod verdict;
mod watch;

use crate::{args::Hostile, bench::say};
use anyhow::{Context as _, Result, ensure};
use arena::{Arena, Grounds};
use attacks::{ATTACKS, Attack};
use std::{process::ExitCode, time::Duration};
use tokio::time::{sleep, timeout};
use verdict::{Row, Verdict};
use watch::Watch;

/// Watched before an attack begins and after it has ended: what it has left behind costs as well.
const AROUND: Duration = Duration::from_secs(1);
/// How much longer than asked an attack may take, to set itself up and to end.
const OVERTIME: Duration = Duration::from_secs(60);
/// The exit code when the machine is too busy to say anything.
const NOT_JUDGED: u8 = 3;

/// Runs the attacks that are asked for.
pub(crate) fn run(wish: &Hostile) -> Result<(String, ExitCode)> {
    let chosen = chosen(&wish.names)?;
    let grounds = Grounds::new(wish)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rows = Vec::new();
    for attack in chosen {
        say(format_args!("hostile: {}", attack.name));
        rows.push(runtime.block_on(one(attack, &grounds)));
    }
    let code = match verdict::overall(&rows) {
        Verdict::Holds => 0,
        Verdict::Missed => 1,
        Verdict::NotJudged => NOT_JUDGED,
    };
    Ok((verdict::markdown(&rows), ExitCode::from(code)))
}

/// The names and what they do, for `--list`.
pub(crate) fn list() -> String {
    ATTACKS.iter().map(|attack| format!("{:<16} {}\n", attack.name, attack.what)).collect()
}

/// Without names all of them. The quiet one comes first in any case: it says whether the machine can tell anything.
fn chosen(names: &[String]) -> Result<Vec<&'static Attack>> {
    for name in names {
        let known = ATTACKS.iter().any(|attack| attack.name == name);
        ensure!(known, "there is no attack `{name}`; these are there:\n{}", list());
    }
    let wanted = |attack: &&Attack| {
        attack.name == attacks::QUIET
            || names.is_empty()
            || names.iter().any(|name| name == attack.name)
    };
    Ok(ATTACKS.iter().filter(wanted).collect())
}

async fn one(attack: &Attack, grounds: &Grounds) -> Row {
    if let Err(why) = files::suffice(grounds.count(attack.sockets)) {
        return Row::not_run(attack, format!("{why:#}"));
    }
    match fight(attack, grounds).await {
        Ok(row) => row,
        Err(error) => Row::not_run(attack, format!("{error:#}")),
    }
}

async fn fight(attack: &Attack, grounds: &Grounds) -> Result<Row> {
    let arena = Arena::start(grounds, attack.config).await?;
    let watch = Watch::start(&arena).context("the neighbour")?;
    sleep(AROUND).await;
    let rest = arena.resident()?;
    arena.begin();
    let done = timeout(grounds.lasts + OVERTIME, (attack.run)(&arena)).await;
    sleep(AROUND).await;
    let seen = watch.end()?;
    let done = match done {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => attacks::Done::cut_short(format!("{error:#}")),
        Err(_) => attacks::Done::cut_short("the attack did not come to an end".into()),
    };
    // A gateway that is gone has no memory to look at.
    let alive = arena.resident().is_ok();
    let bound = rest + arena.budget();
    Ok(Row::of(attack, seen, done, verdict::Memory { bound, alive }).with(grounds.lacks()))
}
