//! A guest's outcomes are taken over or refused.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tengen_fuzz::engine::effects(data));

#[cfg(not(fuzzing))]
fn main() {}
