//! Where signals go: the `[[sink]]`s of the file.

use crate::{
    filter::Filter,
    limits::at_least_one,
    schema::{
        Part,
        key::{inline_tables, table, table_if_there},
        kind::{count, duration, path, pause, plugin_name, size, text, truth, words},
        settings,
        table::Table,
    },
};
use std::{num::NonZeroUsize, path::PathBuf, time::Duration};
use tengen_wire::id::PluginName;

settings! {
    /// Where signals go. One of kind `stderr` is the log, with these settings; with one of kind `stdout` and none of kind
    /// `stderr` the log is there instead; the others are beside it. Of one of kind `stderr` only the filter changes without a
    /// restart, and one of kind `stdout` comes and goes with one.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Sink {
        /// `stdout`, `stderr`, `file`, `otlp` or `plugin`; `otlp` goes where `telemetry.otlp` or the environment says
        kind: SinkKind = words(SinkKind::ALL.map(|kind| (kind.word(), kind)), &[])
            .required(SinkKind::Plugin, "\"plugin\"", "write kind = \"stdout\", \"stderr\", \"file\", \"otlp\" or \"plugin\"");
        /// its name in statistics and calls; absent: the plugin's, or the kind
        name: Option<String> = text().absent("\"audit\"");
        /// the plugin's name, where the kind is `plugin`
        plugin: Option<PluginName> = plugin_name().absent("\"log-sink\"");
        /// the file, where the kind is `file`; its folder has to be there. With `per`, the folder of the files, which is made if need be
        path: Option<PathBuf> = path().absent("\"logs/tengen.jsonl\"");
        /// `connection`: a file for each connection, named by its id; only where the kind is `file`
        per: Option<Per> = words([("connection", Per::Connection)], &[]).absent("\"connection\"");
        /// `human`, `json` or `edn`; absent: `human` on a terminal, `json` elsewhere; a plugin and a collector get none of them
        format: Option<Format> = words(Format::ALL.map(|format| (format.word(), format)), &[]).absent("\"json\"");
        /// most signals that wait; over it, as `when_full` says
        buffer: NonZeroUsize = count().or(at_least_one(1024));
        /// most bytes that they and those under way take up
        bytes: NonZeroUsize = size().or(at_least_one(8 << 20));
        /// `drop-newest`; `drop-oldest`; `block`: who says it waits for room, at most `wait`, unless it serves connections
        when_full: FullSink = words(FullSink::ALL.map(|full| (full.word(), full)), &[]).or(FullSink::DropNewest);
        /// how long `block` waits before it drops the newest
        wait: Duration = duration().within(Duration::from_millis(1)..=Duration::from_secs(10)).or(Duration::from_millis(100));
        /// deliveries at one time, to a plugin or a collector; with more than one, signals come in no order
        workers: NonZeroUsize = count().within(at_least_one(1)..=at_least_one(16)).or(at_least_one(1));
        /// most signals of one delivery
        batch: NonZeroUsize = count().within(at_least_one(1)..=at_least_one(4096)).or(at_least_one(256));
        /// how long a delivery waits for more signals; 0: not at all
        delay: Duration = pause().within(Duration::ZERO..=Duration::from_secs(60)).or(Duration::ZERO);
        /// who says it writes it, and waits for that; for development: whatever holds up the stream holds up the gateway
        synchronous: bool = truth().or(false);
        /// When a file gives way to a new one; without it, never.
        rotate: Option<Rotation> = table_if_there();
        /// What there may be of files where there is one for each connection.
        files: Option<Files> = table_if_there();
        /// Where signals wait that find no room; without it, they are dropped.
        spill: Option<Spill> = table_if_there();
        /// What of the signals goes there.
        filter: Filter = table();
        /// what is changed in signals on their way there, in this order
        rules: Vec<Rule> = inline_tables();
    }
    then Sink::check;
}

