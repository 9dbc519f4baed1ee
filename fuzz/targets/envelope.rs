//! Frames are taken or refused.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tengen_fuzz::targets::envelope(data));

#[cfg(not(fuzzing))]
fn main() {}
