//! The contract of those who take signals (telemetry records).

use crate::security;
use futures_util::future::BoxFuture;
use std::{
    borrow::Cow,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    /// From the least to the most.
    pub const ALL: [Self; 6] =
        [Self::Trace, Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];

    pub fn word(self) -> &'static str {
        match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Bytes(Vec<u8>),
}

impl fmt::Display for Value {
    /// As people read it: texts in quotes, of bytes how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Boolean(truth) => write!(f, "{truth}"),
            Self::Bytes(bytes) => write!(f, "<{} bytes>", bytes.len()),
        }
    }
}

/// What somebody else's record says by name, on its way through the log.
///
/// The log's own fields have their names when the gateway is compiled. These come when it runs: they go as the value of one
/// field, as an error, because that is what the log hands on as it is (`record_error`, `downcast_ref`).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts(pub Vec<(String, Value)>);

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            let gap = if place == 0 { "" } else { " " };
            write!(f, "{gap}{name}={value}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Facts {}

/// Text of a signal: what the gateway says itself is there when it is compiled, and costs nothing to carry.
pub type Text = Cow<'static, str>;

/// What went wrong, and why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failure {
    pub message: String,
    /// The causes, from the nearest to the first.
    pub causes: Vec<String>,
}

impl Failure {
    /// Of an error with its causes.
    pub fn of(error: &(dyn std::error::Error + 'static)) -> Self {
        let causes = std::iter::successors(error.source(), |error| error.source());
        Self { message: error.to_string(), causes: causes.map(ToString::to_string).collect() }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { message, causes: Vec::new() }
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    /// On one line: a colon before each cause.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes.iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

/// Where something was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Location {
    #[default]
    Unknown,
    /// In the gateway's own source.
    Line(&'static str, u32),
    /// As a plugin says it.
    Named(String),
}

impl Location {
    pub fn is_known(&self) -> bool {
        *self != Self::Unknown
    }
}

impl fmt::Display for Location {
    /// `file:line`, or nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => Ok(()),
            Self::Line(file, line) => write!(f, "{file}:{line}"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// One telemetry record.
#[derive(Debug, Clone, PartialEq)]
pub struct Signal {
    pub at: SystemTime,
    pub level: Level,
    /// Where it was said: a module path, or `plugin.NAME`.
    pub namespace: Text,
    /// What kind of thing it tells of, such as `chat/joined`; often empty.
    pub id: Text,
    pub message: Text,
    pub data: Vec<(Text, Value)>,
    pub error: Option<Failure>,
    pub location: Location,
    /// Hex, or empty.
    pub trace_id: String,
    pub span_id: String,
    /// Whether that trace was known to be recorded when it was said.
    pub sampled: bool,
    pub connection: String,
    pub user: String,
    /// The id of the timed work that it is a part of, or empty.
    pub parent: String,
    /// How long the work took that it tells of.
    pub took: Option<Duration>,
    /// What it happened within, for people: `connection{id=7}: `; often empty.
    pub within: String,
}

impl Signal {
    /// With nothing but this; `at` is for whoever knows the time.
    pub fn new(level: Level, namespace: impl Into<Text>, message: impl Into<Text>) -> Self {
        Self {
            at: SystemTime::UNIX_EPOCH,
            level,
            namespace: namespace.into(),
            id: Text::default(),
            message: message.into(),
            data: Vec::new(),
            error: None,
            location: Location::Unknown,
            trace_id: String::new(),
            span_id: String::new(),
            sampled: false,
            connection: String::new(),
            user: String::new(),
            parent: String::new(),
            took: None,
            within: String::new(),
        }
    }

    /// Whether the gateway says it about security: a plugin that takes such an id for itself does not.
    pub fn is_of_security(&self) -> bool {
        self.id.starts_with(security::PREFIX) && !self.namespace.starts_with("plugin.")
    }

    /// What it is, in a word: `security`, `error`, `event` (it has an id) or `log`.
    pub fn kind(&self) -> &'static str {
        match self {
            _ if self.is_of_security() => "security",
            Self { error: Some(_), .. } => "error",
            _ if !self.id.is_empty() => "event",
            _ => "log",
        }
    }

    /// What it takes up, about, in bytes.
    pub fn weight(&self) -> usize {
        let of_value = |value: &Value| match value {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => 0,
        };
        let datum = |(name, value): &(Text, Value)| {
            size_of::<(Text, Value)>() + name.len() + of_value(value)
        };
        let data: usize = self.data.iter().map(datum).sum();
        let texts = [&self.namespace, &self.id, &self.message];
        let texts: usize = texts.into_iter().map(|text| text.len()).sum();
        let own = [&self.trace_id, &self.span_id, &self.connection, &self.user, &self.within];
        let own = own.into_iter().chain([&self.parent]);
        let own: usize = own.map(String::len).sum();
        let error = self.error.as_ref().map_or(0, |error| {
            error.message.len()
                + error.causes.iter().map(|cause| size_of::<String>() + cause.len()).sum::<usize>()
        });
        let location = match &self.location {
            Location::Named(name) => name.len(),
            Location::Unknown | Location::Line(..) => 0,
        };
        size_of::<Self>() + data + texts + own + error + location
    }
}

/// What a sink says to a batch that it did not take whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    RetryAfter(Duration),
    /// Give this batch up.
    Drop(String),
    /// Give the sink up.
    Fatal(String),
    /// Who is behind the sink cannot be reached, or takes nothing now: the batch is kept, and offered again until it is taken.
    Unavailable {
        why: String,
        /// When to come back, if it said so.
        after: Option<Duration>,
    },
    /// Of the first `taken` of the batch so many were refused, and it is not said which: all of those are done with.
    Partly {
        taken: usize,
        /// None: they have it, and something to say of it.
        refused: usize,
        why: String,
    },
    /// The first of the batch, alone, is more than is taken.
    TooLarge(String),
}

/// How long a delivery may take, unless the sink says otherwise.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Takes signals in batches.
pub trait Sink: fmt::Debug + Send + Sync {
    /// How many were taken, from the start of the batch; the rest is offered again.
    fn deliver<'a>(
        &'a self,
        signals: &'a [Arc<Signal>],
        dropped_before: u32,
    ) -> BoxFuture<'a, Result<usize, Refusal>>;

    /// How long a delivery may take; one that takes longer has failed. By default 10 s.
    fn patience(&self) -> Duration {
        PATIENCE
    }

    /// Writes out what the sink holds back; called once, before the end.
    fn flush(&self) -> BoxFuture<'_, Result<(), String>>;
}
