//! Whatever a guest's memory holds, the host reads it or traps the guest.
#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| tengen_fuzz::engine::lift(data));

#[cfg(not(fuzzing))]
fn main() {}
