//! Whatever happens to a plugin in whatever order, after each trap it knows what it would know without.

use super::*;
use std::path::Path;
use tengen_server::admin;
use tengen_settings::{Admin, Cache, Secret};

const KEY: &str = "a-key-of-sixteen-signs";

/// Chance that can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // Numbers of Knuth's MMIX.
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A client, and what the plugin has to know of it.
struct Peer {
    client: Client,
    expected: Vec<String>,
}

struct Model {
    gateway: Running,
    peers: Vec<Peer>,
    /// What the store holds.
    stored: String,
    /// Which of two versions runs.
    version: u8,
    /// How often its state is saved at most.
    every: Duration,
    traps: u64,
    asked: u64,
    /// What was done, for whoever has to find out what went wrong.
    steps: Vec<String>,
}

impl Model {
    async fn start(file: &Path, cache: &Path, dice: &mut Dice) -> Result<Self> {
        guests::install("handler_remembers", file)?;
        let mut settings = Settings { echo: false, ..Settings::default() };
        settings.server.cache = Cache::Folder(cache.to_owned());
        // Who has nothing to ask for a while reads no pings.
        settings.heartbeat.ping_every = PATIENCE * 60;
        settings.heartbeat.give_up_after = PATIENCE * 120;
        let every = [1, 20, 10_000][usize::try_from(dice.roll(3))?];
        let every = Duration::from_millis(every);
        let plugin = remembers(|plugin| {
            plugin.file = file.to_owned();
            plugin.state.every = every;
        })?;
        gateway::route_everything(&mut settings, "memory", plugin);
        if let Some(admin) = &mut settings.admin {
            *admin = Admin { keys: vec![Secret(KEY.into())], ..admin.clone() };
        }
        let gateway = gateway::start(settings).await?;
        let (peers, stored) = (Vec::new(), String::new());
        Ok(Self {
            gateway,
            peers,
            stored,
            every,
            version: 0,
            traps: 0,
            asked: 0,
            steps: Vec::new(),
        })
    }

    async fn connect(&mut self) -> Result<()> {
        let client = Client::json(self.gateway.address(), "/ws").await?;
        self.peers.push(Peer { client, expected: vec!["opened".to_owned()] });
        self.check(self.peers.len() - 1).await
    }

    async fn check(&mut self, who: usize) -> Result<()> {
        let peers = self.peers.len();
        let Peer { client, expected } = &mut self.peers[who];
        let known = dump(client).await?;
        let how = status(&self.gateway);
        ensure!(known[0][0] == json!(expected), "{known} is not {expected:?}: {how}");
        let others = known[0][2].as_u64().context("a number")?;
        ensure!(others >= peers as u64, "of {peers} it knows {others}: {how}");
        Ok(())
    }

    async fn step(&mut self, dice: &mut Dice, file: &Path) -> Result<()> {
        let who = usize::try_from(dice.roll(self.peers.len() as u64))?;
        self.asked += 1;
        let word = format!("w{}", self.asked);
        let peers = self.peers.len();
        let Peer { client, expected } = &mut self.peers[who];
        let kind = dice.roll(14);
        self.steps.push(format!("{kind} by {who} {word}"));
        match kind {
            0 if peers < 5 => self.connect().await?,
            1 if peers > 1 => self.peers.swap_remove(who).client.close().await?,
            2 => expected.push(said(client.ask("mem/now", Value::Null).await?)?),
            3 => expected.push(said(client.ask("mem/chance", Value::Null).await?)?),
            4 => {
                let before = said(client.ask("mem/put", json!(word)).await?)?;
                ensure!(before == self.stored, "the store is asked as ever");
                expected.push(before);
                self.stored = word;
            }
            5 => {
                client.ask("mem/timer", json!({ "key": word, "ms": 10 })).await?;
                ensure!(client.next_event("mem/fired").await? == word);
                expected.push(format!("timer {word}"));
            }
            6 if self.every < Duration::from_secs(1) => {
                note(client, &word).await?;
                expected.push(word);
                saved(&self.gateway, client).await?;
            }
            7 => {
                trap(&self.gateway).await?;
                self.traps += 1;
                self.check(who).await?;
            }
            8 => self.trap_in_a_crowd(who, &word).await?,
            9 if dice.roll(3) == 0 => self.reload(file).await?,
            10 => self.question(dice, who, &word, file).await?,
            _ => {
                note(client, &word).await?;
                expected.push(word);
            }
        }
        Ok(())
    }

