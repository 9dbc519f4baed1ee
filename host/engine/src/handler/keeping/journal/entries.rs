//! Events as they are kept: what fills a cache line or two for most.
//!
//! A message is what comes by the thousand. Of it stands here what it is told with again, its body in memory that all share, one
//! behind the other: what is written for an event is written in one place, and given back without being looked at. Everything
//! else is kept whole.

use crate::handler::{
    keeping::journal::is_work,
    line::{of_connection, weight},
};
use bytes::Bytes;
use std::{ops::Range, sync::Arc, time::SystemTime};
use tengen_core::{
    event::{Connection, Event, Message, Occurrence},
    trace::Span,
};
use tengen_wire::{
    id::{EventId, Handle},
    payload::Form,
};

/// Larger bodies stay what they are, with what was read with them: copying them would cost more than it saves.
const COPIED: usize = 16 << 10;
/// Samples are looked for among so many events: there may be only one connection.
const LOOKED_AT: usize = 1024;
/// Memory for bodies comes in pieces of this size.
const PIECE: usize = 64 << 10;

#[derive(Debug)]
enum Entry {
    Message {
        connection: Arc<Connection>,
        id: EventId,
        at: SystemTime,
        seq: u32,
        reply_to: Option<u32>,
        form: Form,
        body: Place,
    },
    Whole(Box<Event>),
}

/// Where a body is.
#[derive(Debug, Clone, Copy)]
struct Place {
    piece: u32,
    start: u32,
    len: u32,
}

/// Events in order.
#[derive(Debug, Default)]
pub(super) struct Entries {
    entries: Vec<Entry>,
    bodies: Bodies,
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Keeps an event. Returns how many bytes of memory that takes.
    pub(super) fn push(&mut self, mut event: Event) -> usize {
        event.permit = None;
        match (event.what, event.connection) {
            (Occurrence::Message(message), Some(connection))
                if message.payload.body.len() <= COPIED =>
            {
                // An id is a text of its own in each event.
                let texts = message.id.len() + message.payload.body.len();
                let body = self.bodies.push(&message.payload.body);
                self.entries.push(Entry::Message {
                    connection,
                    id: message.id,
                    at: event.at,
                    seq: event.seq,
                    reply_to: message.reply_to,
                    form: message.payload.form(),
                    body,
                });
                size_of::<Entry>() + texts
            }
            (mut what, connection) => {
                what.let_go();
                let event = Event { what, connection, span: Span::none(), permit: None, ..event };
                let size = size_of::<Entry>() + size_of::<Event>() + held_by(&event);
                self.entries.push(Entry::Whole(Box::new(event)));
                size
            }
        }
    }

    /// The events of these places, to be told again.
    pub(super) fn events(&self, which: Range<usize>) -> Vec<Event> {
        let entries = self.entries.get(which).unwrap_or_default();
        entries.iter().map(|entry| self.event(entry)).collect()
    }

    fn event(&self, entry: &Entry) -> Event {
        match entry {
            Entry::Whole(event) => event.another(),
            Entry::Message { connection, id, at, seq, reply_to, form, body } => Event {
                connection: Some(Arc::clone(connection)),
                seq: *seq,
                at: *at,
                what: Occurrence::Message(Message {
                    id: id.clone(),
                    payload: form.with(Bytes::copy_from_slice(self.bodies.get(*body))),
                    reply_to: *reply_to,
                }),
                span: Span::none(),
                permit: None,
            },
        }
    }

    /// The first events that the plugin had something to decide at, one of each connection, `most` at most.
    pub(super) fn of_each(
        &self,
        most: usize,
        is_new: impl Fn(Option<Handle>) -> bool,
    ) -> Vec<Event> {
        let mut found = Vec::<(Option<Handle>, Event)>::new();
        for entry in self.entries.iter().take(LOOKED_AT) {
            if found.len() == most {
                break;
            }
            let (handle, is_work) = match entry {
                Entry::Message { connection, .. } => (Some(connection.handle), true),
                Entry::Whole(event) => {
                    (event.connection.as_ref().map(|it| it.handle), is_work(event))
                }
            };
            if is_work && is_new(handle) && found.iter().all(|(other, _)| *other != handle) {
                found.push((handle, self.event(entry)));
            }
        }
        found.into_iter().map(|(_, event)| event).collect()
    }

    /// Forgets all of them, and keeps about as much memory as they took: as many come again.
    pub(super) fn clear(&mut self) {
        let had = self.entries.len();
        self.entries.clear();
        self.entries.shrink_to(had.saturating_mul(2));
        self.bodies.clear();
    }
}

/// Bytes that an event keeps beside itself. Of a connection that has ended nobody else keeps what describes it.
fn held_by(event: &Event) -> usize {
    let of = match (&event.what, &event.connection) {
        (Occurrence::Closed(_), Some(connection)) => of_connection(connection),
        _ => 0,
    };
    weight(event).saturating_add(of)
}

/// Pieces of memory, filled one after the other.
#[derive(Debug, Default)]
struct Bodies {
    pieces: Vec<Vec<u8>>,
    /// The piece that is being filled.
    filling: usize,
}

impl Bodies {
    fn push(&mut self, body: &[u8]) -> Place {
        let has_room = |piece: &Vec<u8>| piece.capacity() - piece.len() >= body.len();
        match self.pieces.get(self.filling) {
            Some(piece) if has_room(piece) => {}
            Some(_) => self.filling += 1,
            None => {}
        }
        if self.filling == self.pieces.len() {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let piece = u32::try_from(self.filling).unwrap_or(u32::MAX);
        let Some(filling) = self.pieces.get_mut(self.filling) else {
            return Place { piece, start: 0, len: 0 };
        };
        let at = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let place = Place { piece, start: at(filling.len()), len: at(body.len()) };
        filling.extend_from_slice(body);
        place
    }

    fn get(&self, Place { piece, start, len }: Place) -> &[u8] {
        let at = |place: u32| usize::try_from(place).unwrap_or(usize::MAX);
        let piece = self.pieces.get(at(piece)).map_or(&[][..], Vec::as_slice);
        piece.get(at(start)..at(start).saturating_add(at(len))).unwrap_or_default()
    }

    fn clear(&mut self) {
        self.pieces.truncate(self.filling + 1);
        self.pieces.iter_mut().for_each(Vec::clear);
        self.filling = 0;
    }
}
