//! How a handler's events are dealt out to its instances.
//!
//! It is a matter of arithmetic, so that a plugin can tell by itself what is whose: a connection is its handle's, a text (a
//! user, a channel) its [`number_of`]; an instance has those whose number, modulo the number of instances, is its own. The
//! same as long as there are as many instances.

use std::sync::atomic::{AtomicU64, Ordering};
use tengen_core::event::{Connection, Event, Occurrence};
use tengen_settings::{self as settings, Affinity, HANDLERS_MAX};
use tengen_wire::id::{Channel, UserId};

/// By what events are dealt out, and to how many instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Deal {
    pub(crate) affinity: Affinity,
    /// How many instances there are, 1 at least.
    pub(crate) of: u16,
    /// Counts how often it was changed: what is offered after another one is not taken.
    pub(crate) turn: u32,
}

impl Deal {
    /// As a plugin's settings have it, for the first time.
    pub(crate) fn new(settings: &settings::Plugin) -> Self {
        let of = settings.instances.get().min(HANDLERS_MAX);
        Self {
            affinity: settings.affinity.unwrap_or(Affinity::Connection),
            of: u16::try_from(of).unwrap_or(1),
            turn: 0,
        }
    }

    /// As settings have it that come after this one. The same turn, if nothing changes.
    pub(crate) fn then(self, settings: &settings::Plugin) -> Self {
        let next = Self { turn: self.turn, ..Self::new(settings) };
        let same = next == self || self.of == 1 && next.of == 1;
        Self { turn: self.turn.wrapping_add(u32::from(!same)), ..next }
    }

    /// Whether one instance has it all.
    pub(crate) fn is_to_one(self) -> bool {
        self.of == 1
    }

    /// Whose an event is. `by`: the instance that brought it about, where it is no connection's.
    pub(crate) fn place_of(self, event: &Event, by: u16) -> u16 {
        match (&event.connection, channel_of(&event.what)) {
            (Some(_), Some(channel)) if self.affinity == Affinity::Channel => {
                self.of_channel(channel)
            }
            (Some(connection), _) => self.of_connection(connection),
            (None, Some(channel)) => self.of_channel(channel),
            (None, None) => match user_of(&event.what) {
                Some(user) => self.of_user(user),
                None => self.at(by.into()),
            },
        }
    }

    /// Whose a connection is: nobody else's, whatever the affinity.
    pub(crate) fn of_connection(self, connection: &Connection) -> u16 {
        match &connection.user {
            Some(user) if self.affinity == Affinity::User => self.at(number_of(&user.id)),
            _ => self.at(connection.handle.0),
        }
    }

    /// Who hears of a channel that it has subscribers, or none.
    pub(crate) fn of_channel(self, channel: &Channel) -> u16 {
        self.at(number_of(channel))
    }

    /// Who hears of a user that it has a connection, or none.
    pub(crate) fn of_user(self, user: &UserId) -> u16 {
        self.at(number_of(user))
    }

    fn at(self, number: u32) -> u16 {
        let place = number.checked_rem(self.of.into()).unwrap_or(0);
        u16::try_from(place).unwrap_or(0)
    }
}

/// The channel that something is told of.
fn channel_of(what: &Occurrence) -> Option<&Channel> {
    match what {
        Occurrence::ChannelOccupied(channel) | Occurrence::ChannelVacated(channel) => Some(channel),
        _ => None,
    }
}

/// The user that something is told of.
fn user_of(what: &Occurrence) -> Option<&UserId> {
    match what {
        Occurrence::UserOnline(user) | Occurrence::UserOffline(user) => Some(user),
        _ => None,
    }
}

/// A text's number: its 64-bit FNV-1a hash, the upper half folded into the lower.
pub(crate) fn number_of(text: &str) -> u32 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let folded = (hash ^ (hash >> 32)) & u64::from(u32::MAX);
    u32::try_from(folded).unwrap_or(0)
}

/// A deal that is looked at with each event, and changed by a reload.
#[derive(Debug)]
pub(crate) struct Dealt(AtomicU64);

impl Dealt {
    pub(crate) fn new(deal: Deal) -> Self {
        Self(AtomicU64::new(pack(deal)))
    }

    pub(crate) fn get(&self) -> Deal {
        unpack(self.0.load(Ordering::Acquire))
    }

    pub(crate) fn set(&self, deal: Deal) {
        self.0.store(pack(deal), Ordering::Release);
    }
}

/// The turn in the upper half, then the affinity, then the number.
fn pack(Deal { affinity, of, turn }: Deal) -> u64 {
    let affinity: u64 = match affinity {
        Affinity::Connection => 0,
        Affinity::User => 1,
        Affinity::Channel => 2,
    };
    (u64::from(turn) << 32) | (affinity << 16) | u64::from(of)
}