settings! {
    /// When a file gives way to a new one: it becomes `FILE.1`, that one `FILE.2`, and so on.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Rotation {
        /// before it is larger
        size: NonZeroUsize = size().or(at_least_one(100 << 20));
        /// after so long; absent: whenever
        every: Option<Duration> = duration().absent("\"24h\"");
        /// how many old files are kept
        keep: NonZeroUsize = count().within(at_least_one(1)..=at_least_one(1000)).or(at_least_one(7));
        /// old files are compressed, as `FILE.1.gz`
        compress: bool = truth().or(true);
    }
}

settings! {
    /// What there may be of files where there is one for each connection. The one that was not written to for the longest time
    /// gives way.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Files {
        /// most files
        count: NonZeroUsize = count().within(at_least_one(2)..=at_least_one(100_000)).or(at_least_one(1000));
        /// most bytes of one; when it is full it is kept as `ID.1`, in place of the one before
        size: NonZeroUsize = size().within(at_least_one(64 << 10)..=at_least_one(1 << 30)).or(at_least_one(1 << 20));
        /// most bytes of all
        total: NonZeroUsize = size().within(at_least_one(1 << 20)..=at_least_one(1 << 40)).or(at_least_one(256 << 20));
        /// most that are open at one time
        open: NonZeroUsize = count().within(at_least_one(1)..=at_least_one(1000)).or(at_least_one(64));
        /// a file that was not written to for so long is removed
        age: Duration = duration().within(Duration::from_secs(60)..=Duration::from_secs(366 * 86_400)).or(Duration::from_secs(7 * 86_400));
    }
}

settings! {
    /// Signals on the disk, in order, until the sink has caught up: what finds no room in `buffer`, what comes while the
    /// sink keeps failing, and what is left at the end, for the next start. Written, not synced.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Spill {
        /// a folder that nothing else uses; made if it is not there
        path: PathBuf = path().required(PathBuf::new(), "\"spill/file\"", "say where, as in path = \"spill/file\"");
        /// most bytes of its files; over it, as `when_full` says
        size: NonZeroUsize = size().within(at_least_one(64 << 10)..=at_least_one(1 << 40)).or(at_least_one(64 << 20));
    }
}

settings! {
    /// What is changed in a signal: one of `redact`, `set` and `drop`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Rule {
        /// pattern of a field, whose value gives way to `***`: a piece of data, `message`, `error`, `user` or `connection`
        redact: Option<String> = text().absent("\"email\"");
        /// a piece of data that is set, to `value`
        set: Option<String> = text().absent("\"region\"");
        /// what `set` sets
        value: Option<String> = text().absent("\"eu\"");
        /// pattern of an id: such signals are dropped, and counted
        drop: Option<String> = text().absent("\"chat/typing\"");
    }
    then Rule::check;
}

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SinkKind {
    Stdout,
    Stderr,
    File,
    /// A collector, by OTLP.
    Otlp,
    Plugin,
}

impl SinkKind {
    pub const ALL: [Self; 5] = [Self::Stdout, Self::Stderr, Self::File, Self::Otlp, Self::Plugin];

    pub fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::File => "file",
            Self::Otlp => "otlp",
            Self::Plugin => "plugin",
        }
    }

    /// Whether it is written to, line by line; to the others signals are handed over.
    pub fn has_lines(self) -> bool {
        match self {
            Self::Stdout | Self::Stderr | Self::File => true,
            Self::Otlp | Self::Plugin => false,
        }
    }
}

/// For what there is a file each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    Connection,
}

/// How a signal is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Human,
    Json,
    Edn,
}

impl Format {
    pub const ALL: [Self; 3] = [Self::Human, Self::Json, Self::Edn];

    pub fn word(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
            Self::Edn => "edn",
        }
    }
}

/// What gives way when no more may wait for a sink.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FullSink {
    DropNewest,
    DropOldest,
    Block,
}

impl FullSink {
    pub const ALL: [Self; 3] = [Self::DropNewest, Self::DropOldest, Self::Block];

