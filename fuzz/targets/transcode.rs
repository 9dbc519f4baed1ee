//! Payloads go from one format to another.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tengen_fuzz::targets::transcode(data));

#[cfg(not(fuzzing))]
fn main() {}
