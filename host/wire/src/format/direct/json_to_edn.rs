//! JSON written as EDN without values in between.

use super::super::{
    convert, edn,
    json::{Json, number_value, straight},
    straight::{Leaf, Sink, Span},
    text::{self, copy::Copy, names::Names, number, scan},
    walk::Inside,
};

/// The EDN of a JSON text. None: it takes values to write it, or the text is none.
pub(in super::super) fn json_to_edn(text: &str) -> Option<Vec<u8>> {
    let mut sink = ToEdn { out: Copy::new(text), names: Names::default() };
    let walked = straight::walk(text, 0, &mut sink)?;
    text::is_blank(text.get(walked.end..)?).then(|| sink.out.done())
}

struct ToEdn<'a> {
    out: Copy<'a>,
    names: Names,
}

impl ToEdn<'_> {
    #[cold]
    fn number(&mut self, (start, end): Span, whole: bool) -> Option<()> {
        let number = number_value(self.out.text().get(start..end)?, whole);
        self.out.written(|out| edn::write(out, &number).ok())
    }

    #[inline(always)]
    fn is_keyword(&self, (start, end): Span) -> bool {
        let bytes = self.out.text().as_bytes();
        let is_letter = bytes.get(start).is_some_and(u8::is_ascii_alphabetic);
        // Most keys are plain to see where they stand.
        (is_letter && scan::named(bytes, start) == end)
            || self.out.text().get(start..end).is_some_and(convert::reads_as_keyword)
    }

    fn bytes(&self, (start, end): Span) -> &[u8] {
        self.out.text().as_bytes().get(start..end).unwrap_or_default()
    }
}

impl Sink for ToEdn<'_> {
    const WRITES: bool = true;

    #[inline(always)]
    fn open(&mut self, inside: Inside) {
        self.out.byte(inside.open());
        if inside == Inside::Map {
            self.names.open();
        }
    }

    #[inline(always)]
    fn close(&mut self, inside: Inside) -> Option<()> {
        self.out.byte(inside.close());
        if inside == Inside::Map { self.names.close(self.out.text()) } else { Some(()) }
    }

    #[inline(always)]
    fn part(&mut self) {
        self.out.byte(b' ');
    }

    /// Of a key that occurs twice the last one stays, and an escape hides what it is: both are for the long way.
    #[inline(always)]
    fn key(&mut self, key: Leaf, span: Span) -> Option<()> {
        if key != (Leaf::String { escaped: false }) {
            return None;
        }
        let name = (span.0 + 1, span.1 - 1);
        self.names.add(self.out.text(), name)?;
        if self.is_keyword(name) {
            self.out.byte(b':');
            self.out.piece(name);
        } else {
            self.out.piece(span);
        }
        self.out.byte(b' ');
        Some(())
    }

    #[inline(always)]
    fn leaf(&mut self, leaf: Leaf, span: Span) -> Option<()> {
        match leaf {
            Leaf::Nil => self.out.bytes(b"nil"),
            Leaf::Integer if !number::is_plain_integer(self.bytes(span)) => {
                self.number(span, true)?;
            }
            Leaf::Decimal if !number::is_plain_decimal(self.bytes(span)) => {
                self.number(span, false)?;
            }
            Leaf::Exponent => self.number(span, false)?,
            Leaf::String { escaped: true } => {
                self.out.requoted::<Json>((span.0 + 1, span.1 - 1));
            }
            _ => self.out.piece(span),
        }
        Some(())
    }
}
