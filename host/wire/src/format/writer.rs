//! Frames are written alike in every format: their parts are named here, and the format says how each of them looks.

use super::{Format, value::Value, walk::Inside};
use crate::frame::Frame;
use bytes::Bytes;
use std::{fmt, io, marker::PhantomData, mem};

/// Where a frame goes: first it is only measured, so that its buffer fits exactly.
#[derive(Debug, Default)]
pub(crate) struct Out {
    length: usize,
    /// How many places of Transit's cache are taken by what was put so far.
    pub(super) places: usize,
    /// None while it is measured.
    written: Option<Vec<u8>>,
}

impl Out {
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        match &mut self.written {
            Some(written) => written.extend_from_slice(bytes),
            None => self.length += bytes.len(),
        }
    }
}

impl fmt::Write for Out {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

impl io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.put(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A frame in a buffer of exactly its length. It is written twice, and has to be the same each time.
pub(crate) fn framed<F: Format>(write: impl Fn(&mut Writer<'_, F>)) -> Frame {
    let mut out = Out::default();
    write(&mut Writer::new(&mut out));
    let measured = out.length;
    (out.places, out.written) = (0, Some(Vec::with_capacity(measured)));
    write(&mut Writer::new(&mut out));
    let body = out.written.unwrap_or_default();
    debug_assert_eq!(body.len(), measured, "written twice, and not alike");
    Frame { text: F::TEXT, body: Bytes::from(body) }
}

/// Writes the parts of a frame one behind the other.
#[derive(Debug)]
pub(crate) struct Writer<'o, F> {
    out: &'o mut Out,
    /// How many elements or pairs were begun in the collection that is open.
    begun: usize,
    /// A key was written, and its value was not.
    keyed: bool,
    format: PhantomData<F>,
}

impl<'o, F: Format> Writer<'o, F> {
    fn new(out: &'o mut Out) -> Self {
        Self { out, begun: 0, keyed: false, format: PhantomData }
    }

    /// A vector of exactly so many elements.
    pub(crate) fn vector(&mut self, count: usize, elements: impl FnOnce(&mut Self)) {
        self.collection(Inside::Vector, count, elements);
    }

    /// A map of exactly so many pairs.
    pub(crate) fn map(&mut self, count: usize, pairs: impl FnOnce(&mut Self)) {
        self.collection(Inside::Map, count, pairs);
    }

    fn collection(&mut self, inside: Inside, count: usize, parts: impl FnOnce(&mut Self)) {
        self.next();
        F::begin(self.out, inside, count);
        let outside = mem::take(&mut self.begun);
        parts(self);
        debug_assert_eq!(self.begun, count, "formats that begin with the count rely on it");
        self.begun = outside;
        F::end(self.out, inside);
    }

    /// Where the next element, pair or value of a pair begins.
    fn next(&mut self) {
        if mem::take(&mut self.keyed) {
            return;
        }
        if self.begun > 0 {
            F::between(self.out);
        }
        self.begun += 1;
    }

    /// A key of the gateway's own: a plain name.
    pub(crate) fn key(&mut self, key: &str) -> &mut Self {
        self.next();
        F::key(self.out, key);
        self.keyed = true;
        self
    }

    pub(crate) fn nil(&mut self) {
        self.value(F::NIL);
    }

    /// An event id or a name of its kind: a keyword where the format has them.
    pub(crate) fn name(&mut self, name: &str) {
        self.next();
        F::name(self.out, name);
    }

    /// An event id that may not be fit to be a keyword: then it is a string.
    pub(crate) fn name_or_string(&mut self, name: &str) {
        if F::is_name(name) { self.name(name) } else { self.string(name) }
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.next();
        F::string(self.out, text);
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.next();
        F::number(self.out, number);
    }

    pub(crate) fn boolean(&mut self, truth: bool) {
        // Every format has the two of them.
        self.value(&F::write(&Value::Bool(truth)).unwrap_or_default());
    }

    /// A value that is written already.
    pub(crate) fn value(&mut self, written: &[u8]) {
        self.next();
        F::value(self.out, written);
    }
}
