//! Whom a call is about: what a guest says in it bears that by itself.

use super::numbering::Numbering;
use crate::guest::signals::About;
use tengen_core::event::Event;

/// The events of a call, in the guest's own numbering; nothing where it is about none.
#[derive(Clone, Copy)]
pub(crate) struct Whose<'a> {
    pub(crate) events: &'a [Event],
    pub(crate) numbering: &'a Numbering,
}

impl<'a> Whose<'a> {
    /// A call that is about no event.
    pub(crate) const NOBODY: Self = Self { events: &[], numbering: &Numbering::Same };

    /// What is known of the event that something was said about; where the guest names none, what all of them have in common.
    pub(crate) fn of(self, by: Option<u32>) -> About<'a> {
        let place = by.and_then(|by| self.numbering.of(by, self.events.len()));
        let named = place.and_then(|place| self.events.get(usize::try_from(place).ok()?));
        let event = named.or(match self.events {
            [event] => Some(event),
            _ => None,
        });
        let connection = event.or_else(|| self.shared()).and_then(|it| it.connection.as_ref());
        let user = connection.and_then(|connection| connection.user.as_ref()).map(|user| &user.id);
        About {
            connection: connection.map(|it| &it.id),
            user,
            trace: event.and_then(|event| event.span.context()),
        }
    }

    /// The first event, if all are of its connection.
    fn shared(self) -> Option<&'a Event> {
        let of = |event: &Event| event.connection.as_ref().map(|connection| connection.handle);
        let first = self.events.first()?;
        self.events.iter().all(|event| of(event) == of(first)).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::Arc, time::SystemTime};
    use tengen_core::{
        event::{Connection, Occurrence, User},
        trace::{Span, TraceContext},
    };
    use tengen_wire::id::ConnectionId;

    fn event(handle: u8, trace: u128) -> Event {
        let user = User { id: format!("u{handle}").into(), claims: Vec::new(), expires_at: None };
        let connection = Connection {
            id: ConnectionId::from_bytes([handle; 16]),
            user: Some(user),
            ..Connection::anybody(handle.into())
        };
        let context = TraceContext { trace_id: trace, span_id: 1, sampled: true, state: None };
        Event {
            connection: Some(Arc::new(connection)),
            seq: 1,
            at: SystemTime::UNIX_EPOCH,
            what: Occurrence::Timer("t".to_owned()),
            span: Span::left_out(context, None),
            permit: None,
        }
    }

    fn told(whose: Whose<'_>, by: Option<u32>) -> (Option<String>, Option<u128>) {
        let About { connection, user, trace } = whose.of(by);
        let expected = user.map(|user| user.as_str().trim_start_matches('u').parse().unwrap());
        assert_eq!(connection.copied(), expected.map(|of| ConnectionId::from_bytes([of; 16])));
        (user.map(|user| user.as_str().to_owned()), trace.map(|trace| trace.trace_id))
    }

    #[test]
    fn a_signal_is_about_the_event_that_it_names_or_what_all_events_share() {
        let (events, numbering) = ([event(1, 10), event(2, 20), event(2, 21)], Numbering::Same);
        let all = Whose { events: &events, numbering: &numbering };
        let user = |name: &str| Some(name.to_owned());
        assert_eq!(told(all, Some(1)), (user("u2"), Some(20)));
        assert_eq!(told(all, None), (None, None), "of several connections");
        assert_eq!(told(all, Some(7)), (None, None), "there is none of this number");
        let of_one = Whose { events: &events[1..], ..all };
        assert_eq!(told(of_one, None), (user("u2"), None), "of several traces");
        assert_eq!(told(Whose { events: &events[..1], ..all }, None), (user("u1"), Some(10)));
        assert_eq!(told(Whose::NOBODY, Some(0)), (None, None));
        // Some events were not said to the guest: its numbers are of those that were.
        let numbering = Numbering::Some(vec![0, 2]);
        let told_in_part = told(Whose { events: &events, numbering: &numbering }, Some(1));
        assert_eq!(told_in_part, (user("u2"), Some(21)));
    }
}