    pub fn word(self) -> &'static str {
        match self {
            Self::DropNewest => "drop-newest",
            Self::DropOldest => "drop-oldest",
            Self::Block => "block",
        }
    }
}

impl Sink {
    /// The defaults of a kind.
    pub fn new(kind: SinkKind) -> Self {
        Self { kind, ..Self::usual() }
    }

    /// The defaults for a plugin of this name.
    pub fn of_plugin(plugin: impl Into<PluginName>) -> Self {
        Self { plugin: Some(plugin.into()), ..Self::usual() }
    }

    /// Its name in statistics and calls.
    pub fn label(&self) -> &str {
        let plugin = self.plugin.as_ref().filter(|_| self.kind == SinkKind::Plugin);
        self.name.as_deref().or(plugin.map(PluginName::as_str)).unwrap_or(self.kind.word())
    }

    /// Whether who says something writes it, and waits for that.
    pub fn writes_at_once(&self) -> bool {
        self.synchronous && self.kind.has_lines()
    }

    /// Which keys go together.
    fn check(&mut self, table: &Table<'_>) {
        match self.kind {
            // It has to be said, but of which kind it is may be wrong: that is told by its key.
            SinkKind::Plugin
                if self.plugin.is_none()
                    && table.get("plugin").is_none()
                    && table.get("kind").is_none_or(|kind| kind.says("plugin")) =>
            {
                let remedy = "say which plugin, as in plugin = \"log-sink\"";
                table.require("plugin", remedy, |_| Some(()));
            }
            SinkKind::File if self.path.is_none() && table.get("path").is_none() => {
                table.require(
                    "path",
                    "say where, as in path = \"logs/tengen.jsonl\"",
                    |_| Some(()),
                );
            }
            _ => {}
        }
        let only = |name: &str, here: bool, kinds: &str| match table.get(name) {
            Some(value) if !here => {
                let what = format!("is not used: it is for sinks of kind {kinds}");
                table.document.warning(&value.place, what);
            }
            _ => {}
        };
        let (is_plugin, has_lines) = (self.kind == SinkKind::Plugin, self.kind.has_lines());
        only("plugin", is_plugin, "`plugin`");
        only("workers", !has_lines || self.workers.get() == 1, "`otlp` or `plugin`");
        only("path", self.kind == SinkKind::File, "`file`");
        only("per", self.kind == SinkKind::File, "`file`");
        let is_one = self.per.is_none();
        only("rotate", self.kind == SinkKind::File && is_one, "`file`, without `per`");
        only("files", self.kind == SinkKind::File && !is_one, "`file`, with `per`");
        only("format", has_lines, "`stdout`, `stderr` or `file`");
        only("synchronous", has_lines || !self.synchronous, "`stdout`, `stderr` or `file`");
        if let (true, Some(spill)) = (self.writes_at_once(), table.get("spill")) {
            let what = "is not used: what is synchronous never waits for room";
            table.document.warning(&spill.place, what);
        }
    }
}

impl Files {
    /// The defaults.
    pub fn new() -> Self {
        Self::usual()
    }
}

impl Default for Files {
    fn default() -> Self {
        Self::new()
    }
}

impl Rotation {
    /// The defaults.
    pub fn new() -> Self {
        Self::usual()
    }
}

impl Spill {
    /// The defaults, in this folder.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::usual() }
    }
}

impl Default for Rotation {
    fn default() -> Self {
        Self::new()
    }
}

impl Rule {
    /// One that changes nothing, to be made into one that does.
    pub fn none() -> Self {
        Self::usual()
    }

    fn check(&mut self, table: &Table<'_>) {
        let said = [&self.redact, &self.set, &self.drop].into_iter().flatten().count();
        if said != 1 {
            let what = "must have one of `redact`, `set` and `drop`";
            table.document.mistake(&table.place, what);
        } else if self.set.is_some() != self.value.is_some() {
            let what = "`set` and `value` go together, as in { set = \"region\", value = \"eu\" }";
            table.document.mistake(&table.place, what);
        }
    }
}
