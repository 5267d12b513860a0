//! Fuzz targets for everything in flightring that reads bytes from outside.
//!
//! Each target is a function of arbitrary bytes that panics if something that must always hold does not; what it checks
//! is in its documentation. `cargo xtask test --long fuzz` runs them all under libFuzzer with AddressSanitizer, each for
//! a bounded time; `cargo xtask test tests` replays `corpus/` as ordinary tests.
//! An input that libFuzzer finds to fail goes into `corpus/TARGET/` together with the repair.

mod http;
mod lines;
mod mask;
mod otlp;
mod reader;
mod recover;

pub use http::http;
pub use lines::lines;
pub use mask::mask;
pub use otlp::otlp;
pub use reader::reader;
pub use recover::recover;

/// What is fed with arbitrary bytes.
pub type Target = fn(&[u8]);

/// The targets by name, as their folders in `corpus/` and their programs are called.
pub const TARGETS: [(&str, Target); 6] = [
    ("reader", reader),
    ("recover", recover),
    ("otlp", otlp),
    ("mask", mask),
    ("lines", lines),
    ("http", http),
];