    /// The plugin asks a client, which answers with a value or a fault of its own: at once, or after the plugin has trapped or
    /// has got another version.
    async fn question(
        &mut self,
        dice: &mut Dice,
        who: usize,
        word: &str,
        file: &Path,
    ) -> Result<()> {
        let client = &mut self.peers[who].client;
        client.ask("mem/ask", json!(word)).await?;
        let question = client.next_event("tengen/ask").await?;
        match dice.roll(4) {
            0 => {
                trap(&self.gateway).await?;
                self.traps += 1;
            }
            1 if dice.roll(3) == 0 => self.reload(file).await?,
            _ => {}
        }
        let (answer, said) = match dice.roll(2) {
            0 => (json!({ "key": question["key"], "value": word }), word),
            _ => (
                json!({ "key": question["key"], "error": { "id": "busy", "message": "later" } }),
                "busy",
            ),
        };
        let Peer { client, expected } = &mut self.peers[who];
        let said = format!("{word}: {said}");
        client.send("tengen/answer", answer).await?;
        ensure!(client.next_event("mem/heard").await? == said);
        expected.push(said);
        Ok(())
    }

    /// What breaks the plugin comes with events of its own connection before it and behind it.
    async fn trap_in_a_crowd(&mut self, who: usize, word: &str) -> Result<()> {
        let Peer { client, expected } = &mut self.peers[who];
        let mut other = Client::json(self.gateway.address(), "/ws").await?;
        for text in ["a", "b"] {
            client.send_text(&json!([["mem/note", format!("{word}{text}")]]).to_string()).await?;
            other.send("mem/trap", Value::Null).await?;
            expected.push(format!("{word}{text}"));
        }
        note(client, word).await?;
        expected.push(word.to_owned());
        self.traps += 2;
        for _ in 0..2 {
            other.next_event("tengen/error").await?;
        }
        other.close().await?;
        self.check(who).await
    }

    /// Another version: the same, with a section that nobody reads, or without.
    async fn reload(&mut self, file: &Path) -> Result<()> {
        self.version ^= 1;
        let bytes = std::fs::read(guests::path("handler_remembers")?)?;
        let section: &[u8] = if self.version == 1 { &[0, 2, 1, b'x'] } else { &[] };
        let beside = file.with_extension("part");
        std::fs::write(&beside, [&bytes, section].concat())?;
        std::fs::rename(&beside, file)?;
        let admin = self.gateway.gateway.admin_address().context("an admin listener")?;
        admin::client::Client::new(admin).reload("memory", Some(KEY)).await?;
        Ok(())
    }
}

fn said(reply: Value) -> Result<String> {
    Ok(reply.as_str().with_context(|| format!("{reply} is no text"))?.to_owned())
}

/// Whether events were not taken while the plugin rested, or were waiting when it began to.
fn had_to_rest(gateway: &Running) -> bool {
    let waited = &status(gateway)["errors_by_reason"]["plugin-unavailable"];
    count(gateway, "declined_events") > 0 || waited.as_u64().unwrap_or_default() > 0
}

/// How many traps there were; none: the plugin had to rest, because restarts took so long here that they may not be as many, and
/// clients were told to try again. Then nobody can say what it has to know.
async fn run(seed: u64, cache: &Path) -> Result<Option<u64>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("memory.wasm");
    let mut dice = Dice(seed);
    let mut model = Model::start(&file, cache, &mut dice).await?;
    model.connect().await?;
    for _ in 0..30 {
        let done = model.step(&mut dice, &file).await;
        if had_to_rest(&model.gateway) {
            model.gateway.drain().await;
            return Ok(None);
        }
        done.with_context(|| format!("after {:#?}", model.steps))?;
    }
    for who in 0..model.peers.len() {
        model.check(who).await?;
    }
    let counts = ["recovered_states", "restored_states", "lost_states"];
    let counts = counts.map(|key| count(&model.gateway, key));
    ensure!(counts[1..] == [0, 0], "{counts:?} {}", status(&model.gateway));
    ensure!(counts[0] >= model.traps, "{counts:?} {}", model.traps);
    let traps = model.traps;
    model.gateway.drain().await;
    Ok(Some(traps))
}

/// A machine that is busy for a moment is not for ever.
async fn run_in_the_end(seed: u64, cache: &Path) -> Result<u64> {
    for _ in 0..5 {
        if let Some(traps) = run(seed, cache).await? {
            return Ok(traps);
        }
    }
    anyhow::bail!("this machine is too slow for the test: the plugin had to rest each time")
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_a_trap_takes_nothing_but_its_event() -> Result<()> {
    let seeds = std::env::var("TENGEN_SEEDS").map_or(Ok(50), |text| text.parse::<u64>())?;
    let (mut traps, cache) = (0, tempfile::tempdir()?);
    let first = std::env::var("TENGEN_SEED").map_or(Ok(0), |text| text.parse::<u64>())?;
    for seed in first..first + seeds {
        let done = run_in_the_end(seed, &cache.path().join("cache")).await;
        traps += done.with_context(|| format!("seed {seed}"))?;
    }
    ensure!(traps >= seeds, "only {traps} traps");
    Ok(())
}
