//! Which lines of the source a component's code is of, read from the debug information (DWARF) that it was built with.
//!
//! Whoever made the component wrote that information, so nothing of it is believed: nothing is kept that grows with it, every
//! step counts against a time, and texts are cut where they are taken. That is why it is read here and not by wasmtime, which
//! would read all of it at each trap, on the thread that serves.

use super::readable;
use gimli::{
    AttributeValue, DW_AT_abstract_origin, DW_AT_call_file, DW_AT_call_line, DW_AT_linkage_name,
    DW_AT_name, DW_AT_specification, DW_TAG_inlined_subroutine, DW_TAG_subprogram, Dwarf,
    EndianSlice, LittleEndian, SectionId,
};
use std::{collections::BTreeMap, convert::Infallible, ops::Range, time::Instant};
use wasmparser::{Parser, Payload};

type Text<'a> = EndianSlice<'a, LittleEndian>;
type Unit<'a> = gimli::Unit<Text<'a>>;
type Entry<'a> = gimli::DebuggingInformationEntry<Text<'a>>;

/// Functions that were made one at a place, the innermost first.
pub(super) type Found = BTreeMap<u32, Vec<Place>>;

/// Functions in one another at one place of the code; of more the innermost are told.
const DEPTH: usize = 64;
/// References that are followed to a function's name.
const HOPS: usize = 4;
/// What is read of a part of a file's name, in bytes: its end.
const PATH: usize = 512;
/// The most attributes of one entry.
const ATTRIBUTES: usize = 256;
/// What is looked at of the time is one step of so many.
const STEPS: u32 = 256;
/// The most bytes of these sections: what is read from them takes a multiple of that for a moment.
const LIMITS: [(&str, usize); 2] = [(".debug_abbrev", 1 << 20), (".debug_line", 1 << 20)];
/// The most bytes of all of them.
const ALL: usize = 48 << 20;

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The function's name, readable; none: it says none.
    pub(super) function: Option<String>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u64>,
}

/// Why a search ended early.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// It took too long.
    Late,
    /// The information makes no sense.
    Bad,
}

impl From<gimli::Error> for End {
    fn from(_: gimli::Error) -> Self {
        Self::Bad
    }
}

/// The time that a search may take.
struct Budget {
    until: Instant,
    steps: u32,
}

impl Budget {
    /// For what takes long by itself.
    fn look(&self) -> Result<(), End> {
        match Instant::now() > self.until {
            true => Err(End::Late),
            false => Ok(()),
        }
    }

    fn spend(&mut self) -> Result<(), End> {
        self.steps = self.steps.wrapping_add(1);
        match self.steps.is_multiple_of(STEPS) && Instant::now() > self.until {
            true => Err(End::Late),
            false => Ok(()),
        }
    }
}

/// A core module with debug information.
#[derive(Default)]
struct Module<'a> {
    /// Its code, in the component's bytes.
    code: Range<usize>,
    sections: Vec<(&'a str, &'a [u8])>,
}

/// Whether a component has lines of its source at all.
pub(super) fn has_any(component: &[u8]) -> bool {
    modules(component).iter().any(|module| {
        let has = |name| module.sections.iter().any(|(section, _)| *section == name);
        has(".debug_info") && has(".debug_line")
    })
}

fn modules(component: &[u8]) -> Vec<Module<'_>> {
    let (mut open, mut all) = (Vec::<Module<'_>>::new(), Vec::new());
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        match (payload, open.last_mut()) {
            (Payload::Version { .. }, _) => open.push(Module::default()),
            (Payload::End(_), _) => {
                all.extend(open.pop().filter(|module| !module.sections.is_empty()));
            }
            (Payload::CodeSectionStart { range, .. }, Some(module)) => {
                module.code = range;
            }
            (Payload::CustomSection(custom), Some(module))
                if custom.name().starts_with(".debug_") =>
            {
                module.sections.push((custom.name(), custom.data()));
            }
            _ => {}
        }
    }
    all
}

/// Where these places of a component's code are, as far as it says and the time allows. Err: why some may be missing.
pub(super) fn find(
    component: &[u8],
    wanted: &[u32],
    until: Instant,
) -> (Found, Result<(), &'static str>) {
    let (mut found, mut budget) = (Found::new(), Budget { until, steps: 0 });
    let mut end = Ok(());
    for module in modules(component) {
        let inside = |at: &&u32| usize::try_from(**at).is_ok_and(|at| module.code.contains(&at));
        let wanted: Vec<u32> = wanted.iter().filter(inside).copied().collect();
        if wanted.is_empty() {
            continue;
        }
        if !is_of_a_size(&module) {
            end = Err("its debug information is too large to be read");
            continue;
        }
        match search(&module, &wanted, &mut budget, &mut found) {
            Ok(()) => {}
            Err(End::Late) => return (found, Err("its debug information takes too long to read")),
            Err(End::Bad) => end = Err("its debug information makes no sense"),
        }
    }
    (found, end)
}

