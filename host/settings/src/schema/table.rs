//! A table of the file: its keys, each read into its place, and those that it does not have noted as mistakes.

use super::{
    document::{Document, Place},
    mistakes::{choice, nearest},
    section,
    value::Value,
};
use std::cell::Cell;
use toml::de::DeTable;

/// A table of the file; opening it has noted its unknown keys.
pub(crate) struct Table<'a> {
    pub(crate) document: &'a Document<'a>,
    pub(crate) place: Place,
    /// As it is declared: `server.drain`.
    section: String,
    entries: &'a DeTable<'a>,
    /// A key that must be there is not, or cannot be read.
    lacks: Cell<bool>,
}

impl<'a> Table<'a> {
    /// The whole file.
    pub(crate) fn root(document: &'a Document<'a>, entries: &'a DeTable<'a>) -> Self {
        Self::open(document, Place { key: String::new(), at: 0 }, "", entries)
    }

    /// A value that is one, declared as this section.
    pub(crate) fn of(value: &Value<'a>, section: &str) -> Option<Self> {
        let entries = value.table()?;
        Some(Self::open(value.document, value.place.clone(), section, entries))
    }

    fn open(
        document: &'a Document<'a>,
        place: Place,
        section: &str,
        entries: &'a DeTable<'a>,
    ) -> Self {
        let section = section.to_owned();
        let table = Self { document, place, section, entries, lacks: Cell::new(false) };
        let known = section::known(document.sections, &table.section);
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

    fn unknown(&self, word: &str, known: &[&str]) -> String {
        if section::is_later(self.document.sections, &self.section, word) {
            return "is not available in this version; remove it".into();
        }
        if let Some(meant) = nearest(word, known.iter().copied()) {
            return format!("is not a key; did you mean `{meant}`?");
        }
        match section::elsewhere(self.document.sections, word) {
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

    pub(crate) fn get(&self, name: &str) -> Option<Value<'a>> {
        let (key, value) = self.entries.get_key_value(name)?;
        Some(Value::new(self.document, self.below(name, key.span().start), value.get_ref()))
    }

    /// Where the key stands; without it, where the table does.
    pub(crate) fn place_of(&self, name: &str) -> Place {
        self.get(name).map_or_else(|| self.place.clone(), |value| value.place)
    }

    /// A key that must be there; its absence is a mistake of the table. `remedy` says what to write.
    pub(crate) fn require<T>(
        &self,
        name: &str,
        remedy: &str,
        read: impl FnOnce(&Value<'a>) -> Option<T>,
    ) -> Option<T> {
        let read = match self.get(name) {
            Some(value) => read(&value),
            None => {
                self.document.mistake(&self.place, format!("`{name}` is missing; {remedy}"));
                None
            }
        };
        self.lacks.set(self.lacks.get() || read.is_none());
        read
    }

    /// Whether all was there so far that must be.
    pub(crate) fn is_whole(&self) -> bool {
        !self.lacks.get()
    }

    /// As what the table under a key is declared.
    pub(crate) fn section_below(&self, name: &str) -> String {
        match self.section.as_str() {
            "" => name.to_owned(),
            above => format!("{above}.{name}"),
        }
    }

    /// The table under a key.
    pub(crate) fn table(&self, name: &str) -> Option<Table<'a>> {
        Table::of(&self.get(name)?, &self.section_below(name))
    }

    /// The tables under a key that may stand several times, as `[[name]]`.
    pub(crate) fn tables(&self, name: &str) -> Vec<Table<'a>> {
        let Some(value) = self.get(name) else { return Vec::new() };
        if value.is_table() {
            value.mistake(format!("can stand several times; write `[[{name}]]`"));
            return Vec::new();
        }
        let (items, section) = (value.items().unwrap_or_default(), self.section_below(name));
        items.iter().filter_map(|item| Table::of(item, &section)).collect()
    }

    /// The tables under a key by their names, as `[name.NAME]`.
    pub(crate) fn named(&self, name: &str) -> Vec<(String, Table<'a>)> {
        let Some(value) = self.get(name) else { return Vec::new() };
        let (entries, section) = (value.entries().unwrap_or_default(), self.section_below(name));
        entries
            .into_iter()
            .filter_map(|(name, value)| Some((name, Table::of(&value, &section)?)))
            .collect()
    }
}
