//! Feeds the target `otlp` from libFuzzer; what it checks is said in the library.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| flightring_fuzz::otlp(data));