fn is_of_a_size(module: &Module<'_>) -> bool {
    let limit_of = |name: &str| {
        LIMITS.iter().find(|(limited, _)| *limited == name).map_or(ALL, |(_, limit)| *limit)
    };
    let all: usize = module.sections.iter().map(|(_, bytes)| bytes.len()).sum();
    all <= ALL && module.sections.iter().all(|(name, bytes)| bytes.len() <= limit_of(name))
}

fn search(
    module: &Module<'_>,
    wanted: &[u32],
    budget: &mut Budget,
    found: &mut Found,
) -> Result<(), End> {
    let section = |id: SectionId| {
        let bytes = module.sections.iter().find(|(name, _)| *name == id.name());
        Ok::<_, Infallible>(EndianSlice::new(bytes.map_or(&[][..], |(_, it)| it), LittleEndian))
    };
    let Ok(dwarf) = Dwarf::load(section);
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        budget.look()?;
        // One that makes no sense does not hide the others.
        let Ok(unit) = dwarf.unit(header) else { continue };
        let mut here = Vec::new();
        let mut ranges = dwarf.unit_ranges(&unit)?;
        while let Some(range) = ranges.next()? {
            budget.spend()?;
            let holds = |at: &&u32| {
                let address = address(module, **at);
                (range.begin..range.end).contains(&address) && !found.contains_key(*at)
            };
            here.extend(wanted.iter().filter(holds).copied());
        }
        here.sort_unstable();
        here.dedup();
        if !here.is_empty() {
            let read = Reader { dwarf: &dwarf, unit: &unit, module };
            found.extend(read.places(&here, budget)?);
        }
    }
    Ok(())
}

/// Addresses of debug information are counted from where the code begins.
fn address(module: &Module<'_>, at: u32) -> u64 {
    u64::from(at).saturating_sub(module.code.start as u64)
}

/// What is known of one place within a unit.
#[derive(Default)]
struct Known<'a> {
    at: u32,
    address: u64,
    /// The function and those that were made one with it, the outermost first.
    levels: Vec<Level<'a>>,
    /// Of the innermost: a file's number, and a line.
    line: Option<(u64, u64)>,
}

struct Level<'a> {
    name: Option<Text<'a>>,
    /// Where it was called from: a file's number, and a line.
    called: (Option<u64>, Option<u64>),
}

/// Reads one unit, which is what a compiler made of one source.
struct Reader<'a, 'b> {
    dwarf: &'b Dwarf<Text<'a>>,
    unit: &'b Unit<'a>,
    module: &'b Module<'a>,
}

