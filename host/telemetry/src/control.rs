//! What can be seen of signals and sinks, and changed, while everything runs.

use crate::{
    Telemetry,
    attached::Attached,
    environment::Environment,
    filter::{Filter, pattern::Pattern},
    log,
    pipe::Raise,
    plan::Sampling,
    redact,
    station::Station,
};
use serde_json::{Map, Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tengen_core::sink::Level;
use tengen_settings::{self as settings, LimitBy, Rate, check_level, config};

/// How long a sink that is removed has for what is queued.
const FAREWELL: Duration = Duration::from_secs(5);
/// More than usual passes for so long at most, and where nothing is said
const LONGEST: Duration = Duration::from_secs(3600);
/// for so long.
const USUAL: Duration = Duration::from_secs(60);
/// So much may be raised at one time.
const RAISED: usize = 64;

/// What is asked for, as `level=debug` and so on; a name may stand several times.
pub type Wishes = [(String, String)];

impl Telemetry {
    /// Every sink with its account, its health and its filter; the filter of all, and what is raised for a while.
    pub fn sinks(&self) -> Value {
        self.pipe.expire();
        let stats = self.stats();
        let sinks: Map<_, _> = stats
            .sinks
            .into_iter()
            .map(|(name, sink)| {
                let filter = self.station(&name).map(|station| station.filter().told()).ok();
                let mut told = serde_json::to_value(sink).unwrap_or_default();
                if let Some(told) = told.as_object_mut() {
                    told.insert("filter".to_owned(), filter.unwrap_or_default());
                }
                (name, told)
            })
            .collect();
        json!({
            "signals": stats.signals,
            "off": self.pipe.is_off(),
            "traces": self.tracing.as_ref().map(|it| json!({ "sample": it.sampling().share })),
            "filter": self.pipe.filter().told(),
            "raised": self.pipe.raised().iter().map(told).collect::<Vec<_>>(),
            "sinks": sinks,
        })
    }

    /// Carries out what changes something: `pause`, `resume`, `remove` (of a `sink`), `filter` and `try` (of a `sink`, or of
    /// all), `raise`, `traces` (the share of them that is recorded), `off` and `on`. Ok: what there is to say of it. Err: why it is not done.
    pub async fn order(&self, order: &str, wishes: &Wishes) -> Result<Value, String> {
        let wishes = Wanted(wishes);
        match order {
            "pause" | "resume" => {
                let station = self.station(wishes.sink()?)?;
                station.pause(order == "pause");
                Ok(json!(station.stats()))
            }
            "remove" => self.remove(wishes.sink()?).await,
            "filter" => self.filter(&wishes),
            "try" => self.try_filter(&wishes),
            "raise" => self.raise(&wishes),
            "traces" => self.traces(&wishes),
            "off" | "on" => {
                self.pipe.turn(order == "on");
                Ok(json!({ "off": self.pipe.is_off() }))
            }
            other => Err(format!(
                "`{other}` is no order; there are pause, resume, remove, add, filter, try, raise, traces, off and on"
            )),
        }
    }

    /// Asks of all signals what these settings say, from now on; what there is to say of that beside.
    pub fn refilter(&self, settings: &settings::Telemetry) -> Result<Option<String>, String> {
        let (filter, _) = log::filter(settings).map_err(|error| error.to_string())?;
        let security = log::security(settings).map_err(|error| error.to_string())?;
        let wins = filter.settings().level.as_ref()
            != settings.filter.level.as_ref().or(Some(&settings.level));
        // Call sites look at it when the filter has changed.
        redact::keep_names(&settings.secrets);
        self.pipe.set_filter(filter);
        self.pipe.set_security(security);
        Ok(wins.then(|| format!(", but for the level: that of `{}` wins", log::VARIABLE)))
    }

    /// Records this share of new traces from now on; none: the one that the environment says, or all. Err: why there is no
    /// tracing.
    pub fn resample(&self, share: Option<f64>) -> Result<(), String> {
        let why = || self.failure.clone().unwrap_or_else(|| "no traces are sent".to_owned());
        let tracing = self.tracing.as_ref().ok_or_else(why)?;
        let lookup = |name: &str| std::env::var(name);
        tracing.resample(Sampling::new(share, &Environment::new(&lookup)));
        Ok(())
    }

    /// From now on these values are masked wherever plugins or errors say them, in what all gateways of the process say.
    pub fn keep_secret(&self, values: impl IntoIterator<Item = String>) {
        redact::keep_values(values);
    }

    /// Whether a setting of this name is a secret by it.
    pub fn is_secret(&self, name: &str) -> bool {
        redact::is_secret(name)
    }

    /// Asks of the signals of this sink what these settings say, from now on.
    pub fn refilter_sink(&self, settings: &settings::Sink) -> Result<(), String> {
        let station = self.station(settings.label())?;
        let filter = Filter::new(&settings.filter, "trace").map_err(|error| error.to_string())?;
        self.pipe.set_filter_of(&station, filter);
        Ok(())
    }

    /// Ends what was raised for a while that is over; to be called now and then.
    pub fn expire(&self) {
        self.pipe.expire();
    }

    fn station(&self, name: &str) -> Result<Arc<Station>, String> {
        let own = self.sinks_of().get(name).map(|attached| Arc::clone(attached.station()));
        let of_log = || log::station().filter(|station| station.name() == name).cloned();
        own.or_else(of_log).ok_or_else(|| format!("there is no sink `{name}`"))
    }

    async fn remove(&self, name: &str) -> Result<Value, String> {
        self.station(name)?;
        let removed: Option<Attached> = self.sinks_of().remove(name);
        let removed = removed
            .ok_or_else(|| format!("`{name}` is the log, which can be paused and not removed"))?;
        removed.stop(Instant::now() + FAREWELL).await;
        Ok(json!(removed.station().stats()))
    }

    fn filter(&self, wishes: &Wanted<'_>) -> Result<Value, String> {
        match wishes.get("sink") {
            None => {
                self.pipe.set_filter(wishes.changed(&self.pipe.filter())?);
                Ok(self.pipe.filter().told())
            }
            Some(name) => {
                let station = self.station(name)?;
                self.pipe.set_filter_of(&station, wishes.changed(&station.filter())?);
                Ok(station.filter().told())
            }
        }
    }

    /// How many of those that sinks got last would pass. What was not made, or went to no sink, is not known.
    fn try_filter(&self, wishes: &Wanted<'_>) -> Result<Value, String> {
        let names: Vec<String> = match wishes.get("sink") {
            Some(name) => vec![name.to_owned()],
            None => self.stats().sinks.into_keys().collect(),
        };
        let mut tried = Map::new();
        for name in names {
            let station = self.station(&name)?;
            let is_of_all = wishes.get("sink").is_none();
            let before = if is_of_all { self.pipe.filter() } else { station.filter() };
            let (filter, recent) = (wishes.changed(&before)?, station.recent());
            let passes = recent.iter().filter(|signal| {
                filter.lets(signal.level, &signal.namespace, &signal.id)
                    && filter.admits_one(signal)
            });
            let passed = passes.count();
            tried.insert(name, json!({ "recent": recent.len(), "would_pass": passed }));
        }
        Ok(tried.into())
    }

    fn traces(&self, wishes: &Wanted<'_>) -> Result<Value, String> {
        wishes.only(&["sample"])?;
        let sample = wishes.get("sample").ok_or("say which share of them, as in sample=0.1")?;
        let sample = share(sample)?;
        self.resample(Some(sample))?;
        Ok(json!({ "sample": sample }))
    }

    fn raise(&self, wishes: &Wanted<'_>) -> Result<Value, String> {
        wishes.only(&["level", "namespace", "id", "user", "connection", "for"])?;
        let lasts = wishes.get("for").map_or(Ok(USUAL), config::duration)?;
        if lasts > LONGEST {
            return Err(format!("{lasts:?} is too long; {LONGEST:?} at most"));
        }
        let word = wishes.get("level").unwrap_or("debug");
        let level = Level::ALL.into_iter().find(|level| level.word() == word);
        let level = level.ok_or_else(|| format!("`{word}` is no level"))?;
        self.pipe.expire();
        if self.pipe.raised().len() >= RAISED {
            return Err(format!("{RAISED} are raised already; wait until some are over"));
        }
        let pattern = |name| wishes.get(name).map(Pattern::new);
        let text = |name| wishes.get(name).map(str::to_owned);
        let raise = Raise {
            level,
            namespace: pattern("namespace"),
            id: pattern("id"),
            user: text("user"),
            connection: text("connection"),
            until: Instant::now() + lasts,
        };
        let told = told(&raise);
        self.pipe.raise(raise);
        Ok(told)
    }
}

fn told(raise: &Raise) -> Value {
    let pattern = |pattern: &Option<Pattern>| pattern.as_ref().map(ToString::to_string);
    json!({
        "level": raise.level.word(),
        "namespace": pattern(&raise.namespace),
        "id": pattern(&raise.id),
        "user": raise.user,
        "connection": raise.connection,
        "left_s": raise.until.saturating_duration_since(Instant::now()).as_secs_f64().round(),
    })
}

/// What a call wants.
struct Wanted<'a>(&'a Wishes);

