//! A key: how it is written, and what holds where it is not there.

use super::{
    Entry, Kind, Part,
    section::{Applied, Changed, Path, Sample, Section},
    table::Table,
    value::Value,
};
use std::{fmt, marker::PhantomData};

/// How a key is read from its value.
pub(super) type Read<T> = Box<dyn Fn(&Value<'_>) -> Option<T>>;

/// A key of the file, whose setting is a `T`.
pub(crate) struct Key<T> {
    usual: T,
    sample: Sample,
    /// None: by the module's own code.
    read: Option<Read<T>>,
    /// What to write, where the key must be there.
    remedy: Option<&'static str>,
    /// None: as its table.
    applied: Option<Applied>,
}

impl<T: fmt::Debug> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("usual", &self.usual).finish_non_exhaustive()
    }
}

impl<T: 'static> Kind<T> {
    fn key(self, usual: T, sample: Sample) -> Key<T> {
        Key { usual, sample, read: Some(self.read), remedy: None, applied: None }
    }

    /// Without the key it is this.
    pub(crate) fn or(self, usual: T) -> Key<T> {
        let sample = Sample::Usual((self.show)(&usual));
        self.key(usual, sample)
    }

    /// Without the key it is this, which no file can say. The example is in TOML.
    pub(crate) fn or_unwritten(self, usual: T, example: &str) -> Key<T> {
        self.key(usual, Sample::None(example.into()))
    }

    /// Without the key there is none. The example is in TOML.
    pub(crate) fn absent(self, example: &str) -> Key<Option<T>> {
        self.some().key(None, Sample::None(example.into()))
    }

    /// Without the key somebody else decides, and this is what it comes to if nobody does.
    pub(crate) fn unsaid(self, usual: T) -> Key<Option<T>> {
        let sample = Sample::Usual((self.show)(&usual));
        self.some().key(None, sample)
    }

    /// The key must be there, or the mistake says what to write. The example is in TOML.
    pub(crate) fn required(self, placeholder: T, example: &str, remedy: &'static str) -> Key<T> {
        let key = self.key(placeholder, Sample::Required(example.into()));
        Key { remedy: Some(remedy), ..key }
    }
}

impl<T> Key<T> {
    /// A change takes effect when the file is read again.
    pub(crate) fn at_once(self) -> Self {
        Self { applied: Some(Applied::AtOnce), ..self }
    }

    /// The module's own code reads it.
    pub(crate) fn by_hand(self) -> Self {
        Self { read: None, ..self }
    }
}

impl<T: PartialEq> Entry for Key<T> {
    type Of = T;

    fn usual(self) -> T {
        self.usual
    }

    fn read(&self, name: &'static str, table: &Table<'_>, slot: &mut T) {
        let Some(read) = &self.read else { return };
        let value = match self.remedy {
            Some(remedy) => table.require(name, remedy, read),
            None => table.get(name).and_then(|value| read(&value)),
        };
        if let Some(value) = value {
            *slot = value;
        }
    }

    fn declare(
        &self,
        name: &'static str,
        about: String,
        section: &mut Section,
        _: &mut Vec<Section>,
    ) {
        section.add(name, about, &self.sample, self.applied);
    }

    fn compare(
        &self,
        name: &'static str,
        (old, new): (&T, &T),
        path: &Path,
        changes: &mut Vec<Changed>,
    ) {
        if old != new {
            changes.push(path.changed(name, self.applied));
        }
    }
}

/// A table in a table.
#[derive(Debug)]
pub(crate) struct Below<P>(PhantomData<P>);

pub(crate) fn table<P: Part>() -> Below<P> {
    Below(PhantomData)
}

impl<P: Part> Entry for Below<P> {
    type Of = P;

    fn usual(self) -> P {
        P::usual()
    }

    fn read(&self, name: &'static str, table: &Table<'_>, slot: &mut P) {
        if let Some(table) = table.table(name) {
            slot.read(&table);
        }
    }

    fn declare(
        &self,
        name: &'static str,
        _: String,
        section: &mut Section,
        below: &mut Vec<Section>,
    ) {
        P::declare(&section.at.below(name), below);
    }

    fn compare(
        &self,
        name: &'static str,
        (old, new): (&P, &P),
        path: &Path,
        changes: &mut Vec<Changed>,
    ) {
        old.compare(new, &path.below(name), changes);
    }
}

/// A table in a table, without which there is nothing of what it sets.
#[derive(Debug)]
pub(crate) struct BelowIfThere<P>(PhantomData<P>);

pub(crate) fn table_if_there<P: Part>() -> BelowIfThere<P> {
    BelowIfThere(PhantomData)
}

impl<P: Part> Entry for BelowIfThere<P> {
    type Of = Option<P>;

    fn usual(self) -> Option<P> {
        None
    }

    fn read(&self, name: &'static str, table: &Table<'_>, slot: &mut Option<P>) {
        *slot = table.table(name).and_then(|table| P::whole(&table));
    }

    fn declare(
        &self,
        name: &'static str,
        _: String,
        section: &mut Section,
        below: &mut Vec<Section>,
    ) {
        P::declare(&section.at.below(name).example(), below);
    }

    fn compare(
        &self,
        name: &'static str,
        (old, new): (&Option<P>, &Option<P>),
        path: &Path,
        changes: &mut Vec<Changed>,
    ) {
        match (old, new) {
            (None, None) => {}
            (Some(old), Some(new)) => old.compare(new, &path.below(name), changes),
            _ => changes.push(path.changed(name, None)),
        }
    }
}

/// A key that has a list of tables, as in `[{ a = 1 }]`.
#[derive(Debug)]
pub(crate) struct InlineTables<P>(PhantomData<P>);

pub(crate) fn inline_tables<P: Part>() -> InlineTables<P> {
    InlineTables(PhantomData)
}

impl<P: Part + PartialEq> Entry for InlineTables<P> {
    type Of = Vec<P>;

    fn usual(self) -> Vec<P> {
        Vec::new()
    }

    fn read(&self, name: &'static str, table: &Table<'_>, slot: &mut Vec<P>) {
        let tables = table.get(name).and_then(|value| {
            value.list(|item| P::whole(&Table::of(item, &table.section_below(name))?))
        });
        *slot = tables.unwrap_or_default();
    }

    fn declare(
        &self,
        name: &'static str,
        about: String,
        section: &mut Section,
        below: &mut Vec<Section>,
    ) {
        P::declare(&section.at.below(name).inline(), below);
        section.add(name, about, &Sample::Usual("[]".into()), None);
    }

    fn compare(
        &self,
        name: &'static str,
        (old, new): (&Vec<P>, &Vec<P>),
        path: &Path,
        changes: &mut Vec<Changed>,
    ) {
        if old != new {
            changes.push(path.changed(name, None));
        }
    }
}

/// A field that no key of this table sets: what stands elsewhere in the file is put there.
#[derive(Debug)]
pub(crate) struct Elsewhere<T>(PhantomData<T>);

pub(crate) fn elsewhere<T: Default>() -> Elsewhere<T> {
    Elsewhere(PhantomData)
}

impl<T: Default> Entry for Elsewhere<T> {
    type Of = T;

    fn usual(self) -> T {
        T::default()
    }

    fn read(&self, _: &'static str, _: &Table<'_>, _: &mut T) {}

    fn declare(&self, _: &'static str, _: String, _: &mut Section, _: &mut Vec<Section>) {}

    fn compare(&self, _: &'static str, _: (&T, &T), _: &Path, _: &mut Vec<Changed>) {}
}
