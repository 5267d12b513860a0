//! The C interface of flightring: one module per noun, one generated header per module.
//!
//! A function of this layer does four things and no more: it checks its arguments, borrows the Rust value behind the
//! handle, calls it, and turns what comes back into a status. The rules that all of them share live in one place each:
//!
//! * [`status`](flr_status): the numbers, and the message of the last error, per thread.
//! * `guard`: the panic guard that every body runs in. A body is a closure that returns `Result<(), flr_status>`,
//!   so that `?` does the error path.
//! * `handle`: the tie between an opaque C struct and the Rust type it stands for. The only place that turns a
//!   handle into a reference, and so the only place that asks whether the process was forked since.
//! * `sized`: option and statistics structs that grow by size.
//! * `buffer`: `(pointer, length)` input and `(dst, cap, needed)` output.
//!
//! The header of a module is made from its documentation by `cargo xtask headers`: the `//!` text becomes the file
//! comment, so it is written for C programmers. Text that must be C, such as a macro, is kept in
//! `<module>.trailer.h` beside the module and appended. A struct whose first field is `struct_size` gets its
//! `FLR_..._INIT` macro from the generator.
//!
//! Safety contracts are the sentences of the C documentation: pointers are valid for what they are described to be, and
//! handles come from their `create` and were not ended. No `# Safety` headings, because they would be copied into the
//! headers.

#![allow(non_camel_case_types)] // C names
#![allow(clippy::missing_safety_doc)] // see above
#![allow(rustdoc::broken_intra_doc_links)] // brackets are text in the headers

mod buffer;
mod filtering;
mod fork;
mod given;
mod guard;
mod handle;

mod sized;
mod status;
mod user_data;
mod version;

pub mod cursor;
pub mod follow;
pub mod hub;
pub mod logger;
pub mod logger_options;
pub mod logger_set;
pub mod logger_stats;
pub mod logger_watch;
pub mod monitor;
pub mod normaliser;
mod normalising;
pub mod reader;
mod reading;
pub mod recorder;
pub mod recorder_add;
pub mod recorder_stats;
pub mod replay;
pub mod ring;
pub mod server;

pub use status::{flr_last_errno, flr_last_error, flr_status, flr_status_text};
pub use user_data::flr_user_data_destroy_fn;
pub use version::flr_version_number;
