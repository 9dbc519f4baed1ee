//! EDN that was checked, written as JSON without values in between.

use super::super::{
    edn::{
        self, Edn,
        straight::{self, EdnSink},
    },
    json,
    straight::{Leaf, Sink, Span},
    text::{copy::Copy, names::Names, number},
    value::Value,
    walk::Inside,
};

/// The JSON of a checked EDN text. None: it takes values to write it.
pub(in super::super) fn edn_to_json(text: &str) -> Option<Vec<u8>> {
    let mut sink = ToJson { out: Copy::new(text), names: Names::default() };
    straight::walk(text, 0, &mut sink)?;
    Some(sink.out.done())
}

struct ToJson<'a> {
    out: Copy<'a>,
    names: Names,
}

impl ToJson<'_> {
    #[cold]
    fn number(&mut self, (start, end): Span) -> Option<()> {
        let number = edn::read_checked(self.out.text().get(start..end)?).ok()?;
        self.value(&number)
    }

    fn bytes(&self, (start, end): Span) -> &[u8] {
        self.out.text().as_bytes().get(start..end).unwrap_or_default()
    }

    #[inline(always)]
    fn quoted(&mut self, span: Span) {
        self.out.byte(b'"');
        self.out.piece(span);
    }
}

impl Sink for ToJson<'_> {
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
        self.out.byte(b',');
    }

    /// Of keys that become the same text the last one stays: that is for the long way, as is what can be no key.
    #[inline(always)]
    fn key(&mut self, key: Leaf, (start, end): Span) -> Option<()> {
        let name = match key {
            Leaf::Keyword => (start + 1, end),
            Leaf::String { escaped: false } => (start + 1, end - 1),
            Leaf::Integer if number::is_plain_integer(self.bytes((start, end))) => (start, end),
            Leaf::Symbol => (start, end),
            _ => return None,
        };
        self.names.add(self.out.text(), name)?;
        self.quoted(name);
        self.out.bytes(b"\":");
        Some(())
    }

    #[inline(always)]
    fn leaf(&mut self, leaf: Leaf, span: Span) -> Option<()> {
        match leaf {
            Leaf::Nil => self.out.bytes(b"null"),
            Leaf::Integer if !number::is_plain_integer(self.bytes(span)) => self.number(span)?,
            Leaf::Decimal if !number::is_plain_decimal(self.bytes(span)) => self.number(span)?,
            Leaf::Exponent => self.number(span)?,
            Leaf::String { escaped: true } => {
                self.out.requoted::<Edn>((span.0 + 1, span.1 - 1));
            }
            Leaf::Keyword | Leaf::Symbol => {
                self.quoted((span.0 + usize::from(leaf == Leaf::Keyword), span.1));
                self.out.byte(b'"');
            }
            Leaf::Bool(_) | Leaf::Integer | Leaf::Decimal | Leaf::String { .. } => {
                self.out.piece(span);
            }
        }
        Some(())
    }
}

impl EdnSink for ToJson<'_> {
    fn value(&mut self, value: &Value<'_>) -> Option<()> {
        self.out.written(|out| json::write(out, value).ok())
    }
}
