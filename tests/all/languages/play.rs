//! One script, played against each language.

use super::{Player, guest, languages, start, status};
use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    path::PathBuf,
    time::Duration,
};
use support::{client::Client, gateway, guests, repository::read};
use tokio::time::{interval, timeout};

const SCRIPT: &str = "tests/all/languages/room.script";

/// So long may a component take that was never compiled before: Python's is 18 MB, and the compiler of a test's build is slow.
const COMPILED: Duration = Duration::from_secs(180);

struct Play {
    gateway: gateway::Running,
    players: BTreeMap<String, Player>,
    file: PathBuf,
    /// What the room is replaced by at each `reload`.
    next: VecDeque<&'static str>,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_decides_alike_in_every_language() -> Result<()> {
    let languages = languages()?;
    ensure!(languages.len() > 1, "one language is no comparison");
    let script = read(SCRIPT)?;
    let folder = tempfile::tempdir()?;
    for (place, language) in languages.iter().enumerate() {
        // To the next language, and back: each of them takes over what another has written, and hands it on.
        let next = languages[(place + 1) % languages.len()];
        let file = folder.path().join(format!("{language}.wasm"));
        let mut play = Play::begin(language, file).await?;
        play.next = [next, language].into();
        for (number, line) in script.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let step = play.step(line).await;
            step.with_context(|| format!("in {language}, line {}: {line}", number + 1))?;
        }
        play.end().await.with_context(|| format!("in {language}"))?;
    }
    println!("the room is the same in {}", languages.join(", "));
    Ok(())
}

impl Play {
    async fn begin(language: &str, file: PathBuf) -> Result<Self> {
        guests::install(&guest(language), &file)?;
        let gateway = start(&file).await?;
        let mut players = BTreeMap::new();
        for name in ["ann", "bob", "cat"] {
            players.insert(name.to_owned(), Player::connect(&gateway).await?);
        }
        Ok(Self { gateway, players, file, next: VecDeque::new() })
    }

    /// One line of the script: see its beginning.
    async fn step(&mut self, line: &str) -> Result<()> {
        if line == "reload" {
            return self.reload().await;
        }
        let (name, rest) = line.split_once(' ').context("no such step")?;
        if rest == "leaves" {
            let player = self.players.remove(name).context("nobody of that name")?;
            return player.client.close().await;
        }
        let player = self.players.get_mut(name).context("nobody of that name")?;
        let (what, rest) = rest.split_once(' ').context("no such step")?;
        match what {
            "<" => player.gets(rest).await,
            ">" => player.says(rest, Value::from("cb")).await,
            "." => player.says(rest, Value::Null).await,
            _ => bail!("no such step"),
        }
    }

    /// Lays the next language over the file that the gateway watches, and waits until it serves.
    async fn reload(&mut self) -> Result<()> {
        let Some(next) = self.next.pop_front() else { return Ok(()) };
        let before = status(&self.gateway, "generation")?;
        guests::install(&guest(next), &self.file)?;
        let mut look = interval(Duration::from_millis(5));
        let serves = async {
            while status(&self.gateway, "generation")? == before {
                ensure!(
                    status(&self.gateway, "failed_reloads")? == 0,
                    "{}",
                    self.gateway.gateway.plugins()
                );
                look.tick().await;
            }
            Ok(())
        };
        timeout(COMPILED, serves).await.with_context(|| format!("{next} does not serve"))?
    }

    /// What a client sends that speaks another format, and that JSON has no form for, fails alone.
    async fn meet_edn(&self) -> Result<()> {
        let offered = [("sec-websocket-protocol", "tengen.v1.edn")];
        let mut eve = Client::open(self.gateway.address(), "/ws", &offered).await?;
        eve.next_text().await?;
        for (id, data, expected) in [
            ("join", "{:room :attic, :name \"Eve\"}", "{:members 1}"),
            ("say", "{[1] 2}", ":id \"unsupported\""),
            ("show", "{[1] #{:a}}", "{[1] #{:a}}"),
            ("who", "nil", "[\"Eve\"]"),
        ] {
            eve.send_text(&format!("[[:room/{id} {data}] \"{id}\"]")).await?;
            // Eve hears in the room what she shows, too.
            let mut answer = eve.next_text().await?;
            while !answer.ends_with(&format!("\"{id}\"]")) {
                answer = eve.next_text().await?;
            }
            ensure!(answer.contains(expected), "{id} was answered {answer}, without {expected}");
        }
        eve.close().await
    }

    /// Nothing more has come than the script says, and nothing went wrong that it does not see.
    async fn end(mut self) -> Result<()> {
        self.meet_edn().await.context("with a client in EDN")?;
        for (name, player) in &mut self.players {
            player.says("room/nothing null", Value::from("end")).await?;
            player.gets("= {\"tengen/error\": {\"event\": \"room/nothing\", \"id\": \"unknown-event\", \"message\": \"this room knows no such event\"}}")
                .await
                .with_context(|| format!("{name} got more"))?;
        }
        for key in ["traps", "deadline_overruns", "restarts", "lost_states", "failed_reloads"] {
            ensure!(status(&self.gateway, key)? == 0, "{key}: {}", self.gateway.gateway.plugins());
        }
        self.gateway.drain().await;
        Ok(())
    }
}

impl Player {
    /// Sends `ID DATA`; the data as it stands, with its escapes.
    async fn says(&mut self, what: &str, callback: Value) -> Result<()> {
        let (id, data) = what.split_once(' ').context("an id and data")?;
        self.client.send_text(&format!("[[\"{id}\",{data}],{callback}]")).await
    }

    /// The next that comes has to be this.
    async fn gets(&mut self, expected: &str) -> Result<()> {
        let (expected, mut got) = (read_step(expected)?, self.next().await?);
        if let Value::Array(reply) = &mut got {
            // The name of the callback is the client's own.
            reply.truncate(2);
        }
        ensure!(got == expected, "got {got}, expected {expected}");
        Ok(())
    }
}

/// `= VALUE`, `ID DATA`, or `CHANNEL #N ID DATA`.
fn read_step(expected: &str) -> Result<Value> {
    let (id, rest) = expected.split_once(' ').context("an id and data")?;
    let Some(publication) = rest.strip_prefix('#') else {
        return Ok(json!([id, serde_json::from_str::<Value>(rest)?]));
    };
    let words: Vec<&str> = publication.splitn(3, ' ').collect();
    let [offset, of, data] = words[..] else { bail!("no publication") };
    let (offset, data): (u64, Value) = (offset.parse()?, serde_json::from_str(data)?);
    let said = json!({ "channel": id, "id": of, "data": data, "offset": offset });
    Ok(json!(["tengen/publication", said]))
}
