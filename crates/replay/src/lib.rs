//! A ring of bytes in which every byte has an absolute offset, read by any number of threads that never hold the
//! writer up.
//!
//! # Offsets
//!
//! The first byte ever written has offset 0 (or the start that was asked for), and offsets only grow: not even
//! [`clear`](ReplayBuffer::clear) makes one name two bytes. With `total` = the offset of the next byte,
//!
//! ```text
//!     evicted            retained              not written yet
//!  0 ......... oldest ................. total ..................
//!              = max(cleared, total - capacity)
//! ```
//!
//! A reader is nothing but an offset that its owner keeps. Reading at it gives the bytes from there on, or from
//! `oldest` on together with the number of bytes that were skipped, or "caught up" when it equals `total`. An offset
//! beyond `total` cannot have come from this buffer, and is told apart ([`FutureOffset`]): a client that kept a cursor
//! across a restart must not be told that it is caught up.
//!
//! # Why nobody waits
//!
//! A writer, alone inside the write lock, does
//!
//! 1. `reserved = end`, and a release fence: "everything below `end - storage` may be gone from now on";
//! 2. copies the bytes, as relaxed atomic stores;
//! 3. `total = end` (release): "everything below `end` is there".
//!
//! A reader loads `total` (acquire), copies `[start, total)` with relaxed atomic loads, and after an acquire fence loads
//! `reserved`. If one of its loads saw a byte of a later write, then the two fences make that write's step 1 visible to
//! it: so every byte at or above `reserved - storage` is what it should be, and what lies below was evicted during the
//! copy and is reported as skipped. The surviving end of the copy is returned, so a reader makes progress however fast
//! the writer is, and neither ever waits for the other. This is a seqlock whose sequence is the offset itself, so
//! that losing the race costs only the bytes that were really overwritten.
//!
//! Several writers are serialised among themselves by a lock of one word. Taking it is the only atomic
//! read-modify-write of a write, because it also tells the writer whether anybody sleeps in
//! [`wait`](ReplayBuffer::wait); and a thread that is a buffer's only writer soon does without that, too (`gate.rs`). A
//! sleeper is woken by one system call, which is made only when there is a sleeper; those who wake share no lock, and each
//! finds data, since all wait for the same thing.
//!
//! # Memory
//!
//! The storage is allocated by the first write that is not empty. `clear` gives its memory back at once, also while readers
//! copy out of it: their addresses stay, and what they find there becomes zeros, as if a writer had overwritten all
//! of it. So clearing is one more write to them: first the floor moves up to `total`, then the bytes go, and a reader whose
//! copy may have met them sees the floor. Nothing has to be kept until the last reader is done, and a reader
//! announces itself to nobody, which would cost it a full fence.
//!
//! ```
//! use flightring_replay::ReplayBuffer;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let buffer = ReplayBuffer::new(8)?;
//! buffer.write(b"hello ")?;
//! buffer.write(b"world")?;
//! let mut dst = [0; 64];
//! let read = buffer.read_from(0, &mut dst)?;
//! assert_eq!((read.start, read.skipped, read.total), (3, 3, 11));
//! assert_eq!(&dst[..read.len], b"lo world");
//! assert!(buffer.read_from(12, &mut dst).is_err());
//! # Ok(()) }
//! ```

mod buffer;
mod error;
mod gate;
mod storage;
mod sync;

pub use buffer::{Read, ReplayBuffer, Wait, WriteGuard};
pub use error::{FutureOffset, WriteError};
pub use flightring_ring::CreateError;
