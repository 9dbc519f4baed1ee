//! JSON is read as its grammar says.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tengen_fuzz::targets::json(data));

#[cfg(not(fuzzing))]
fn main() {}
