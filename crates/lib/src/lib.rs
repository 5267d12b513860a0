//! The artifact only: everything is in `flightring-capi`, whose `#[unsafe(no_mangle)]` functions are exported from here.

extern crate flightring_capi as _;
