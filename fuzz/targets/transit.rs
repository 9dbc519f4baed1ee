//! Transit comes back from its text, and means the same in another place.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tengen_fuzz::targets::transit(data));

#[cfg(not(fuzzing))]
fn main() {}
