//! The asynchronous logger: records are copied into memory by the threads that make them, and reach the disk in large
//! blocks by a thread of the logger's own.
//!
//! # Theory
//!
//! A logger that is called from hot code must not do what costs time there: lock, allocate, enter the kernel, or
//! touch a cache line that another processor is writing to. So each thread writes to a *shard* of its own, a ring of
//! memory with one writer and one reader:
//!
//! ```text
//! thread 1 --> [ shard 0 |####......] \
//! thread 2 --> [ shard 1 |##........]  >-- flusher --> [ batch A ] --\
//! thread 3 --> [ shard 2 |..........] /           \--> [ batch B ] ---+--> file (direct I/O)
//! others ----> [ overflow|#.........] (under a lock)
//! ```
//!
//! A record costs a comparison, the copy, and one release store that *publishes* it. Everything else hangs on the
//! comparison: the owner compares against a `limit`, which is the next place where anything has to be decided
//! (the end of the ring, the end of the free space, the point where the flusher should be woken, or 0 once the
//! logger is closed).
//!
//! The **flusher** reads the tails of all shards, copies what lies before them into a batch of blocks, appends the
//! batch to the file in one write, and then frees the space. It takes what is published and waits for nobody, and
//! nobody waits for it unless the caller asked for that. Two batches, swapped, let copying and writing overlap. Under load
//! it does not even copy: shards of 2 MiB and more are divided into *frames*, which their owners fill such that a full one needs only
//! a header and a trailer to be a block of the file.
//!
//! **Who owns what.** Free shards are bits in a bitmap; a thread claims one on its first call and gives it back when it
//! ends. A thread whose shard is full moves to another one with room before anything is dropped: to a free one, or to that of
//! a thread that is silent, all of whose records are in the file, and which claims another when it comes back. Threads beyond
//! the number of shards share one more, the *overflow*, under a lock. A thread finds its shard from its *seat* in a table,
//! where it also says that it is inside a call.
//!
//! **Order.** The records of a thread stand in the file in the order in which it made them, also when it moved from
//! shard to shard: a *gate* keeps the flusher from the new shard's records until the older ones are flushed. Between
//! threads there is no order in the file; records of the kind `Event` carry what it takes to make one.
//!
//! **Conservation.** `offered = accepted + dropped` and `accepted = in the file + in memory`, always. Space is freed
//! only when the file has the block, so a full disk or a failed write loses nothing that was accepted: it is tried
//! again until the logger is closed, and closing says what could not be written. Closing *seals* the shards: a call
//! that was inside finishes and its record counts, or is refused and counted; see [`Logger::close`].
//!
//! **Death of the process.** With [`StagingPolicy::Shared`] the shards lie in a file in shared memory, beside a note of what
//! the log holds already, so that the next opening, or [`recover()`], brings back every accepted record exactly once,
//! wherever the process was killed. Forked children that live on are no hindrance: they give the parent's files up in `fork`.
//!
//! **Files.** [`Rotation`] begins new files by size, time or on demand, between two writes of the flusher, and deletes old
//! ones; finished files are compressed if asked. A [`LoggerSet`] puts many named logs under one flusher and one memory budget.
//!
//! **Size of the buffer.** It is what a burst may use while the disk is busy. A buffer that fits the processor's cache (a few
//! megabytes) makes calls cheaper and saves processor time on the way to the disk; see `docs/benchmarks/logger.md`. A burst
//! may use all of it, whichever threads write it. A record is at most half a shard long, and fits a frame and an output buffer;
//! [`Logger::largest_record`] is the exact number.
//!
//! **Numbers.** [`Logger::stats`] is cheap. A [`Watch`] is told them now and then, by the flusher; other processes find them
//! in a small file that each logger keeps up to date ([`published()`], `flightring stats PID`).
//!
//! **Faults.** `docs/faults.md` shows what comes of every fault under every policy.
//!
//! **Signals, forks, exit.** A signal handler that logs while its thread is inside a call is refused and counted. In
//! a forked child the parent's loggers refuse everything, without touching a lock. The workers block all signals.
//! Calls from destructors of threads and statics work.
//!
//! # Example
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("service.log");
//! use flightring_logger::{Logger, Options};
//!
//! let logger = Logger::open(&Options::new(&path))?;
//! logger.write(b"ready")?;
//! logger.close()?;
//! let stats = logger.stats();
//! assert_eq!((stats.accepted, stats.written, stats.dropped), (1, 1, 0));
//! # Ok(()) }
//! ```

mod batch;
mod bell;
mod clock;
mod compress;
mod counters;
mod cursor;
mod drops;
mod engine;
mod error;
mod files;
mod flusher;
mod frame;
mod histogram;
mod lineage;
mod local;
mod logger;
#[cfg(all(test, loom))]
mod model;
mod options;
mod piece;
mod pipe;
mod place;
mod pool;
mod proc;
mod publish;
mod recover;
mod region;
mod rotate;
mod seat;
mod set;
mod shard;
mod staging;
mod state;
mod stats;
mod stream;
mod sync;
mod token;
mod tsc;
mod view;
mod watch;
mod worker;

pub use flightring_blockfile::OwnedRecord;

pub use compress::tidy;
pub use error::{CloseError, Dropped, FlushError, OpenError, RotateError};
pub use histogram::Latency;
pub use logger::{Logger, OpenReport};
pub use options::{
    MAX_BUFFER, MAX_SHARDS, MIN_SHARD, Options, Overflow, StagingPolicy, Sync, TimeSource,
};
pub use publish::{Published, published};
pub use recover::{Recovered, recover, recover_from};
pub use rotate::{Rotation, Schedule, Sealed};
pub use set::{LoggerSet, SetOptions};
pub use state::Reservation;
pub use stats::{LastError, ShardStats, Stats};
pub use view::View;
pub use watch::{Watch, WatchError};
