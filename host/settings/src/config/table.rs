//! A table of the file: its keys, each read into its place, and those that it does not have noted as mistakes.

use super::{
    document::{Document, Place},
    keys,
    mistakes::{choice, nearest},
    value::Value,
};
use toml::de::DeTable;

/// A table of the file; opening it has noted its unknown keys.
pub(super) struct Table<'a> {
    pub(super) document: &'a Document<'a>,
    pub(super) place: Place,
    section: &'static str,
    entries: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub(super) fn root(document: &'a Document<'a>, entries: &'a DeTable<'a>) -> Self {
        Self::open(document, Place { key: String::new(), at: 0 }, "", entries)
    }

    /// A value that is one; `section` is its name in the table of keys.
    pub(super) fn of(value: &Value<'a>, section: &'static str) -> Option<Self> {
        let entries = value.table()?;
        Some(Self::open(value.document, value.place.clone(), section, entries))
    }

    fn open(
        document: &'a Document<'a>,
        place: Place,
        section: &'static str,
        entries: &'a DeTable<'a>,
    ) -> Self {
        let table = Self { document, place, section, entries };
        let known = keys::known(section);
        for name in entries.keys() {
            let word: &str = name.get_ref();
            if !known.contains(&word) {
                table
                    .document
                    .mistake(&table.below(word, name.span().start), table.unknown(word, &known));
            }
        }
        table
    }

    fn unknown(&self, word: &str, known: &[&'static str]) -> String {
        if keys::is_unavailable(self.section, word) {
            return "is not available in this version; remove it".into();
        }
        if let Some(meant) = nearest(word, known.iter().copied()) {
            return format!("is not a key; did you mean `{meant}`?");
        }
        match keys::elsewhere(word) {
            Some(home) => format!("is not a key here; did you mean `{home}`?"),
            None => format!("is not a key; here can stand {}", choice(known.iter().copied())),
        }
    }

    fn below(&self, name: &str, at: usize) -> Place {
        let key = match self.place.key.as_str() {
            "" => name.to_owned(),
            above => format!("{above}.{name}"),
        };
        Place { key, at }
    }

    pub(super) fn get(&self, name: &str) -> Option<Value<'a>> {
        let (key, value) = self.entries.get_key_value(name)?;
        Some(Value::new(self.document, self.below(name, key.span().start), value.get_ref()))
    }

    /// Reads a key into its place, if it is there and right.
    pub(super) fn set<T>(
        &self,
        name: &str,
        slot: &mut T,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) {
        if let Some(value) = self.get(name).and_then(|value| read(&value)) {
            *slot = value;
        }
    }

    /// A key that must be there; its absence is a mistake of the table. `remedy` says what to write.
    pub(super) fn require<T>(
        &self,
        name: &str,
        remedy: &str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        match self.get(name) {
            Some(value) => read(&value),
            None => {
                self.document.mistake(&self.place, format!("`{name}` is missing; {remedy}"));
                None
            }
        }
    }

    /// The table under a key; `section` is its name in the table of keys.
    pub(super) fn table(&self, name: &str, section: &'static str) -> Option<Table<'a>> {
        Table::of(&self.get(name)?, section)
    }

    /// The tables under a key that may stand several times, as `[[name]]`.
    pub(super) fn tables(&self, name: &str, section: &'static str) -> Vec<Table<'a>> {
        let Some(value) = self.get(name) else { return Vec::new() };
        if value.is_table() {
            value.mistake(format!("can stand several times; write `[[{name}]]`"));
            return Vec::new();
        }
        let items = value.items().unwrap_or_default();
        items.iter().filter_map(|item| Table::of(item, section)).collect()
    }

    /// The tables under a key by their names, as `[name.NAME]`.
    pub(super) fn named(&self, name: &str, section: &'static str) -> Vec<(String, Table<'a>)> {
        let Some(value) = self.get(name) else { return Vec::new() };
        let entries = value.entries().unwrap_or_default();
        entries
            .into_iter()
            .filter_map(|(name, value)| Some((name, Table::of(&value, section)?)))
            .collect()
    }
}
