//! Spans on the disk, in files like those of sinks, in a folder of their own.

use super::{pace, records::Records, store::Store};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::{io, time::Instant};
use tengen_settings::SpanSpill;

/// What each record begins with: a folder that was a sink's before has others.
const MARK: &[u8] = b"span";

/// A folder for spans. What it does takes as long as the disk does, so it is for a thread that may wait.
#[derive(Debug)]
pub(crate) struct Folder {
    spill: SpanSpill,
    store: Option<Store>,
    /// In a row.
    failures: u32,
    /// The disk is not tried before then.
    again: Option<Instant>,
}

/// What an earlier run has left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) spans: u64,
    /// Bytes that cannot be read.
    pub(crate) unread: u64,
}

impl Folder {
    pub(crate) fn new(spill: SpanSpill) -> Self {
        Self { spill, store: None, failures: 0, again: None }
    }

    /// Opens it, if it is not open and may be tried. Some: it was opened by this.
    pub(crate) fn open(&mut self) -> io::Result<Option<Left>> {
        if self.store.is_some() || self.again.is_some_and(|again| Instant::now() < again) {
            return Ok(None);
        }
        let opened = Store::open(&self.spill.path, self.spill.size.get() as u64);
        let (store, found) = self.heed(opened)?;
        self.store = Some(store);
        let unread = found.damaged + found.unknown.map_or(0, |(_, bytes)| bytes);
        Ok(Some(Left { spans: found.records, unread }))
    }

    /// Brings as many there as there is room for, from the first. Err also: it is not open.
    pub(crate) fn keep(&mut self, spans: &[Span]) -> (usize, io::Result<()>) {
        let Some(store) = &mut self.store else {
            return (0, Err(io::Error::other("it could not be opened yet")));
        };
        let mut records = Records::default();
        for span in spans {
            records.add(|to| {
                to.extend_from_slice(MARK);
                // There is always room in memory: it never says no.
                span.encode(to).unwrap_or_default();
            });
        }
        let (kept, result) = store.append(&records);
        (kept, self.heed(result))
    }

    /// Takes the oldest out of it, so many at most; and how many of them cannot be read.
    pub(crate) fn take(&mut self, most: usize) -> io::Result<(Vec<Span>, u64)> {
        let Some(store) = &mut self.store else { return Ok((Vec::new(), 0)) };
        let read = store.read(most);
        let (bodies, mut lost) = self.heed(read)?;
        let count = bodies.len() as u64;
        let span = |body: &Vec<u8>| Span::decode(body.strip_prefix(MARK)?).ok();
        let spans: Vec<_> = bodies.iter().filter_map(span).collect();
        lost += count - spans.len() as u64;
        Ok((spans, lost))
    }

    /// How many spans are there, and what they take up.
    pub(crate) fn holds(&self) -> (u64, u64) {
        self.store.as_ref().map_or((0, 0), |store| (store.records(), store.bytes()))
    }

    /// The last thing to do: what was taken out comes no more.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.store.map_or(Ok(()), |store| store.finish(&Records::default()).result)
    }

    fn heed<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        match &result {
            Ok(_) => (self.failures, self.again) = (0, None),
            Err(_) => {
                self.failures = self.failures.saturating_add(1);
                self.again = Some(Instant::now() + pace(self.failures));
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(name: &str) -> Span {
        Span { name: name.into(), ..Span::default() }
    }

    #[test]
    fn spans_come_back_in_order_in_another_run_and_what_was_taken_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let spill = SpanSpill::new(folder.path().join("spans"));
        let mut first = Folder::new(spill.clone());
        assert_eq!(first.keep(&[span("x")]).0, 0, "it is not open");
        assert_eq!(first.open().unwrap(), Some(Left::default()));
        let spans: Vec<_> = (0..10).map(|number| span(&number.to_string())).collect();
        assert_eq!(first.keep(&spans).0, 10);
        assert_eq!(first.take(4).unwrap(), (spans[..4].to_vec(), 0));
        assert_eq!(first.holds().0, 6);
        first.finish().unwrap();
        let mut second = Folder::new(spill);
        assert_eq!(second.open().unwrap(), Some(Left { spans: 6, unread: 0 }));
        assert_eq!(second.open().unwrap(), None);
        assert_eq!(second.take(100).unwrap(), (spans[4..].to_vec(), 0));
        assert_eq!(second.holds(), (0, 0));
    }

    #[test]
    fn what_a_sink_has_left_there_is_no_span_and_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let (mut store, _) = Store::open(folder.path(), 1 << 20).unwrap();
        let mut records = Records::default();
        records.add(|to| to.extend(span("x").encode_to_vec()));
        assert_eq!(store.append(&records).0, 1);
        drop(store);
        let mut spans = Folder::new(SpanSpill::new(folder.path()));
        assert_eq!(spans.open().unwrap(), Some(Left { spans: 1, unread: 0 }));
        assert_eq!(spans.take(10).unwrap(), (Vec::new(), 1));
    }
}
