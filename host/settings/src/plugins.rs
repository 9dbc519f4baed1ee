//! Plugins: their files, what they may do, and which events are theirs.

use crate::{
    hosts::{Host, host},
    limits::at_least_one,
    schema::{
        Kind, Part,
        key::{inline_tables, table},
        kind::{
            bytes, count, duration, path, pause, plain_count, plain_size, plugin_name, quoted,
            text, truth, words,
        },
        settings,
        value::Value,
        with_defaults,
    },
};
use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf, time::Duration};
use tengen_wire::id::{Channel, PluginName, is_event_id, is_reserved};

/// Memory of an instance, unless more is said or seen to be needed.
pub const USUAL_MEMORY: usize = 16 << 20;

settings! {
    /// A WebAssembly component. With a plugin or a route, the built-in echo is off.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Plugin {
        /// the component
        file: PathBuf = Kind::new(component, |it| quoted(it.display()))
            .required(PathBuf::new(), "\"plugins/chat.wasm\"", "say which component it is, as in file = \"plugins/chat.wasm\"");
        /// memory of an instance, twice that while it saves its state or takes one over; absent: 16 MiB, or twice what it has
        /// when it has started
        ///
        /// In bytes. What it starts with may be 64 MiB then.
        memory: Option<usize> = Kind::new(memory, |it| bytes(*it)).absent("\"64MiB\"");
        /// time for one event
        ///
        /// CPU time; a batch has it times its length.
        deadline: Duration = duration().or(Duration::from_millis(50));
        /// what the plugin's `config` import reads; lists and tables arrive as JSON text
        config: BTreeMap<String, String> = Kind::new(config, |_| "{}".into()).or(BTreeMap::new());
        /// instances of each of its roles; a handler's events are dealt out to them, and it has 64 at most
        instances: NonZeroUsize = count().or(at_least_one(1));
        /// by what a handler's events are dealt out to several instances: `connection`, `user` or `channel`
        ///
        /// Without it, by `connection`; a plugin with a snapshot needs it said.
        affinity: Option<Affinity> = words(
            [
                ("connection", Affinity::Connection),
                ("user", Affinity::User),
                ("channel", Affinity::Channel),
            ],
            &[],
        )
        .absent("\"connection\"");
        /// `closed`: a failed event gets an error; `open`: it goes on to the next match
        on_failure: OnFailure = words([("closed", OnFailure::Closed), ("open", OnFailure::Open)], &[]).or(OnFailure::Closed);
        /// folder for events that break the plugin, at most 100 files of 16 MiB together, which hold what clients sent and the
        /// state that it happened to; absent: none are kept
        quarantine: Option<PathBuf> = path().absent("\"quarantine\"");
        /// What of its state outlives an instance.
        state: StateKeeping = table();
        /// plugins that are started before it and stopped after it
        depends_on: Vec<PluginName> = plugin_name().list().or(Vec::new()).at_once();
        /// What it may do.
        grant: Grants = table();
    }
    /// What one event may make the gateway do.
    in limits {
        /// most effects
        effects_per_event: usize = plain_count().or(4096);
        /// most bytes of an event's effects
        effect_bytes: usize = plain_size().or(4 << 20);
        /// most requests to servers that are under way
        requests: usize = plain_count().within(1..=1024).or(64);
        /// most bytes of a request's body, and of a response's
        request_body: usize = plain_size().or(1 << 20);
    }
}

/// The most instances of one handler.
pub const HANDLERS_MAX: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The event gets an error.
    Closed,
    /// The event goes on to the next match.
    Open,
}

/// By what events are dealt out to the instances of a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// A connection's events go to one instance.
    Connection,
    /// The events of all connections of a user go to one instance.
    User,
    /// What is told of a channel goes to one instance, all else by connection.
    Channel,
}

