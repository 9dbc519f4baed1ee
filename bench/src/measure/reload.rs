//! The chat's next version: how long from the end of writing to the first answer it gives, and how long nobody answers.

use crate::{
    bench::{Bench, say},
    gateway,
    load::{
        Peer, frame_of,
        open::{self, Answer, Pace, callback},
    },
    process::Server,
    report::{Report, Unit},
    statistics::median,
    verdict::Limits,
};
use anyhow::{Context as _, Result, ensure};
use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;

const COLD: Limits = Limits::new(400.0, 250.0);
const WARM: Limits = Limits::new(60.0, 30.0);
const PAUSE: Limits = Limits::new(5.0, 1.0);

/// One request each.
const INTERVAL: Duration = Duration::from_micros(500);
/// Connections that take turns, so that a short stall is within what one connection may have waiting.
const CONNECTIONS: usize = 4;
/// Requests before the new version is written.
const BEFORE: u32 = 400;
/// Requests that are watched after its first answer.
const AFTER: u32 = 400;
/// At most; ten seconds of them.
const REQUESTS: u32 = 20_000;

/// What chat says its version is.
const SHIPPED: &str = "0.1.0";

/// One reload, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Reload {
    first_answer: f64,
    /// From the old version's last answer to the new one's first.
    pause: f64,
    /// The longest that a request waited, the time of compiling included.
    longest_wait: f64,
}

/// What is measured of reloads.
pub(crate) const NAMES: [&str; 3] = [
    "reload of chat, end of writing to its first answer, never seen before",
    "the same, back to a version seen before",
    "pause of the instance",
];

pub(super) async fn run(bench: &Bench, report: &mut Report) -> Result<()> {
    let rounds = if bench.plan.smoke { 1 } else { bench.plan.rounds.max(5) };
    say(format_args!("reload: {rounds} versions, each twice"));
    let mut chat = Chat::start(bench).await?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        for (version, reloads) in [(version(round), &mut cold), (SHIPPED.to_owned(), &mut warm)] {
            reloads.push(chat.become_version(&version).await?);
        }
    }
    tell(report, &cold, &warm);
    Ok(())
}

/// One version that was never seen and the way back, as [`NAMES`] says. The number is another one each time.
pub(crate) async fn take(bench: &Bench, number: u32) -> Result<[f64; 3]> {
    let mut chat = Chat::start(bench).await?;
    let cold = chat.become_version(&version(number)).await?;
    let warm = chat.become_version(SHIPPED).await?;
    Ok([cold.first_answer, warm.first_answer, f64::midpoint(cold.pause, warm.pause)])
}

/// A gateway whose chat is replaced.
struct Chat {
    original: Vec<u8>,
    file: PathBuf,
    peers: Vec<Peer>,
    _server: Server,
    _folder: TempDir,
}

