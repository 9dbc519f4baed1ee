//! What clients post that poll is a form, or is refused.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tengen_fuzz::upgrade::polls(data));

#[cfg(not(fuzzing))]
fn main() {}