settings! {
    /// What the plugin may do beyond answering its own connections: nothing, unless it is said here.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Grants {
        /// channels it may publish to and subscribe its connections to, as in `["room/*"]`
        publish: Vec<Pattern> = pattern().list().or(Vec::new());
        /// users it may push to, as in `["*"]`
        push: Vec<Pattern> = pattern().list().or(Vec::new());
        /// whether it may push to a whole endpoint
        endpoint: bool = truth().or(false);
        /// buckets it may read, and write to by `put`, as in `["rooms/*"]`
        kv: Vec<Pattern> = pattern().list().or(Vec::new());
        /// environment variables it may read
        env: Vec<String> = Kind::new(variable, |it| quoted(it)).list().or(Vec::new());
        /// folders, as in `[{ host = "logs", guest = "/logs", writable = true }]`
        dirs: Vec<Directory> = inline_tables();
        /// servers it may send requests to, as in `["api.example.com", { host = "http://10.0.0.7:8080", private = true }]`
        http: Vec<Host> = host().list().or(Vec::new());
        /// whether it may see who is here: its own connections, their users, and the members of channels in `publish`
        directory: bool = truth().or(false);
    }
    later ["claims"]
}

settings! {
    /// A folder that a plugin may use.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Directory {
        /// the folder
        host: PathBuf = path().required(PathBuf::new(), "\"logs\"", "say which folder, as in host = \"logs\"");
        /// what the plugin calls it
        guest: String = Kind::new(guest_path, |it| quoted(it))
            .required(String::new(), "\"/logs\"", "say what the plugin calls it, as in guest = \"/logs\"");
        /// whether the plugin may write there
        writable: bool = truth().or(false);
    }
}

settings! {
    /// What of the state of a plugin with `snapshot` outlives an instance that breaks.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct StateKeeping {
        /// how often at most the state is saved beside the plugin's work, to be loaded after a trap; 0s: never
        ///
        /// Later where saving takes more than a hundredth of the time.
        every: Duration = pause().or(Duration::from_secs(10));
        /// memory for the events since it was saved last, which an instance after a trap is given once more
        ///
        /// In bytes.
        log: usize = plain_size().within((64 << 10)..=(1 << 30)).or(4 << 20);
    }
}

with_defaults!(StateKeeping);
with_defaults!(Grants);

/// Exact text, or a prefix followed by `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern(pub String);

impl Pattern {
    pub fn matches(&self, text: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => text.starts_with(prefix),
            None => self.0 == text,
        }
    }
}

settings! {
    /// Which events go to which plugin; the first match wins.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Route {
        /// event id, or a prefix and `*`
        event: Pattern = Kind::new(event_pattern, |it| quoted(&it.0))
            .required(Pattern(String::new()), "\"chat/*\"", "say which events, as in event = \"chat/*\"");
        /// the plugin's name
        plugin: PluginName = plugin_name().required("".into(), "\"chat\"", "say which plugin, as in plugin = \"chat\"");
        /// only events of this endpoint
        endpoint: Option<String> = text().absent("\"/ws\"");
        /// `first`, or `all`: this plugin sees the event and the search goes on
        mode: Mode = words([("first", Mode::First), ("all", Mode::All)], &[]).or(Mode::First);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The first matching route gets the event, unless an earlier one was `All`.
    First,
    /// This route sees the event and the search goes on.
    All,
}

impl Grants {
    pub fn may_publish(&self, channel: &Channel) -> bool {
        self.publish.iter().any(|pattern| pattern.matches(channel))
    }

    /// Whether it may read this bucket and write to it.
    pub fn may_keep(&self, bucket: &str) -> bool {
        self.kv.iter().any(|pattern| pattern.matches(bucket))
    }

    pub fn may_push_to(&self, user: &str) -> bool {
        self.push.iter().any(|pattern| pattern.matches(user))
    }
}

/// What one plugin's requests to servers may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestLimits {
    /// Requests at once.
    pub requests: usize,
    /// Bytes of one request's body, and of one response's, as it came and as it is unpacked.
    pub body: usize,
}

impl Plugin {
    pub fn request_limits(&self) -> RequestLimits {
        RequestLimits { requests: self.requests, body: self.request_body }
    }

