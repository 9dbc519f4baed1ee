//! EDN comes back from its text.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tengen_fuzz::targets::edn(data));

#[cfg(not(fuzzing))]
fn main() {}
