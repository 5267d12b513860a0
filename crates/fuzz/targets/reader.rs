//! Feeds the target `reader` from libFuzzer; what it checks is said in the library.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flightring_fuzz::reader(data));