    /// The memory that an instance may have, in bytes; where nothing is said of it, as long as nobody has seen what it needs.
    pub fn memory(&self) -> usize {
        self.memory.unwrap_or(USUAL_MEMORY)
    }

    /// How much the events of one call may weigh together: a part of its memory. What is copied into it is copied once
    /// more when it is read, and what the plugin makes of it has to fit in as well.
    pub fn batch_bytes(&self) -> usize {
        self.memory() / 8
    }

    /// What to say where several instances of a handler that hands its state over have no `affinity`, or are more than there
    /// may be; none: it is well.
    pub fn unfit_instances(&self, name: &PluginName, has_state: bool) -> Option<String> {
        let instances = self.instances.get();
        if instances > HANDLERS_MAX {
            return Some(format!(
                "`plugin.{name}.instances` is {instances}, where a handler may have {HANDLERS_MAX}: write {HANDLERS_MAX} or less"
            ));
        }
        (instances > 1 && has_state && self.affinity.is_none()).then(|| {
            format!(
                "`plugin.{name}.affinity` is missing: the plugin has a snapshot and {instances} instances, so say by what its state is dealt out, as in affinity = \"connection\", \"user\" or \"channel\""
            )
        })
    }

    /// The defaults for a component in this file.
    pub fn new(file: impl Into<PathBuf>) -> Self {
        Self { file: file.into(), ..Self::usual() }
    }
}

fn component(value: &Value<'_>) -> Option<PathBuf> {
    let path = value.path()?;
    if path.extension().is_none_or(|extension| extension != "wasm") {
        value.mistake("must be a component in a `.wasm` file; `cargo xtask guests` builds those of this repository");
        return None;
    }
    Some(path)
}

/// A page of WebAssembly memory is 64 KiB, and 32-bit memory ends at 4 GiB.
fn memory(value: &Value<'_>) -> Option<usize> {
    let size = value.size()?;
    if !(64 << 10..=4usize << 30).contains(&size) {
        value.mistake("must be from 64KiB to 4GiB");
        return None;
    }
    Some(size)
}

fn config(value: &Value<'_>) -> Option<BTreeMap<String, String>> {
    let entries = value.entries()?;
    Some(entries.into_iter().filter_map(|(name, value)| Some((name, value.plain()?))).collect())
}

fn variable(value: &Value<'_>) -> Option<String> {
    value.filled()?;
    value.read(|name| match name.contains('=') || name.contains(char::is_whitespace) {
        true => Err(format!(
            "`{name}` is not the name of an environment variable; write the name alone"
        )),
        false => Ok(name.to_owned()),
    })
}

fn guest_path(value: &Value<'_>) -> Option<String> {
    value.filled()?;
    value.read(|guest| match guest.starts_with('/') {
        true => Ok(guest.to_owned()),
        false => Err(format!("`{guest}` must begin with `/`; write `/{guest}`")),
    })
}

/// Exact text, or a prefix and `*`.
fn pattern() -> Kind<Pattern> {
    let read = |value: &Value<'_>| {
        value.filled()?;
        value.read(a_pattern)
    };
    Kind::new(read, |it: &Pattern| quoted(&it.0))
}

fn a_pattern(text: &str) -> Result<Pattern, String> {
    match text.trim_end_matches('*').contains('*') || text.ends_with("**") {
        true => Err(format!(
            "`{text}` has a `*` in a place where it has no meaning; write it once, at the end"
        )),
        false => Ok(Pattern(text.to_owned())),
    }
}

fn event_pattern(value: &Value<'_>) -> Option<Pattern> {
    value.filled()?;
    value.read(|text| {
        let pattern = a_pattern(text)?;
        if !text.ends_with('*') && !is_event_id(text) {
            return Err(format!("`{text}` matches no event: ids are `namespace/name`; write `{text}/*` for all of a namespace"));
        }
        if is_reserved(text) {
            return Err(format!("`{text}` lies in a namespace that the gateway keeps to itself and plugins never get events of; remove the route"));
        }
        Ok(pattern)
    })
}
