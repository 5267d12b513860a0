//! Runs the tests that are written in C and C++ (`c/`), each under its own name.

extern crate ffi_tests as _;
extern crate flightring_capi as _;

include!(concat!(env!("OUT_DIR"), "/tests.rs"));