fn unpack(packed: u64) -> Deal {
    let affinity = match (packed >> 16) & 0xffff {
        0 => Affinity::Connection,
        1 => Affinity::User,
        _ => Affinity::Channel,
    };
    let of = u16::try_from(packed & 0xffff).unwrap_or(1);
    Deal { affinity, of, turn: u32::try_from(packed >> 32).unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{collections::BTreeMap, sync::Arc, time::SystemTime};
    use tengen_core::{event::User, trace::Span};

    const ALL: [Affinity; 3] = [Affinity::Connection, Affinity::User, Affinity::Channel];

    fn deal(affinity: Affinity, of: u16) -> Deal {
        Deal { affinity, of, turn: 3 }
    }

    fn connection(handle: u32, user: Option<&str>) -> Connection {
        let user = user.map(|id| User { id: id.into(), claims: Vec::new(), expires_at: None });
        Connection { user, ..Connection::anybody(handle) }
    }

    fn event(connection: Option<Connection>, what: Occurrence) -> Event {
        let at = SystemTime::UNIX_EPOCH;
        let connection = connection.map(Arc::new);
        Event { connection, seq: 1, at, what, span: Span::none(), permit: None }
    }

    #[test]
    fn a_texts_number_is_what_everybody_comes_to() {
        // The hashes of the algorithm's own test suite: 0xaf63dc4c8601ec8c and 0x85944171f73967e8.
        assert_eq!(number_of("a"), 0xaf63_dc4c ^ 0x8601_ec8c);
        assert_eq!(number_of("foobar"), 0x8594_4171 ^ 0xf739_67e8);
    }

    #[test]
    fn users_meet_in_one_instance_and_who_is_nobody_goes_by_connection() {
        let by_user = deal(Affinity::User, 7);
        let place = |handle, user| by_user.of_connection(&connection(handle, user));
        assert_eq!(place(1, Some("ada")), place(2, Some("ada")));
        assert_eq!((place(1, None), place(9, None)), (1, 2));
        let by_connection = deal(Affinity::Connection, 7);
        assert_eq!(by_connection.of_connection(&connection(9, Some("ada"))), 2);
    }

    #[test]
    fn what_is_of_no_connection_goes_by_its_channel_or_back_to_who_brought_it_about() {
        for affinity in ALL {
            let deal = deal(affinity, 5);
            let channel = Channel::from("room/7");
            let told = [Occurrence::ChannelOccupied, Occurrence::ChannelVacated]
                .map(|what| deal.place_of(&event(None, what(channel.clone())), 4));
            assert_eq!(told, [deal.of_channel(&channel); 2]);
            let timer = |of: Option<Connection>, by| {
                deal.place_of(&event(of, Occurrence::Timer("t".into())), by)
            };
            assert_eq!((timer(None, 3), timer(None, 7)), (3, 2), "modulo their number");
            assert_eq!(timer(Some(connection(11, None)), 3), 1, "a connection's is with it");
        }
    }

    #[test]
    fn a_new_turn_begins_where_something_changes_and_nowhere_else() {
        let settings = |instances: usize, affinity| {
            let instances = instances.try_into().expect("not zero");
            settings::Plugin { instances, affinity, ..settings::Plugin::new("p.wasm") }
        };
        let one = Deal::new(&settings(1, None));
        assert_eq!(one.then(&settings(1, Some(Affinity::User))).turn, 0, "one has it all");
        let two = one.then(&settings(2, None));
        assert_eq!((two.of, two.turn, two.affinity), (2, 1, Affinity::Connection));
        assert_eq!(two.then(&settings(2, Some(Affinity::Connection))), two);
        assert_eq!(two.then(&settings(2, Some(Affinity::User))).turn, 2);
        assert_eq!(two.then(&settings(1, None)).turn, 2);
    }

    proptest! {
        #[test]
        fn every_event_has_a_place_and_always_the_same(
            handle in any::<u32>(), user in proptest::option::of(".{0,20}"), of in 1..=64_u16,
            affinity in proptest::sample::select(&ALL[..]), by in any::<u16>(),
        ) {
            let deal = deal(affinity, of);
            prop_assert_eq!(unpack(pack(deal)), deal);
            let place = || {
                let of = connection(handle, user.as_deref());
                deal.place_of(&event(Some(of), Occurrence::Opened), by)
            };
            prop_assert!(place() < of);
            prop_assert_eq!(place(), place());
        }

        /// No instance has more than twice its share of users with names like these, nor less than a third.
        #[test]
        fn users_are_spread_evenly(prefix in "[a-z]{0,6}[-_:]?", of in 2..=8_u16) {
            let mut shares = BTreeMap::<u16, usize>::new();
            for number in 0..2000 {
                let user = format!("{prefix}{number}");
                let place = deal(Affinity::User, of).of_connection(&connection(1, Some(&user)));
                *shares.entry(place).or_default() += 1;
            }
            let fair = 2000 / usize::from(of);
            prop_assert_eq!(shares.len(), usize::from(of));
            prop_assert!(shares.values().all(|it| (fair / 3..=fair * 2).contains(it)), "{:?}", shares);
        }
    }
}
