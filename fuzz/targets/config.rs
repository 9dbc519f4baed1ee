//! Configuration files are read or every mistake is named.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tengen_fuzz::targets::config(data));

#[cfg(not(fuzzing))]
fn main() {}
