//! The numbers of a logger that are not kept in its shards.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flightring_blockfile::DirectFallback;
use parking_lot::Mutex;

use crate::clock;
use crate::histogram::Histogram;
use crate::state::errno;
use crate::stats::LastError;
use crate::{Dropped, TimeSource};

pub(crate) struct Counters {
    dropped: [AtomicU64; Dropped::COUNT],
    /// Records in the file.
    pub(crate) written: AtomicU64,
    /// Their bytes, with lengths and record headers.
    pub(crate) payload: AtomicU64,
    /// Bytes of blocks in the file.
    pub(crate) disk: AtomicU64,
    pub(crate) blocks: AtomicU64,
    pub(crate) flushes: AtomicU64,
    pub(crate) flush_errors: AtomicU64,
    pub(crate) set_swaps: AtomicU64,
    /// Records that something overwrote in memory before they were flushed.
    pub(crate) damaged: AtomicU64,
    pub(crate) parked_ns: AtomicU64,
    pub(crate) files_finished: AtomicU64,
    pub(crate) files_compressed: AtomicU64,
    pub(crate) direct: AtomicBool,
    pub(crate) fallback: Mutex<Option<DirectFallback>>,
    pub(crate) last_error: Mutex<Option<LastError>>,
    pub(crate) flush_time: Histogram,
    pub(crate) write_time: Histogram,
}

impl Counters {
    pub(crate) fn new() -> Self {
        Self {
            dropped: Default::default(),
            written: AtomicU64::new(0),
            payload: AtomicU64::new(0),
            disk: AtomicU64::new(0),
            blocks: AtomicU64::new(0),
            flushes: AtomicU64::new(0),
            flush_errors: AtomicU64::new(0),
            set_swaps: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            parked_ns: AtomicU64::new(0),
            files_finished: AtomicU64::new(0),
            files_compressed: AtomicU64::new(0),
            direct: AtomicBool::new(false),
            fallback: Mutex::new(None),
            last_error: Mutex::new(None),
            flush_time: Histogram::new(),
            write_time: Histogram::new(),
        }
    }

    pub(crate) fn drop_one(&self, cause: Dropped) {
        self.dropped[cause as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn dropped(&self, cause: Dropped) -> u64 {
        self.dropped[cause as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn failed(&self, error: &io::Error) {
        self.flush_errors.fetch_add(1, Ordering::Relaxed);
        self.met(error);
    }

    /// Takes note of an error that stopped no write.
    pub(crate) fn met(&self, error: &io::Error) {
        let time_ns = clock::now(TimeSource::Realtime);
        *self.last_error.lock() = Some(LastError { errno: errno(error), time_ns });
    }
}
