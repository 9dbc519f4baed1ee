//! MessagePack comes back from its bytes.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tengen_fuzz::targets::msgpack(data));

#[cfg(not(fuzzing))]
fn main() {}
