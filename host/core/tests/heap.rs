//! What timers cost of memory, counted by the allocator itself.

#[path = "../../../tests/support/heap.rs"]
#[expect(unreachable_pub, reason = "the tests of the whole gateway reach it")]
mod counting;

use tengen_core::timers::{Owner, Timers};
use tengen_wire::id::Handle;

const CONNECTIONS: u32 = 10_000;
const OF_EACH: u32 = 10;
/// In bytes, for all of them.
const MOST: usize = 20 << 20;

#[test]
fn a_hundred_thousand_timers_fit_into_twenty_megabytes() {
    let before = counting::live();
    let mut timers = Timers::default();
    for number in 0..CONNECTIONS * OF_EACH {
        let owner = Owner { plugin: 1, connection: Some(Handle(number % CONNECTIONS)) };
        // The milliseconds are mixed, so that the order is built as it is in a gateway.
        let at = u64::from(number.wrapping_mul(2_654_435_761));
        let key = format!("typing-{}", number / CONNECTIONS);
        assert_eq!(timers.set(owner, &key, at), Ok(()));
    }
    let held = counting::live() - before;
    println!("{} timers: {held} bytes", timers.len());
    assert!(held <= MOST, "{held} bytes");
}