impl<'a> Reader<'a, '_> {
    fn places(&self, wanted: &[u32], budget: &mut Budget) -> Result<Found, End> {
        let known =
            |at: &u32| Known { at: *at, address: address(self.module, *at), ..Known::default() };
        let mut known: Vec<_> = wanted.iter().map(known).collect();
        self.find_functions(&mut known, budget)?;
        self.find_lines(&mut known, budget)?;
        Ok(known.into_iter().map(|known| (known.at, self.told(&known))).collect())
    }

    fn find_functions(&self, known: &mut [Known<'a>], budget: &mut Budget) -> Result<(), End> {
        let mut entries = self.unit.entries();
        while let Some(entry) = entries.next_dfs()? {
            // One can have as many attributes as fit into its abbreviation.
            match entry.attrs().len() {
                ..=ATTRIBUTES => budget.spend()?,
                _ => return Err(End::Bad),
            }
            if entry.tag() != DW_TAG_subprogram && entry.tag() != DW_TAG_inlined_subroutine {
                continue;
            }
            let mut ranges = self.dwarf.die_ranges(self.unit, entry)?;
            while let Some(range) = ranges.next()? {
                budget.spend()?;
                let inside =
                    |known: &&mut Known<'_>| (range.begin..range.end).contains(&known.address);
                for known in known.iter_mut().filter(inside) {
                    if known.levels.len() == DEPTH {
                        known.levels.remove(0);
                    }
                    known.levels.push(self.level(entry, budget)?);
                }
            }
        }
        Ok(())
    }

    fn level(&self, entry: &Entry<'a>, budget: &mut Budget) -> Result<Level<'a>, End> {
        budget.look()?;
        let number = |name| {
            entry.attr_value(name).and_then(|value| match value {
                AttributeValue::FileIndex(index) => Some(index),
                value => value.udata_value(),
            })
        };
        let called = (number(DW_AT_call_file), number(DW_AT_call_line));
        Ok(Level { name: self.name(self.unit, entry, HOPS, budget)?, called })
    }

    /// The name of a function: its own, or that of what it was made of.
    fn name(
        &self,
        unit: &Unit<'a>,
        entry: &Entry<'a>,
        hops: usize,
        budget: &mut Budget,
    ) -> Result<Option<Text<'a>>, End> {
        budget.look()?;
        for name in [DW_AT_linkage_name, DW_AT_name] {
            if let Some(value) = entry.attr_value(name)
                && let Ok(text) = self.dwarf.attr_string(unit, value)
            {
                return Ok(Some(text));
            }
        }
        let origin =
            [DW_AT_abstract_origin, DW_AT_specification].map(|name| entry.attr_value(name));
        let Some(origin) = origin.into_iter().flatten().next().filter(|_| hops > 0) else {
            return Ok(None);
        };
        match origin {
            AttributeValue::UnitRef(offset) => {
                self.name(unit, &unit.entry(offset)?, hops - 1, budget)
            }
            AttributeValue::DebugInfoRef(offset) => {
                let mut units = self.dwarf.units();
                while let Some(header) = units.next()? {
                    budget.spend()?;
                    let Some(offset) = offset.to_unit_offset(&header) else { continue };
                    let unit = self.dwarf.unit(header)?;
                    return self.name(&unit, &unit.entry(offset)?, hops - 1, budget);
                }
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn find_lines(&self, known: &mut [Known<'a>], budget: &mut Budget) -> Result<(), End> {
        let Some(program) = self.unit.line_program.clone() else { return Ok(()) };
        let mut rows = program.rows();
        let mut before: Option<(u64, u64, u64)> = None;
        // What the compiler has put in, as at the head of a loop, is of no line: it is told by the one after it.
        let mut of_no_line: Option<u64> = None;
        while let Some((_, row)) = rows.next_row()? {
            budget.spend()?;
            if let Some((begin, file, line)) = before.take() {
                let inside = |known: &&mut Known<'_>| {
                    known.line.is_none() && (begin..row.address()).contains(&known.address)
                };
                known.iter_mut().filter(inside).for_each(|known| known.line = Some((file, line)));
            }
            match row.line() {
                _ if row.end_sequence() => of_no_line = None,
                Some(line) => {
                    let begin = of_no_line.take().unwrap_or(row.address());
                    before = Some((begin, row.file_index(), line.get()));
                }
                None => of_no_line = of_no_line.or(Some(row.address())),
            }
        }
        Ok(())
    }

    /// The innermost is where the code is; each of the others is where the next one inside was called.
    fn told(&self, known: &Known<'a>) -> Vec<Place> {
        let (mut file, mut line) = known.line.unzip();
        let mut places = Vec::new();
        for level in known.levels.iter().rev() {
            places.push(Place { function: level.name.map(name), file: self.file(file), line });
            (file, line) = level.called;
        }
        if places.is_empty() && file.is_some() {
            places.push(Place { function: None, file: self.file(file), line });
        }
        places
    }

    fn file(&self, index: Option<u64>) -> Option<String> {
        let header = self.unit.line_program.as_ref()?.header();
        let file = header.file(index?)?;
        let text = |value| self.dwarf.attr_string(self.unit, value).ok().map(|text| ending(&text));
        let name = text(file.path_name())?;
        let folder = file.directory(header).and_then(text).unwrap_or_default();
        let path = match name.starts_with('/') || folder.is_empty() {
            true => name,
            false => format!("{}/{name}", folder.trim_end_matches('/')),
        };
        let base = self.unit.comp_dir.map(|base| ending(&base)).unwrap_or_default();
        Some(within(&path, &base))
    }
}

/// A path as it is seen from the folder that the compiler ran in.
fn within(path: &str, base: &str) -> String {
    let inside = path.strip_prefix(base).filter(|_| !base.is_empty());
    inside.and_then(|inside| inside.strip_prefix('/')).unwrap_or(path).to_owned()
}

/// A function's name, without the types that it was made for: they are longer than it.
fn name(text: Text<'_>) -> String {
    let bytes = text.slice();
    let bytes = bytes.get(..super::NAME).unwrap_or(bytes);
    let name = String::from_utf8_lossy(bytes);
    let is_mangled = name.starts_with("_Z") || name.starts_with("_R");
    match name.split_once('<').filter(|(own, _)| !is_mangled && !own.is_empty()) {
        Some((own, _)) => own.to_owned(),
        None => readable(&name),
    }
}

fn ending(text: &Text<'_>) -> String {
    let bytes = text.slice();
    let bytes = bytes.get(bytes.len().saturating_sub(PATH)..).unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
#[path = "dwarf_tests.rs"]
mod tests;
