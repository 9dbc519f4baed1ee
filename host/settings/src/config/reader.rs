//! Walks a parsed file and notes every mistake, instead of ending at the first.

use super::{
    environment::{self, Variables},
    keys,
    mistakes::{Lines, Mistake, choice, nearest},
    value::Value,
};
use std::{cell::RefCell, ops::Range, path::Path};
use toml::de::DeTable;

/// What all parts of one file share.
pub(super) struct Document<'a> {
    pub(super) lines: Lines,
    env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) base: &'a Path,
    mistakes: RefCell<Vec<(usize, Mistake)>>,
    warnings: RefCell<Vec<(usize, Mistake)>>,
    variables: RefCell<Variables>,
}

/// Where a table or value stands, to speak of it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) key: String,
    pub(super) at: usize,
}

/// A table of the file; opening it has noted its unknown keys.
pub(super) struct Table<'a> {
    pub(super) document: &'a Document<'a>,
    pub(super) place: Place,
    section: &'static str,
    entries: &'a DeTable<'a>,
}

impl<'a> Document<'a> {
    pub(super) fn new(text: &str, env: &'a dyn Fn(&str) -> Option<String>, base: &'a Path) -> Self {
        Self {
            lines: Lines::of(text),
            env,
            base,
            mistakes: RefCell::default(),
            warnings: RefCell::default(),
            variables: RefCell::default(),
        }
    }

    /// A text with its environment variables put in.
    pub(super) fn expand(&self, text: &str) -> Result<String, String> {
        environment::expand(text, &|name| {
            let value = (self.env)(name)?;
            self.variables.borrow_mut().note(name, &value);
            Some(value)
        })
    }

    /// Every variable that was put in so far.
    pub(super) fn variables(&self) -> Variables {
        self.variables.borrow().clone()
    }

    pub(super) fn root(&'a self, entries: &'a DeTable<'a>) -> Table<'a> {
        Table::open(self, Place { key: String::new(), at: 0 }, "", entries)
    }

    pub(super) fn mistake(&self, place: &Place, what: impl Into<String>) {
        self.mistakes.borrow_mut().push((place.at, self.say(place, what)));
    }

    pub(super) fn warning(&self, place: &Place, what: impl Into<String>) {
        self.warnings.borrow_mut().push((place.at, self.say(place, what)));
    }

    pub(super) fn syntax(&self, span: Option<Range<usize>>, what: &str) {
        let at = span.map_or(0, |span| span.start);
        self.mistake(&Place { key: String::new(), at }, what);
    }

    fn say(&self, place: &Place, what: impl Into<String>) -> Mistake {
        Mistake { key: place.key.clone(), line: Some(self.lines.line(place.at)), what: what.into() }
    }

    /// Mistakes and warnings, each in the order of the file. No variable's value is in them.
    pub(super) fn findings(&self) -> (Vec<Mistake>, Vec<Mistake>) {
        let variables = self.variables.borrow();
        let shown = |mistake: Mistake| Mistake { what: variables.hide(&mistake.what), ..mistake };
        let in_order = |list: &RefCell<Vec<(usize, Mistake)>>| {
            let mut list = list.take();
            list.sort_by_key(|(at, _)| *at);
            list.into_iter().map(|(_, mistake)| shown(mistake)).collect()
        };
        (in_order(&self.mistakes), in_order(&self.warnings))
    }
}

impl<'a> Table<'a> {
    pub(super) fn open(
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
        self.get(name)?.table(section)
    }

    /// The tables under a key that may stand several times, as `[[name]]`.
    pub(super) fn tables(&self, name: &str, section: &'static str) -> Vec<Table<'a>> {
        let Some(value) = self.get(name) else { return Vec::new() };
        if value.is_table() {
            value.mistake(format!("can stand several times; write `[[{name}]]`"));
            return Vec::new();
        }
        let items = value.items().unwrap_or_default();
        items.iter().filter_map(|item| item.table(section)).collect()
    }

    /// The tables under a key by their names, as `[name.NAME]`.
    pub(super) fn named(&self, name: &str, section: &'static str) -> Vec<(String, Table<'a>)> {
        let Some(value) = self.get(name) else { return Vec::new() };
        let entries = value.entries().unwrap_or_default();
        entries
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.table(section)?)))
            .collect()
    }
}
