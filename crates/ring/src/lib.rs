//! Rings of fixed capacity, for data of which only the newest part matters.
//!
//! A ring is one allocation, made when it is created, and two numbers: where the next write goes, and how much
//! is held. When it is full the oldest data makes room for the newest, so memory is bounded by construction and a
//! write costs the same whether the ring is new or has wrapped a million times.
//!
//! ```text
//!            head (next write)                     head == 0, full
//!              v                                   v
//!   | 7 8 9 10 |. . . . . . |        | 7 8 9 10 11 12 13 14 15 16 |
//!    older   newer   free              oldest             newest
//! ```
//!
//! Held data is at most two runs of memory: from the oldest position to the end of the storage, and from its
//! beginning to `head`. Reading is therefore at most two copies, or no copy at all through the two-slice views.
//!
//! * [`ByteRing`] holds bytes: the recent output of a process.
//! * [`SlotRing`] holds entries under positions that only grow, and tells a callback which entry is about to be
//!   evicted, so that indexes can be kept true.
//!
//! No write allocates, and nothing here is `unsafe`. Neither type has a lock inside: a writer needs `&mut`.

#![forbid(unsafe_code)]

mod bytes;
mod error;
mod slots;

pub use bytes::ByteRing;
pub use error::CreateError;
pub use slots::{Slices, SlotRing};