impl Wanted<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(wished, _)| wished == name).map(|(_, value)| value.as_str())
    }

    fn sink(&self) -> Result<&str, String> {
        self.get("sink").ok_or_else(|| "say which sink, as in sink=file".to_owned())
    }

    /// A wish that nobody carries out is a mistake.
    fn only(&self, known: &[&str]) -> Result<(), String> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                Err(format!("`{name}` is not known here; there are {}", known.join(", ")))
            }
            None => Ok(()),
        }
    }

    /// The filter with what is wanted of it; the rest as it was.
    fn changed(&self, before: &Filter) -> Result<Filter, String> {
        const NAMES: [&str; 4] = ["allow_namespace", "deny_namespace", "allow_id", "deny_id"];
        let plain = ["sink", "level", "id_level", "sample", "limit", "limit_by"];
        self.only(&[&plain[..], &NAMES[..]].concat())?;
        let mut of = before.settings().clone();
        for (name, value) in self.0 {
            match name.as_str() {
                "level" => {
                    check_level(value)?;
                    of.level = Some(value.clone());
                }
                "id_level" => of.id_level = Some(value.clone()).filter(|value| !value.is_empty()),
                "sample" => of.sample = share(value)?,
                "limit" => of.limit = if value == "off" { None } else { Some(Rate::read(value)?) },
                "limit_by" => {
                    let by = LimitBy::ALL.into_iter().find(|by| by.word() == value);
                    of.limit_by = by.ok_or_else(|| format!("`{value}` is no key of a limit"))?;
                }
                _ => {}
            }
        }
        let settings::Filter { namespaces, ids, .. } = &mut of;
        let lists = [&mut namespaces.allow, &mut namespaces.deny, &mut ids.allow, &mut ids.deny];
        for (list, wished) in lists.into_iter().zip(NAMES) {
            let given = self.0.iter().filter(|(name, _)| name == wished);
            let given: Vec<_> = given.map(|(_, value)| value.clone()).collect();
            if !given.is_empty() {
                *list = given.into_iter().filter(|pattern| !pattern.is_empty()).collect();
            }
        }
        Filter::new(&of, "trace").map_err(|error| error.to_string())
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("`{text}` is no number from 0 to 1"))
}

#[cfg(test)]
mod tests;
