//! `tengen sinks`: where signals go, what becomes of them, and which there are.

use super::{Exit, Io, Running, find};
use clap::{Args, Subcommand};
use serde_json::Value;
use std::error::Error;
use tengen_server::admin::client::ClientError;

#[derive(Debug, Args)]
pub(super) struct Sinks {
    #[command(flatten)]
    running: Running,
    /// One of `admin.keys`, for what changes something; without it, the environment variable TENGEN_API_KEY
    #[arg(long, global = true)]
    key: Option<String>,
    #[command(subcommand)]
    order: Option<Order>,
}

#[derive(Debug, Subcommand)]
enum Order {
    /// List the sinks: what each got, lost and is behind with, and what to do about it (the default)
    List {
        /// Print JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Deliver nothing to a sink for now; what it may keep waits
    Pause { sink: String },
    /// Let a paused sink go on
    Resume { sink: String },
    /// Deliver what waits for a sink, for 5 s at most, and end it
    Remove { sink: String },
    /// Attach a sink of the configuration that was removed
    Add { sink: String },
    /// Change the filter of all signals, or of one sink; what is not named stays
    Filter(Filter),
    /// Say how many of the last signals a changed filter would let pass; nothing is changed
    Try(Filter),
    /// Let more pass for a while, as in `raise --user 42 --for 60s`
    Raise {
        /// From this level on
        #[arg(long, default_value = "debug")]
        level: String,
        /// Only what is about this user
        #[arg(long)]
        user: Option<String>,
        /// Only what is about this connection
        #[arg(long)]
        connection: Option<String>,
        /// Only of namespaces that match, with `*` for any text
        #[arg(long, value_name = "PATTERN")]
        namespace: Option<String>,
        /// Only of ids that match
        #[arg(long, value_name = "PATTERN")]
        id: Option<String>,
        /// For how long; an hour at most
        #[arg(long = "for", value_name = "DURATION", default_value = "60s")]
        lasts: String,
    },
    /// Record another share of the traces from now on
    Traces {
        /// Share of new traces, 0 to 1
        #[arg(long)]
        sample: String,
    },
    /// Make no signals at all, for nobody
    Off,
    /// Make them again
    On,
}

/// See `sink.filter` in the configuration.
#[derive(Debug, Args)]
struct Filter {
    /// Of this sink; without it, of all signals
    #[arg(long)]
    sink: Option<String>,
    /// Least level, as in `telemetry.level`
    #[arg(long)]
    level: Option<String>,
    /// Least levels by id, as `id=level` pairs with commas
    #[arg(long)]
    id_level: Option<String>,
    /// Share of those below `warn`, 0 to 1
    #[arg(long)]
    sample: Option<String>,
    /// How many of a key pass, as in 100/s, or `off`
    #[arg(long)]
    limit: Option<String>,
    /// The key of the limit: id, namespace, user or connection
    #[arg(long)]
    limit_by: Option<String>,
    /// Namespaces of which one has to match; can be given several times, and empty allows all
    #[arg(long, value_name = "PATTERN")]
    allow_namespace: Vec<String>,
    /// Namespaces that do not pass
    #[arg(long, value_name = "PATTERN")]
    deny_namespace: Vec<String>,
    /// Ids of which one has to match
    #[arg(long, value_name = "PATTERN")]
    allow_id: Vec<String>,
    /// Ids that do not pass
    #[arg(long, value_name = "PATTERN")]
    deny_id: Vec<String>,
}

type Wishes = Vec<(&'static str, String)>;

impl Filter {
    fn wishes(self) -> Wishes {
        let single = [
            ("sink", self.sink),
            ("level", self.level),
            ("id_level", self.id_level),
            ("sample", self.sample),
            ("limit", self.limit),
            ("limit_by", self.limit_by),
        ];
        let several = [
            ("allow_namespace", self.allow_namespace),
            ("deny_namespace", self.deny_namespace),
            ("allow_id", self.allow_id),
            ("deny_id", self.deny_id),
        ];
        let several =
            several.into_iter().flat_map(|(name, all)| all.into_iter().map(move |it| (name, it)));
        some(single).into_iter().chain(several).collect()
    }
}

fn some<const N: usize>(pairs: [(&'static str, Option<String>); N]) -> Wishes {
    pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

impl Order {
    /// As the admin listener is told; none: nothing is changed.
    fn told(self) -> Option<(&'static str, Wishes)> {
        let of = |sink| vec![("sink", sink)];
        Some(match self {
            Self::List { .. } => return None,
            Self::Pause { sink } => ("pause", of(sink)),
            Self::Resume { sink } => ("resume", of(sink)),
            Self::Remove { sink } => ("remove", of(sink)),
            Self::Add { sink } => ("add", of(sink)),
            Self::Filter(filter) => ("filter", filter.wishes()),
            Self::Try(filter) => ("try", filter.wishes()),
            Self::Raise { level, user, connection, namespace, id, lasts } => {
                let told = [
                    ("level", Some(level)),
                    ("user", user),
                    ("connection", connection),
                    ("namespace", namespace),
                    ("id", id),
                    ("for", Some(lasts)),
                ];
                ("raise", some(told))
            }
            Self::Traces { sample } => ("traces", vec![("sample", sample)]),
            Self::Off => ("off", Vec::new()),
            Self::On => ("on", Vec::new()),
        })
    }
}

pub(super) async fn run(args: Sinks, io: &mut Io) -> Exit {
    carry_out(args, io).await.unwrap_or_else(|error| {
        io.error(&*error);
        Exit::Failed
    })
}

async fn carry_out(args: Sinks, io: &mut Io) -> Result<Exit, Box<dyn Error + Send + Sync>> {
    let client = find::client(&args.running, io)?;
    let json = matches!(args.order, Some(Order::List { json: true }));
    let Some((order, wishes)) = args.order.and_then(Order::told) else {
        let seen = client.sinks().await?;
        match json {
            true => io.say(format_args!("{seen:#}")),
            false => lines(&seen).into_iter().for_each(|line| io.say(line)),
        }
        return Ok(Exit::Ok);
    };
    let key = args.key.or_else(|| (io.env)("TENGEN_API_KEY"));
    match client.order(order, &wishes, key.as_deref().map(str::trim)).await {
        Ok(told) => {
            io.say(format_args!("{told:#}"));
            Ok(Exit::Ok)
        }
        Err(ClientError::Refused { status, why }) if status == http::StatusCode::CONFLICT => {
            io.note(format_args!("error: {why}"));
            Ok(Exit::Failed)
        }
        Err(error) => Err(error.into()),
    }
}

/// One line for all signals, and one for each sink; what to do about it on a line below.
fn lines(seen: &Value) -> Vec<String> {
    let number = |of: &Value, key: &str| of.get(key).and_then(Value::as_u64).unwrap_or_default();
    let word = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let empty = Value::Null;
    let (signals, filter) =
        (seen.get("signals").unwrap_or(&empty), seen.get("filter").unwrap_or(&empty));
    let is_off = seen.get("off").and_then(Value::as_bool).unwrap_or_default();
    let mut lines = vec![format!(
        "signals: {} created, {} accepted; level {}{}",
        number(signals, "created"),
        number(signals, "accepted"),
        word(filter, "level"),
        if is_off { "; everything is off" } else { "" },
    )];
    for (name, sink) in seen.get("sinks").and_then(Value::as_object).into_iter().flatten() {
        let dropped = sink.get("dropped").and_then(Value::as_object).into_iter().flatten();
        let lost: u64 = dropped.filter_map(|(_, count)| count.as_u64()).sum();
        let on_disk = match number(sink, "spilled") {
            0 => String::new(),
            spilled => format!(", {spilled} on the disk"),
        };
        let breaker = match word(sink, "breaker").as_str() {
            "" | "closed" => String::new(),
            phase => format!(", breaker {phase}"),
        };
        lines.push(format!(
            "{name:<16} {:<8} {} of {} delivered, {} waiting{on_disk}, {lost} dropped, {}/s in, {}/s out{}{breaker}",
            word(sink, "health"),
            number(sink, "processed"),
            number(sink, "accepted"),
            number(sink, "queued") + number(sink, "in_flight"),
            number(sink, "accepted_per_s"),
            number(sink, "processed_per_s"),
            within(sink.get("latency").unwrap_or(&empty)),
        ));
        let advice = word(sink, "advice");
        if !advice.is_empty() {
            lines.push(format!("  {advice}"));
        }
    }
    if let Some(share) = seen.pointer("/traces/sample").and_then(Value::as_f64) {
        lines.push(format!("traces: a share of {share} is recorded"));
    }
    for raised in seen.get("raised").and_then(Value::as_array).into_iter().flatten() {
        lines.push(format!("raised: {raised}"));
    }
    lines
}

/// How long most of its signals took; nothing where there were none.
fn within(latency: &Value) -> String {
    let number = |key: &str| latency.get(key).and_then(Value::as_u64);
    let told = |micros: Option<u64>| match micros {
        None => "over 10 s".to_owned(),
        Some(micros) if micros < 1000 => format!("{micros} µs"),
        Some(micros) if micros < 1_000_000 => format!("{} ms", micros as f64 / 1000.0),
        Some(micros) => format!("{} s", micros as f64 / 1_000_000.0),
    };
    match number("count").unwrap_or_default() {
        0 => String::new(),
        _ => format!(
            ", half within {}, 99 % within {}",
            told(number("p50_us")),
            told(number("p99_us"))
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_sink_is_a_line_and_what_to_do_about_it_another() {
        let seen = json!({
            "signals": { "created": 9, "accepted": 8 },
            "filter": { "level": "info" },
            "traces": { "sample": 0.1 },
            "off": false,
            "raised": [],
            "sinks": { "file": {
                "health": "failing", "processed": 5, "accepted": 8, "queued": 1, "in_flight": 1,
                "dropped": { "queue_full": 1 }, "accepted_per_s": 3, "processed_per_s": 2, "advice": "make room",
                "breaker": "open", "spilled": 4, "latency": { "count": 5, "p50_us": 250, "p99_us": 2500 },
            } },
        });
        assert_eq!(
            lines(&seen),
            [
                "signals: 9 created, 8 accepted; level info",
                "file             failing  5 of 8 delivered, 2 waiting, 4 on the disk, 1 dropped, 3/s in, 2/s out, half within 250 µs, 99 % within 2.5 ms, breaker open",
                "  make room",
                "traces: a share of 0.1 is recorded",
            ]
        );
    }

    #[test]
    fn what_is_not_said_is_not_sent() {
        let raise = Order::Raise {
            level: "debug".into(),
            user: Some("42".into()),
            connection: None,
            namespace: None,
            id: None,
            lasts: "60s".into(),
        };
        let told =
            vec![("level", "debug".to_owned()), ("user", "42".into()), ("for", "60s".into())];
        assert_eq!(raise.told(), Some(("raise", told)));
    }
}
