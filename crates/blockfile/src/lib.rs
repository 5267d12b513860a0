//! The log file's bytes: how blocks and records are laid out, written, read back, verified and salvaged.
//!
//! # Theory
//!
//! A log file is a row of *blocks* and nothing else. A block carries its own size at its front, so a reader steps
//! from block to block, and a statement about itself at its end, with a checksum, so that a reader can tell whether
//! what it holds is what was written. Blocks are only ever appended: bytes that are durable are never rewritten,
//! because a power cut in the middle of a rewrite would tear records that had been safe. What an interrupted append
//! leaves behind is one incomplete block at the end of the file, which the checksum gives away.
//!
//! A reader never guesses. After damage it looks for the next block whose checksum holds, and reports the range in
//! between; sequence numbers tell it how many blocks and records were in there, and whether a block comes twice. The
//! checksum finds accidents. It is no signature, and does not keep out who can write to the file.
//!
#![doc = include_str!("../../../docs/log-file.md")]
//!
//! # What is in the crate
//!
//! * [`AlignedBuf`] and [`seal`]: a block is made in place, in memory that direct I/O accepts.
//! * [`Appender`]: continues a file, sets a damaged tail aside, writes blocks, survives every fault of the device.
//! * [`FileLayer`]: the few operations on files that the appender needs, as a trait, so that tests can make each
//!   of them fail (feature `testing`).
//! * [`BlockReader`] and [`Reader`]: blocks and records of a file or stream, of this format or an older
//!   [`Dialect`]; what is damaged is skipped and reported, never guessed.
//! * [`Follower`], [`Merge`], [`LiveMerge`], [`Filter`]: a file that is still written, through its rotations; several
//!   files, or the shards of one, as one ordered stream; the same of files that are still written; only the records that
//!   are wanted.
//! * [`verify`] and [`salvage`](fn@salvage): whether a file is whole, and a whole file made of what is left.
//!
//! # Example
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("service.log");
//! use std::sync::Arc;
//! use flightring_blockfile::{
//!     AlignedBuf, AppendOptions, Appender, BlockMeta, HEADER_LEN, Item, OsLayer, ReadOptions, Reader, seal,
//! };
//!
//! let (mut log, _) = Appender::open(&path, &AppendOptions::default(), Arc::new(OsLayer))?;
//! let mut block = AlignedBuf::new(4096, 4096)?;
//! block[HEADER_LEN..][..9].copy_from_slice(b"\x05\0\0\0hello"); // one raw record
//! let meta = BlockMeta { writer_id: 1, record_count: 1, ..BlockMeta::default() };
//! let len = seal(&mut block, 9, &meta, log.alignment())?;
//! log.append(&block[..len])?;
//! log.finish()?;
//!
//! let mut reader = Reader::open(&path, ReadOptions::default())?;
//! assert!(matches!(reader.next_item()?, Some(Item::Record(record)) if record.data == b"hello"));
//! assert_eq!(reader.next_item()?, None);
//! assert_eq!(reader.stats().damages, 0);
//! # Ok(()) }
//! ```
//!
//! There are no threads in here; a value may be moved between threads, and used by one at a time.

#![deny(unsafe_code)]

mod append;
mod blocks;
mod buffer;
mod combine;
mod damage;
mod dialect;
mod filter;
mod follow;
mod format;
mod layer;
mod live;
mod live_end;
mod merge;
mod open;
#[allow(unsafe_code)] // handlers of fork
mod own_file;
mod reader;
mod record;
mod resync;
mod rotated;
mod salvage;
mod sequence;
mod tail;
#[cfg(feature = "testing")]
pub mod testing;
mod window;

pub use append::{AppendError, Appender, FailedStep};
pub use blocks::{Block, BlockItem, BlockReader, ReadOptions};
pub use buffer::{AlignedBuf, OutOfMemory};
pub use damage::{Damage, ReadStats, Reason};
pub use dialect::Dialect;
pub use filter::Filter;
pub use follow::Follower;
pub use format::{
    BlockMeta, FLAG_RECOVERED, FORMAT_VERSION, HEADER_LEN, Kind, MAGIC, MAX_BLOCK, MIN_ALIGN,
    SealError, TRAILER_LEN, Trailer, block_len, seal, seal_summed, sum_records,
};
pub use layer::{DirectAlignment, FileLayer, Identity, LayerFile, OpenHow, OsLayer};
pub use live::LiveMerge;
pub use merge::{Merge, Merged, OrderBy, OwnedRecord};
pub use open::{
    AppendOptions, DamagedTail, DirectFallback, OpenError, OpenReport, Resume, RotateError,
    SyncPolicy,
};
pub use own_file::OwnFile;
pub use reader::{Item, Reader, Record, verify};
pub use record::{EVENT_HEADER, EventHeader, Level, LevelError, MARKER_HEADER, Marker};
pub use rotated::Unpack;
pub use salvage::salvage;
