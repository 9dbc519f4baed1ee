//! What is in the file: a redb database with two tables, of entries and of facts about the store.
//!
//! Each batch is one transaction, whole or not at all. It is committed in two phases: what is written comes from strangers, and one
//! phase goes by a checksum that a stranger could aim at.

use super::{
    error::Why,
    line::{Batch, WRITES},
};
use bytes::Bytes;
use redb::{
    Database, Error, ReadableDatabase, ReadableTable, TableDefinition, TableError, WriteTransaction,
};
use tengen_core::store::{Entry, Tables, VERSION_MAX};

/// By bucket and key: the version and the value.
const ENTRIES: TableDefinition<'_, (&str, &str), (u64, &[u8])> =
    TableDefinition::new("tengen entries");
const FACTS: TableDefinition<'_, &str, u64> = TableDefinition::new("tengen facts");
/// How the two tables are made.
const FORMAT: (&str, u64) = ("format", 1);
/// The last write's version.
const VERSION: &str = "version";
/// 1: every version that was given is in the file.
const CLEAN: &str = "clean";
/// After a process has died, so many versions are left out: more than can have been given without being in the file.
const LEFT_OUT: u64 = 16 * WRITES;
/// A file so many times as large as what is in it, and at least so large, is made smaller when it is opened.
const SPARSE: (u64, u64) = (4, 8 << 20);

/// Takes over all that is there.
pub(super) fn read(database: &Database, tables: &mut Tables) -> Result<(), Why> {
    let found = database.begin_read().map_err(Error::from)?;
    let facts = match found.open_table(FACTS) {
        Ok(facts) => facts,
        Err(TableError::TableDoesNotExist(_)) => {
            let mut others = found.list_tables().map_err(Error::from)?;
            return others.next().map_or(Ok(()), |_| Err(Why::Foreign));
        }
        Err(_) => return Err(Why::Foreign),
    };
    let fact = |name| facts.get(name).map(|it| it.map(|it| it.value())).map_err(Error::from);
    let format = fact(FORMAT.0)?.ok_or(Why::Foreign)?;
    if format != FORMAT.1 {
        return Err(Why::Format(format));
    }
    let entries = found.open_table(ENTRIES).map_err(|_| Why::Foreign)?;
    for read in entries.iter().map_err(Error::from)? {
        let (at, entry) = read.map_err(Error::from)?;
        let ((bucket, key), (version, value)) = (at.value(), entry.value());
        let entry = Entry { value: Bytes::copy_from_slice(value), version };
        let foreign = |_| Why::Damaged("an entry is none of ours".into());
        tables.load(bucket, key, entry).map_err(foreign)?;
    }
    let last = fact(VERSION)?.unwrap_or_default().max(tables.version());
    let left_out = if fact(CLEAN)? == Some(1) { 0 } else { LEFT_OUT };
    tables.go_on_after(last.saturating_add(left_out).min(VERSION_MAX));
    Ok(())
}

/// What was taken away leaves room for what comes, and in its midst that is never given back. `length`: of the file.
pub(super) fn make_smaller(
    database: &mut Database,
    tables: &Tables,
    length: u64,
) -> Result<(), Why> {
    let (times, least) = SPARSE;
    if length > least && length / times > tables.bytes() as u64 {
        database.compact().map_err(Error::from)?;
    }
    Ok(())
}

/// From here on versions are given that are not in the file yet.
pub(super) fn begin(database: &Database, tables: &Tables) -> Result<(), Error> {
    change(database, |transaction| {
        transaction.open_table(ENTRIES)?;
        let mut facts = transaction.open_table(FACTS)?;
        facts.insert(FORMAT.0, FORMAT.1)?;
        facts.insert(VERSION, tables.version())?;
        facts.insert(CLEAN, 0)?;
        Ok(())
    })
}

pub(super) fn write(database: &Database, batch: &Batch) -> Result<(), Error> {
    change(database, |transaction| {
        let mut entries = transaction.open_table(ENTRIES)?;
        for ((bucket, key), change) in &batch.changes {
            let at = (&**bucket, &**key);
            match &change.now {
                Some(entry) => drop(entries.insert(at, (entry.version, &*entry.value))?),
                None => drop(entries.remove(at)?),
            }
        }
        transaction.open_table(FACTS)?.insert(VERSION, batch.version)?;
        Ok(())
    })
}

/// Every version that was given is in the file.
pub(super) fn end(database: &Database) -> Result<(), Error> {
    change(database, |transaction| {
        transaction.open_table(FACTS)?.insert(CLEAN, 1)?;
        Ok(())
    })
}

fn change(
    database: &Database,
    what: impl FnOnce(&WriteTransaction) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_two_phase_commit(true);
    what(&transaction)?;
    Ok(transaction.commit()?)
}