impl Chat {
    async fn start(bench: &Bench) -> Result<Self> {
        let original = fs::read(bench.guest("chat")?)?;
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("chat.wasm");
        write(&file, &original)?;
        let server = bench.gateway_on(gateway::with_plugins(&[("chat", &file)]), false)?;
        let mut peers = Vec::new();
        for room in 0..CONNECTIONS {
            let peer = Peer::open(server.address()).await?;
            let join = format!(r#"[["chat/join",{{"room":"bench{room}","name":"bench"}}],"join"]"#);
            peer.send(&frame_of(&join)).await?;
            peers.push(peer);
        }
        Ok(Self { original, file, peers, _server: server, _folder: folder })
    }

    async fn become_version(&mut self, version: &str) -> Result<Reload> {
        let component = with_version(&self.original, version)?;
        let reload = one(&mut self.peers, &self.file, &component, version).await;
        reload.with_context(|| format!("version {version}"))
    }
}

fn tell(report: &mut Report, cold: &[Reload], warm: &[Reload]) {
    let of = |reloads: &[Reload], what: fn(&Reload) -> f64| {
        median(&reloads.iter().map(what).collect::<Vec<_>>()).unwrap_or(f64::NAN)
    };
    let unit = Unit::Milliseconds;
    let per_second = Duration::from_secs(1).as_micros() / INTERVAL.as_micros();
    let how = || format!("median of {}, under {per_second} requests a second", cold.len());
    let first = |reload: &Reload| reload.first_answer;
    let [never_seen, seen, paused] = NAMES;
    report.judge(never_seen, of(cold, first), unit, COLD, how());
    report.judge(seen, of(warm, first), unit, WARM, how());
    let all: Vec<Reload> = cold.iter().chain(warm).copied().collect();
    let worst = |what: fn(&Reload) -> f64| all.iter().map(what).fold(0.0, f64::max);
    let how = format!(
        "last old answer to first new one; worst {:.1} ms; longest wait of a request, compiling included, {:.1} ms",
        worst(|reload| reload.pause),
        worst(|reload| reload.longest_wait)
    );
    report.judge(paused, of(&all, |reload| reload.pause), unit, PAUSE, how);
}

/// Puts a version in place under a stream of requests.
async fn one(peers: &mut [Peer], file: &Path, component: &[u8], version: &str) -> Result<Reload> {
    let mut watch = Watch {
        needle: format!("\"version\":\"{version}\""),
        written: None,
        last_old: None,
        first_new: None,
        longest_wait: Duration::ZERO,
    };
    let mut failed = None;
    let request = |number| format!(r#"[["chat/say",{{"text":"x"}}],{}]"#, callback(number));
    let pace =
        Pace { interval: INTERVAL, requests: REQUESTS, rest: Some(Duration::from_micros(50)) };
    let answered = |answer: Answer<'_>| {
        if answer.number == BEFORE {
            failed = write(file, component).err();
            watch.written = Some(Instant::now());
        }
        match failed {
            None => watch.see(&answer),
            Some(_) => ControlFlow::Break(()),
        }
    };
    open::run(peers, pace, request, answered).await?;
    failed.map_or(Ok(()), Err)?;
    watch.reload().context("the new version never answered")
}

/// What is seen of one reload.
#[derive(Debug)]
struct Watch {
    /// What only the new version's answers hold.
    needle: String,
    written: Option<Instant>,
    last_old: Option<Instant>,
    /// With the request's number.
    first_new: Option<(Instant, u32)>,
    longest_wait: Duration,
}

impl Watch {
    fn see(&mut self, answer: &Answer<'_>) -> ControlFlow<()> {
        if self.written.is_some_and(|written| answer.due > written) {
            self.longest_wait = self.longest_wait.max(answer.came - answer.due);
        }
        match self.first_new {
            Some((_, first)) if answer.number > first + AFTER => return ControlFlow::Break(()),
            Some(_) => {}
            None if contains(answer.payload, self.needle.as_bytes()) => {
                self.first_new = Some((answer.came, answer.number));
            }
            None => self.last_old = Some(answer.came),
        }
        ControlFlow::Continue(())
    }

    fn reload(&self) -> Option<Reload> {
        let (first_new, _) = self.first_new?;
        let milliseconds = |duration: Duration| duration.as_secs_f64() * 1000.0;
        Some(Reload {
            first_answer: milliseconds(first_new - self.written?),
            pause: milliseconds(first_new - self.last_old?),
            longest_wait: milliseconds(self.longest_wait),
        })
    }
}

/// Never the one that is shipped.
fn version(number: u32) -> String {
    format!("{}.{}.{}", 1 + number / 100 % 9, number / 10 % 10, number % 10)
}

/// The component with another version in its data. Interfaces' versions, which follow an `@`, stay.
fn with_version(component: &[u8], version: &str) -> Result<Vec<u8>> {
    ensure!(version.len() == SHIPPED.len(), "`{version}` is not as long as `{SHIPPED}`");
    let mut patched = component.to_vec();
    let mut found = 0;
    for at in 1..component.len().saturating_sub(SHIPPED.len()) {
        let before = component.get(at - 1);
        if component.get(at..).is_some_and(|rest| rest.starts_with(SHIPPED.as_bytes()))
            && before != Some(&b'@')
        {
            let place = patched.get_mut(at..at + version.len()).context("out of the file")?;
            place.copy_from_slice(version.as_bytes());
            found += 1;
        }
    }
    ensure!(found > 0, "the component does not hold `{SHIPPED}`");
    Ok(patched)
}

/// As a build tool does it: whole, then renamed.
fn write(file: &Path, component: &[u8]) -> Result<()> {
    let part = file.with_extension("part");
    fs::write(&part, component)?;
    Ok(fs::rename(&part, file)?)
}

fn contains(text: &[u8], needle: &[u8]) -> bool {
    text.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugins_version_is_changed_and_an_interfaces_is_not() {
        let patched = with_version(b"..tengen:gateway/types@0.1.0..0.1.0..", "1.2.3").unwrap();
        assert_eq!(patched, b"..tengen:gateway/types@0.1.0..1.2.3..");
        assert!(with_version(b"..@0.1.0..", "1.2.3").is_err());
        assert!(with_version(b"..0.1.0..", "1.2.30").is_err());
    }
}
