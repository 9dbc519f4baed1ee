//! Requests become WebSockets or are refused.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tengen_fuzz::upgrade::upgrade(data));

#[cfg(not(fuzzing))]
fn main() {}
