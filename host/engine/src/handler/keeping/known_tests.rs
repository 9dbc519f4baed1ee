//! What an instance knows, by hand.

use super::*;
use std::sync::Arc;
use tengen_core::{event::Connection, trace::Span};

fn event(handle: u32, what: Occurrence) -> Event {
    let connection = Arc::new(Connection {
        id: ConnectionId::from_bytes([u8::try_from(handle).unwrap(); 16]),
        ..Connection::anybody(handle)
    });
    let at = std::time::SystemTime::UNIX_EPOCH;
    Event { connection: Some(connection), seq: 1, at, what, span: Span::none(), permit: None }
}

fn closing(code: u16) -> Occurrence {
    Occurrence::Closed(Closing { code, reason: String::new(), clean: true })
}

fn told(known: &mut Known, events: impl IntoIterator<Item = (u32, Occurrence)>) {
    events.into_iter().for_each(|(handle, what)| known.told(&event(handle, what)));
}

#[track_caller]
fn check(missing: &Missing, known: &[u32], ended: &[(u32, u16)], again: usize) {
    let mut found: Vec<_> = missing.known.keys().map(|handle| handle.0).collect();
    found.sort_unstable();
    assert_eq!(found, known);
    let mut found: Vec<_> =
        missing.ended.iter().map(|(handle, how)| (handle.0, how.code)).collect();
    found.sort_unstable();
    assert_eq!(found, ended);
    assert_eq!(missing.again.len(), again);
}

#[test]
fn who_goes_back_knows_what_was_when_the_state_was_saved() {
    let mut known = Known::default();
    told(&mut known, [(1, Occurrence::Opened), (2, Occurrence::Adopted), (3, Occurrence::Opened)]);
    known.settle();
    let timer = || Occurrence::Timer("t".into());
    told(&mut known, [(2, closing(1000)), (4, Occurrence::Opened), (1, timer())]);
    // Who came and went since, is nobody's business.
    told(&mut known, [(5, Occurrence::Opened), (5, closing(1001))]);
    check(&known.all(), &[1, 3, 4], &[], 0);
    check(&known.go_back(), &[1, 2, 3], &[(2, 1000)], 1);
    // From here on, that is where it is.
    check(&known.go_back(), &[1, 2, 3], &[], 0);
    check(&known.nothing(), &[], &[], 0);
}

#[test]
fn a_state_before_the_last_one_knows_less() {
    let mut known = Known::default();
    told(&mut known, [(1, Occurrence::Opened), (2, Occurrence::Opened)]);
    known.settle();
    told(&mut known, [(1, closing(1000)), (3, Occurrence::Opened), (4, Occurrence::Opened)]);
    let since = known.settle();
    told(&mut known, [(2, closing(1001)), (3, closing(1002)), (5, Occurrence::Opened)]);
    known.before(Some(since));
    check(&known.go_back(), &[1, 2], &[(1, 1000), (2, 1001)], 0);
}

#[test]
fn what_is_told_again_is_bounded_and_the_rest_counted() {
    let mut known = Known::default();
    for number in 0..AGAIN + 3 {
        known.told(&event(1, Occurrence::Timer(number.to_string())));
    }
    assert_eq!(known.untold(), 3);
    let mut known = Known::default();
    (0..3).for_each(|_| {
        known.told(&event(1, Occurrence::Timer("x".repeat(AGAIN_WEIGHT / 2 - 1000))))
    });
    assert_eq!(known.untold(), 1, "by what they weigh as well");
    assert_eq!(known.go_back().again.len(), 2);
}
