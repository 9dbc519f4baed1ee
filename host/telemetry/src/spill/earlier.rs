//! Files that another version of the gateway has left: those of an earlier one are brought into the form of now, those of a later
//! one are left where they are, for that one.

use super::{
    codec,
    records::{HEAD, RECORD_HEAD, Records, private, record},
};
use std::{
    fs::{self, File},
    io::{self, BufReader, Read, Write},
    path::Path,
};

/// What a file's head has before its version.
const MARK: &[u8] = b"tengen";
/// The version before this one: its signals do not say whether their trace was recorded.
const FIRST: u16 = 1;

/// Whose a file is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Ours, or that of nobody: what cannot be read of it is damaged.
    Ours,
    Earlier,
    /// Of this version, which is none that we know; how many bytes there are.
    Unknown(u16, u64),
}

pub(super) fn form(path: &Path) -> io::Result<Form> {
    let (file, mut head) = (File::open(path)?, [0; HEAD.len()]);
    let bytes = file.metadata()?.len();
    match (&file).read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(Form::Ours),
        Err(error) => return Err(error),
    }
    Ok(match head.strip_prefix(MARK) {
        _ if head == HEAD => Form::Ours,
        Some([low, high]) => match u16::from_le_bytes([*low, *high]) {
            FIRST => Form::Earlier,
            other => Form::Unknown(other, bytes),
        },
        _ => Form::Ours,
    })
}

/// Brings a file of the version before into the form of now, by way of another file; how many of its bytes cannot be read.
pub(super) fn renew(path: &Path, partly: &Path) -> io::Result<u64> {
    let mut from = BufReader::new(File::open(path)?);
    let mut left = from.get_ref().metadata()?.len() - HEAD.len() as u64;
    from.read_exact(&mut [0; HEAD.len()])?;
    let (mut records, mut damaged) = (Records::default(), 0);
    while let Some(body) = record(&mut from, left)? {
        let bytes = (RECORD_HEAD + body.len()) as u64;
        left -= bytes;
        match codec::read_first(&body) {
            Some(signal) => records.add(|to| codec::write(&signal, to)),
            None => damaged += bytes,
        }
    }
    let mut to = private().create(true).truncate(true).write(true).open(partly)?;
    to.write_all(&HEAD)?;
    to.write_all(records.bytes())?;
    fs::rename(partly, path)?;
    Ok(damaged + left)
}

#[cfg(test)]
mod tests {
    use super::{
        super::store::{Found, Store},
        *,
    };
    use std::path::PathBuf;
    use tengen_core::sink::{Level, Signal};

    fn named(folder: &Path, number: u64) -> PathBuf {
        folder.join(format!("{number:016x}.spill"))
    }

    /// As version 1 has written it.
    fn first(message: &str) -> Vec<u8> {
        let mut body = Vec::new();
        let signal =
            Signal { user: "ada".into(), ..Signal::new(Level::Warn, "test", message.to_owned()) };
        codec::write_first(&signal, &mut body);
        body
    }

    fn of_version(version: u8, bodies: &[Vec<u8>]) -> Vec<u8> {
        let mut records = Records::default();
        bodies.iter().for_each(|body| records.add(|to| to.extend_from_slice(body)));
        [MARK, &[version, 0], records.bytes()].concat()
    }

    // They were removed, and counted as damaged.
    #[test]
    fn what_the_version_before_has_left_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = of_version(1, &[first("a"), first("b")]);
        file.extend(b"cut");
        fs::write(named(folder.path(), 7), file).unwrap();
        let (mut store, found) = Store::open(folder.path(), 1 << 20).unwrap();
        assert_eq!(found, Found { records: 2, damaged: 3, ..Found::default() });
        let (bodies, lost) = store.read(10).unwrap();
        let signals: Vec<_> = bodies.iter().filter_map(|body| codec::read(body)).collect();
        let told = signals.iter().map(|it| (&*it.message, &*it.user)).collect::<Vec<_>>();
        assert_eq!((told, lost), (vec![("a", "ada"), ("b", "ada")], 0));
        assert!(!named(folder.path(), 7).exists(), "all of it was read");
    }

    #[test]
    fn what_a_later_version_has_left_is_counted_and_stays_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let later = of_version(9, &[vec![1; 30]]);
        let place = named(folder.path(), 1 << 32);
        fs::write(&place, &later).unwrap();
        let mut records = Records::default();
        records.add(|to| to.push(1));
        for _ in 0..2 {
            let (mut store, found) = Store::open(folder.path(), 1 << 20).unwrap();
            assert_eq!(found.unknown, Some((9, later.len() as u64)));
            assert_eq!(store.append(&records).0, 1, "beside it there is room");
            store.read(1 << 10).unwrap();
            assert_eq!(store.finish(&records).done, 1);
            assert_eq!(fs::read(&place).unwrap(), later);
        }
    }
}
