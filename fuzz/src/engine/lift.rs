//! Bytes of a guest's memory, read by wasmtime as what `handle` returned: strings in each of the component model's
//! encodings, lists and variants wherever they point.

use super::{guests, is_bounded, settings};
use std::{cell::RefCell, sync::LazyLock};
use tengen_engine::fuzzing::Guest;
use wit_component::StringEncoding;

/// Copies the event's payload to the beginning of a memory that is otherwise zero, and says that the result is there.
const RETURN_THE_PAYLOAD: &str = "
  (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536))
  (memory.copy (i32.const 0) (i32.load offset=48 (local.get $at)) (i32.load offset=52 (local.get $at)))
  (i32.const 0)";

/// Larger inputs would write over what the host has put into the memory.
const INPUT_MAX: usize = 32 << 10;

static COMPONENTS: LazyLock<[Vec<u8>; 3]> = LazyLock::new(|| {
    let encodings = [StringEncoding::UTF8, StringEncoding::UTF16, StringEncoding::CompactUTF16];
    encodings.map(|strings| {
        guests::Guest { strings, ..guests::Guest::handling(RETURN_THE_PAYLOAD) }.component()
    })
});

thread_local! {
    static GUESTS: RefCell<Vec<Guest>> = const { RefCell::new(Vec::new()) };
}

/// The first byte chooses the encoding of strings; the rest is the memory from address 0 on, where the result stands.
pub fn lift(data: &[u8]) {
    let Some((first, memory)) = data.split_first().filter(|(_, rest)| rest.len() <= INPUT_MAX)
    else {
        return;
    };
    with_guests(|guests| {
        let guest = guests.get_mut(usize::from(*first) % 3).expect("there are three");
        if let Some(Ok(taken)) = guest.handle(memory) {
            is_bounded(&taken, 1, &settings());
        }
    });
}

/// Compiles the guests: the first input would otherwise seem to be the one that reaches the whole compiler.
pub fn prepare() {
    with_guests(|_| ());
}

fn with_guests(call: impl FnOnce(&mut [Guest])) {
    GUESTS.with_borrow_mut(|guests| {
        if guests.is_empty() {
            let made = COMPONENTS.iter().map(|component| Guest::new(component, settings()));
            guests.extend(made.map(|guest| guest.expect("the guest runs")));
        }
        call(guests);
    });
}
