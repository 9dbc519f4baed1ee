//! Which signals pass: by level, namespace and id, then by share, then by how often.
//!
//! What a call site knows (level, namespace, id) is asked once for each call site and each change of a filter; the rest is
//! asked of each signal.

mod limit;
pub(crate) mod pattern;
mod sampling;

use crate::TelemetryError;
use limit::Limit;
use pattern::Pattern;
use sampling::Sampling;
use serde_json::{Value, json};
use std::time::Instant;
use tengen_core::sink::{Level, Signal};
use tengen_settings::{self as settings, id_levels_of};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// The least level that passes; none: not even the highest.
pub(crate) type Least = Option<Level>;

/// Which signals pass.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    /// What it was made of.
    of: settings::Filter,
    by_namespace: Levels,
    by_id: Vec<(Pattern, Least)>,
    namespaces: Names,
    ids: Names,
    sampling: Option<Sampling>,
    limit: Option<Limit>,
}

/// Least levels: of what begins in some way, the longest first, and of all else.
#[derive(Debug)]
struct Levels {
    special: Vec<(Pattern, Least)>,
    usual: Least,
}

impl Default for Levels {
    fn default() -> Self {
        Self { special: Vec::new(), usual: Some(Level::Trace) }
    }
}

#[derive(Debug, Default)]
struct Names {
    allow: Vec<Pattern>,
    deny: Vec<Pattern>,
}

impl Names {
    fn new(names: &settings::Names) -> Self {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect();
        Self { allow: patterns(&names.allow), deny: patterns(&names.deny) }
    }

    fn let_pass(&self, name: &str) -> bool {
        let matches = |pattern: &Pattern| pattern.matches(name);
        (self.allow.is_empty() || self.allow.iter().any(matches)) && !self.deny.iter().any(matches)
    }
}

/// Why a signal does not pass, or that it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passes,
    SampledOut,
    Limited,
}

pub(crate) fn least(level: LevelFilter) -> Least {
    Some(match level.into_level()? {
        tracing::Level::TRACE => Level::Trace,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::INFO => Level::Info,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::ERROR => Level::Error,
    })
}

/// A word for a least level.
pub(crate) fn named(word: &str) -> Option<Least> {
    word.parse().ok().map(least)
}

/// What `tracing` takes for a filter.
pub(crate) fn parse(origin: &'static str, level: &str) -> Result<Targets, TelemetryError> {
    level.trim().parse().map_err(|source| TelemetryError::Level {
        origin,
        level: level.to_owned(),
        source,
    })
}

fn is_at_least(level: Level, least: Least) -> bool {
    least.is_some_and(|least| level >= least)
}

impl Filter {
    /// What the configuration says; `level` counts where it says none.
    pub(crate) fn new(settings: &settings::Filter, level: &str) -> Result<Self, TelemetryError> {
        let level = settings.level.as_deref().unwrap_or(level);
        let mut filter = Self::of_level("level", level)?;
        let id_level = settings.id_level.as_deref().unwrap_or_default();
        let pairs = match id_level {
            "" => Vec::new(),
            pairs => {
                id_levels_of(pairs).map_err(|part| TelemetryError::IdLevel(part.to_owned()))?
            }
        };
        let pair = |(id, level): (&str, &str)| Some((Pattern::new(id), named(level)?));
        filter.by_id = pairs.into_iter().filter_map(pair).collect();
        filter.namespaces = Names::new(&settings.namespaces);
        filter.ids = Names::new(&settings.ids);
        filter.sampling = Sampling::new(settings.sample);
        filter.limit = settings.limit.map(|rate| Limit::new(rate, settings.limit_by));
        filter.of = settings::Filter { level: Some(level.to_owned()), ..settings.clone() };
        Ok(filter)
    }

    /// A level, or `target=level` pairs, as `tracing` has them.
    pub(crate) fn of_level(origin: &'static str, level: &str) -> Result<Self, TelemetryError> {
        let targets = parse(origin, level)?;
        let mut special: Vec<_> = targets.iter().collect();
        // The longest first, which is the one that counts.
        special.sort_by_key(|(target, _)| std::cmp::Reverse(target.len()));
        let usual = targets.default_level().and_then(least);
        let special = special.into_iter();
        let special =
            special.map(|(target, level)| (Pattern::beginning(target), least(level))).collect();
        let of = settings::Filter { level: Some(level.to_owned()), ..settings::Filter::default() };
        Ok(Self { of, by_namespace: Levels { special, usual }, ..Self::default() })
    }

    /// What it was made of, with its level.
    pub(crate) fn settings(&self) -> &settings::Filter {
        &self.of
    }

    /// In the words of the configuration.
    pub(crate) fn told(&self) -> Value {
        let settings::Filter { level, id_level, sample, limit, limit_by, namespaces, ids } =
            &self.of;
        let limit =
            limit.map(|rate| format!("{} in {:?} by {}", rate.count, rate.per, limit_by.word()));
        let names = |names: &settings::Names| json!({ "allow": names.allow, "deny": names.deny });
        json!({
            "level": level,
            "id_level": id_level,
            "sample": sample,
            "limit": limit,
            "namespaces": names(namespaces),
            "ids": names(ids),
        })
    }

    /// By what a call site knows.
    pub(crate) fn lets(&self, level: Level, namespace: &str, id: &str) -> bool {
        let own =
            self.by_id.iter().find(|(pattern, _)| pattern.matches(id)).map(|(_, least)| *least);
        let least = own.unwrap_or_else(|| {
            let levels = &self.by_namespace;
            let special = levels.special.iter().find(|(pattern, _)| pattern.matches(namespace));
            special.map_or(levels.usual, |(_, least)| *least)
        });
        is_at_least(level, least) && self.namespaces.let_pass(namespace) && self.ids.let_pass(id)
    }

    /// Whether some signal of this level passes that says who it is from only when it is there: as a plugin's does.
    pub(crate) fn may_let(&self, level: Level, beginning: &str) -> bool {
        let special = self.by_namespace.special.iter();
        let special = special.filter(|(pattern, _)| pattern.may_match(beginning));
        let mut all = special.chain(&self.by_id).map(|(_, least)| *least);
        is_at_least(level, self.by_namespace.usual) || all.any(|least| is_at_least(level, least))
    }

    /// Not even the names: whether a denied or unlisted name is what keeps it out, and not its level.
    pub(crate) fn names(&self, namespace: &str, id: &str) -> bool {
        self.namespaces.let_pass(namespace) && self.ids.let_pass(id)
    }

    /// Whether each signal has to be asked for, and not each call site.
    pub(crate) fn is_asked_each_time(&self) -> bool {
        self.sampling.is_some() || self.limit.is_some()
    }

    /// Whether its share takes a signal; limits are not asked, which would count it.
    pub(crate) fn admits_one(&self, signal: &Signal) -> bool {
        self.sampling.as_ref().is_none_or(|sampling| sampling.keeps(signal))
    }

    /// By what only the signal knows, where what its call site knows lets it pass.
    pub(crate) fn admits(&self, signal: &Signal) -> Verdict {
        if self.sampling.as_ref().is_some_and(|sampling| !sampling.keeps(signal)) {
            return Verdict::SampledOut;
        }
        match &self.limit {
            Some(limit) if !limit.admits(signal, Instant::now()) => Verdict::Limited,
            _ => Verdict::Passes,
        }
    }
}

#[cfg(test)]
mod tests;
