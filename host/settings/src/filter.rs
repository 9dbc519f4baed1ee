//! Which signals pass.

use crate::{
    limits::{Rate, rate},
    schema::{
        Kind,
        key::table,
        kind::{quoted, share, text, words},
        mistakes::choice,
        settings,
        value::Value,
        with_defaults,
    },
};

settings! {
    /// Which signals pass: all of these conditions have to hold.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Filter {
        /// least level, as in `telemetry.level`, which it replaces; of a sink: absent, every level
        level: Option<String> = Kind::new(level, |it| quoted(it)).absent("\"info,noisy=off\"").at_once();
        /// least levels by id, which win over the others, as `id=level` pairs with commas; `*` stands for any text
        id_level: Option<String> = Kind::new(id_levels, |it| quoted(it)).absent("\"chat/*=debug\"").at_once();
        /// share of those below `warn` that pass, 0 to 1; of a trace all or none
        sample: f64 = share().or(1.0).at_once();
        /// how many of a key pass, as in `100/s`
        limit: Option<Rate> = rate().absent("\"100/s\"").at_once();
        /// the key of the limit: `id`, `namespace`, `user` or `connection`
        limit_by: LimitBy = words(LimitBy::ALL.map(|by| (by.word(), by)), &[]).or(LimitBy::Id).at_once();
        /// By who says it: a module's path, or `plugin.NAME`.
        namespaces: Names = table();
        /// By what it tells of, such as `chat/joined`.
        ids: Names = table();
    }
}

settings! {
    /// Names that pass, and names that do not, with `*` for any text.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Names {
        /// patterns of which one has to match; empty: all names pass
        allow: Vec<String> = text().list().or(Vec::new()).at_once();
        /// patterns of which none may match; wins over `allow`
        deny: Vec<String> = text().list().or(Vec::new()).at_once();
    }
}

with_defaults!(Filter, Names);

/// What a limit counts apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitBy {
    Id,
    Namespace,
    User,
    Connection,
}

impl LimitBy {
    pub const ALL: [Self; 4] = [Self::Id, Self::Namespace, Self::User, Self::Connection];

    pub fn word(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Namespace => "namespace",
            Self::User => "user",
            Self::Connection => "connection",
        }
    }
}

/// Levels as `tracing` has them, from none to all.
pub(crate) const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// `id=level` pairs.
fn id_levels(value: &Value<'_>) -> Option<String> {
    value.filled()?;
    value.read(|text| match id_levels_of(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(part) => Err(format!(
            "`{part}` is no id with its level; write pairs as in \"chat/*=debug,room/full=off\""
        )),
    })
}

/// The pairs of such a text; Err: the one that is none.
pub fn id_levels_of(text: &str) -> Result<Vec<(&str, &str)>, &str> {
    text.split(',').map(|part| id_level(part.trim()).ok_or(part.trim())).collect()
}

fn id_level(part: &str) -> Option<(&str, &str)> {
    let (id, level) = part.rsplit_once('=')?;
    let (id, level) = (id.trim(), level.trim());
    let level = LEVELS.iter().find(|known| known.eq_ignore_ascii_case(level))?;
    (!id.is_empty()).then_some((id, *level))
}

/// A level, or `target=level` pairs.
pub(crate) fn level(value: &Value<'_>) -> Option<String> {
    value.filled()?;
    value.read(|text| check_level(text).map(|()| text.to_owned()))
}

/// Whether it is a level, or `target=level` pairs; Err: what is wrong. `tracing` takes a mistyped level for a target; we do
/// not.
pub fn check_level(text: &str) -> Result<(), String> {
    for part in text.split(',').map(str::trim) {
        let (target, level) = part.rsplit_once('=').unwrap_or(("", part));
        if !LEVELS.contains(&level.to_ascii_lowercase().as_str())
            || target.contains(char::is_whitespace)
        {
            let known = choice(LEVELS);
            return Err(format!(
                "`{part}` is not a level; write {known}, or pairs as in \"info,tengen::hub=debug\""
            ));
        }
    }
    Ok(())
}
