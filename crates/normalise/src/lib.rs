//! Log lines into patterns, at memory speed, exactly and in order.
//!
//! A program writes few *kinds* of lines, each many times with other values. A pattern is a line with its values taken
//! out; lines of one kind have one pattern, so a table of patterns with counts answers "what is in these ten
//! gigabytes?".
//!
//! ```text
//! 03-17 16:13:38.936  1702 D PowerManagerService: release:lock=189667585, tag="*launch*"
//! shape   Y-Y Y:Y:Y.Y  Y Y Y: Y:Y=Y, Y="X"
//! digits  #-# #:#:#.#  # D PowerManagerService: release:lock=#, tag="*launch*"
//! tokens  # #  # D PowerManagerService: # tag="*launch*"
//! typed   <date> <time>  <num> D PowerManagerService: release:lock=<num>, tag="*launch*"
//! ```
//!
//! Masking is *stateless*: a pattern depends on its line alone, never on lines before it, so it is the same in every run
//! and on every machine, and lines can be masked in any order by any number of threads. Nothing is learnt, and no
//! template changes afterwards.
//!
//! * [`Masker`] turns one line, or a block of them, into patterns, in a caller's buffer and without allocating; a
//!   [`PatternId`] is the number of a pattern.
//! * [`pipeline`] turns files into files of patterns: in order, in bounded memory, with lines of any length.
//! * [`summary`] counts patterns, exactly, with samples and the values behind the placeholders; compares two files; makes
//!   tables, JSON, CSV and a page with plots.
//! * [`PatternCounter`] counts the patterns of a stream while it is written.
//!
//! How it is fast: a [`Kernel`] reads the text in vectors of 32 or 64 bytes, where the machine has them, and takes out
//! runs with table look-ups or a compressing store; only the few bytes that carry structure are looked at one by one.
//! The portable kernel defines the result.

mod counter;
mod digits;
mod id;
mod kernel;
mod masker;
pub mod pipeline;
mod rules;
mod shape;
pub mod summary;
mod target;
mod tokens;
mod typed;

pub use counter::{PatternCount, PatternCounter};
pub use id::PatternId;
pub use kernel::Kernel;
pub use masker::{BufferTooSmall, Masker, MaskerError, Mode, UnknownMode};
pub use rules::{RuleError, Rules};
pub use summary::{Summary, SummaryOptions};
pub use typed::{Kind, MAX_TOKEN};
