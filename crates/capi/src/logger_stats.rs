//! Statistics of loggers: cheap to read at any time, and readable after closing.

use std::ffi::c_char;
use std::time::Duration;

use flightring_blockfile::DirectFallback;
use flightring_logger::{Stats, TimeSource};

use crate::buffer::{fitted, output, set};
use crate::flr_status;
use crate::guard::guard;
use crate::handle;
use crate::logger::flr_logger;
use crate::sized::{self, SizedStruct};
use crate::status::fail;

/// A logger's numbers. Start it from FLR_LOGGER_STATS_INIT. While threads are logging the numbers are of slightly different
/// moments; after closing they are exact: `offered = accepted + dropped` and `accepted = written + in_memory`.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_logger_stats {
    /// sizeof(flr_logger_stats), set by FLR_LOGGER_STATS_INIT.
    pub struct_size: u32,
    /// Not 0: the memory is locked.
    pub memory_locked: u32,
    /// Records that calls brought: accepted and dropped.
    pub offered: u64,
    /// Records that were taken.
    pub accepted: u64,
    /// Records that were not taken.
    pub dropped: u64,
    /// Bytes of blocks in the file, framing and padding included.
    pub bytes_written: u64,
    /// Passes to the file that wrote something.
    pub flushes: u64,
    /// Passes that failed; what they would have written is kept and tried again.
    pub flush_errors: u64,
    /// Output buffers filled and handed to the disk.
    pub set_swaps: u64,
    /// Dropped because there was no room.
    pub dropped_full: u64,
    /// Dropped because there was no room in time.
    pub dropped_timed_out: u64,
    /// Dropped because they can never fit.
    pub dropped_too_large: u64,
    /// Dropped because the logger was closed.
    pub dropped_closed: u64,
    /// Dropped because a signal handler had interrupted a call.
    pub dropped_reentered: u64,
    /// Records in the file.
    pub written: u64,
    /// Accepted records that the file does not hold yet.
    pub in_memory: u64,
    /// Their bytes, with lengths and headers.
    pub bytes_in_memory: u64,
    /// Bytes of records in the file, with lengths and headers.
    pub payload_bytes: u64,
    /// Blocks in the file.
    pub blocks: u64,
    /// Records that something overwrote in memory before they were written: a stray pointer. Should be 0.
    pub damaged: u64,
    /// Sum of the passes' durations, in nanoseconds.
    pub flush_total_ns: u64,
    /// Half of the passes took at most this, to within a quarter.
    pub flush_p50_ns: u64,
    /// 99 of 100 passes took at most this, to within a quarter.
    pub flush_p99_ns: u64,
    /// The longest pass.
    pub flush_max_ns: u64,
    /// Writes to the file.
    pub writes: u64,
    /// Sum of their durations, in nanoseconds.
    pub write_total_ns: u64,
    /// Half of the writes took at most this, to within a quarter.
    pub write_p50_ns: u64,
    /// 99 of 100 writes took at most this, to within a quarter.
    pub write_p99_ns: u64,
    /// The longest write.
    pub write_max_ns: u64,
    /// How long the logger's thread slept.
    pub parked_ns: u64,
    /// Bytes of memory mapped, with the output buffers, which the logs of a set share; 0 after closing.
    pub memory: u64,
    /// When the last I/O error happened, Unix nanoseconds; 0 = never.
    pub last_error_ns: u64,
    /// Its errno.
    pub last_errno: i32,
    /// Not 0: direct I/O is in use.
    pub direct_io: u32,
    /// Not 0: the memory outlives the process.
    pub staged: u32,
    /// Records that opening brought back from killed processes. They are not counted in `accepted` or `written`.
    pub recovered: u64,
    /// Dropped because they were offered in a forked child.
    pub dropped_forked: u64,
    /// The longest record that is taken, in bytes.
    pub largest_record: u64,
    /// Bytes of the shards that are in physical memory, as of at most ten seconds ago; 0 after closing.
    pub memory_resident: u64,
    /// Of those: in huge pages, as of the last minute or so. 0 where they are switched off.
    pub memory_huge: u64,
    /// Why the memory does not outlive the process although that was asked for: an errno; 0 = it does, or was not asked for.
    pub staging_errno: i32,
    /// Why direct I/O is not in use although it was not switched off: a flr_direct_fallback.
    pub direct_fallback: i32,
    /// Files that rotation finished.
    pub files_finished: u64,
    /// Of those: compressed.
    pub files_compressed: u64,
    /// Where the times of records come from: a flr_time_source, realtime if another was asked for that is not to be had.
    pub time_source: i32,
    /// Always 0.
    pub reserved: u32,
    /// Bytes at the end of the log that were torn when it was opened. They are in `<path>.damaged-<Unix seconds>` now.
    pub set_aside_bytes: u64,
}

/// Why a file is written through the page cache although direct I/O was asked for.
#[repr(i32)]
pub enum flr_direct_fallback {
    /// It is not, or it was not asked for.
    None = 0,
    /// The file system has no direct I/O.
    Unsupported = 1,
    /// The file system asks for too large an alignment.
    AlignmentTooLarge = 2,
    /// The existing file ends at an offset that is not a multiple of the alignment.
    MisalignedEnd = 3,
    /// A write was refused with EINVAL.
    WriteRefused = 4,
}

// SAFETY: repr(C), the size first, integers only.
unsafe impl SizedStruct for flr_logger_stats {
    const NAME: &'static str = "flr_logger_stats";
}

/// One shard's numbers. Start it from FLR_LOGGER_SHARD_STATS_INIT.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct flr_logger_shard_stats {
    /// sizeof(flr_logger_shard_stats), set by FLR_LOGGER_SHARD_STATS_INIT.
    pub struct_size: u32,
    /// The shard's number.
    pub id: u32,
    /// Records that it took.
    pub writes: u64,
    /// Records dropped because it was full.
    pub dropped: u64,
    /// Bytes that wait to be written.
    pub bytes_used: u64,
    /// Bytes that fit.
    pub capacity: u64,
    /// How full it is, in percent.
    pub utilisation: f64,
}

// SAFETY: repr(C), the size first, numbers only.
unsafe impl SizedStruct for flr_logger_shard_stats {
    const NAME: &'static str = "flr_logger_shard_stats";
}

/// Copies the logger's numbers out. They stay readable after closing. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_get_stats(
    logger: *const flr_logger,
    stats: *mut flr_logger_stats,
) -> flr_status {
    guard(|| {
        // SAFETY: a live logger and a struct that begins with its size, as documented.
        unsafe {
            sized::check(stats)?;
            sized::write(stats, &stats_of(&handle::get(logger)?.stats()))
        }
    })
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

pub(crate) fn stats_of(stats: &Stats) -> flr_logger_stats {
    flr_logger_stats {
        struct_size: 0,
        memory_locked: stats.memory_locked.into(),
        offered: stats.offered,
        accepted: stats.accepted,
        dropped: stats.dropped,
        bytes_written: stats.bytes_written,
        flushes: stats.flushes,
        flush_errors: stats.flush_errors,
        set_swaps: stats.set_swaps,
        dropped_full: stats.dropped_full,
        dropped_timed_out: stats.dropped_timed_out,
        dropped_too_large: stats.dropped_too_large,
        dropped_closed: stats.dropped_closed,
        dropped_reentered: stats.dropped_reentered,
        written: stats.written,
        in_memory: stats.in_memory,
        bytes_in_memory: stats.bytes_in_memory,
        payload_bytes: stats.payload_bytes,
        blocks: stats.blocks,
        damaged: stats.damaged,
        flush_total_ns: ns(stats.flush_time.total),
        flush_p50_ns: ns(stats.flush_time.p50),
        flush_p99_ns: ns(stats.flush_time.p99),
        flush_max_ns: ns(stats.flush_time.max),
        writes: stats.write_time.count,
        write_total_ns: ns(stats.write_time.total),
        write_p50_ns: ns(stats.write_time.p50),
        write_p99_ns: ns(stats.write_time.p99),
        write_max_ns: ns(stats.write_time.max),
        parked_ns: ns(stats.parked),
        memory: stats.memory,
        last_error_ns: stats.last_error.map_or(0, |error| error.time_ns),
        last_errno: stats.last_error.map_or(0, |error| error.errno),
        direct_io: stats.direct.into(),
        staged: stats.staged.into(),
        recovered: stats.recovered,
        set_aside_bytes: stats.set_aside_bytes,
        dropped_forked: stats.dropped_forked,
        largest_record: stats.largest_record,
        memory_resident: stats.memory_resident,
        memory_huge: stats.memory_huge,
        staging_errno: stats.staging_errno,
        direct_fallback: stats.fallback.map_or(flr_direct_fallback::None, fallback_of) as i32,
        files_finished: stats.files_finished,
        files_compressed: stats.files_compressed,
        time_source: match stats.time_source {
            TimeSource::Coarse => 1,
            TimeSource::Tsc => 2,
            _ => 0,
        },
        reserved: 0,
    }
}

fn fallback_of(why: DirectFallback) -> flr_direct_fallback {
    match why {
        DirectFallback::AlignmentTooLarge => flr_direct_fallback::AlignmentTooLarge,
        DirectFallback::MisalignedEnd => flr_direct_fallback::MisalignedEnd,
        DirectFallback::WriteRefused => flr_direct_fallback::WriteRefused,
        _ => flr_direct_fallback::Unsupported,
    }
}

/// Copies the numbers of shard `index` out: 0 to `shards`; the one more is for threads that found no shard of their own.
///
/// Errors: FLR_NOT_FOUND for an index beyond them; FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_get_shard_stats(
    logger: *const flr_logger,
    index: u32,
    stats: *mut flr_logger_shard_stats,
) -> flr_status {
    guard(|| {
        // SAFETY: a live logger and a struct that begins with its size, as documented.
        let logger = unsafe {
            sized::check(stats)?;
            handle::get(logger)?
        };
        let Some(shard) = logger.shard_stats(index as usize) else {
            let shards = logger.shards();
            return Err(fail(
                flr_status::NOT_FOUND,
                format_args!("there is no shard {index}; there are {shards}"),
            ));
        };
        let found = flr_logger_shard_stats {
            struct_size: 0,
            id: index,
            writes: shard.writes,
            dropped: shard.dropped,
            bytes_used: shard.bytes_used,
            capacity: shard.capacity,
            utilisation: shard.utilisation(),
        };
        // SAFETY: checked above.
        unsafe { sized::write(stats, &found) }
    })
}

/// Writes the logger's numbers as one JSON object into `dst`, as much as `cap` allows and without a terminating NUL, and the
/// full length into `*needed` unless that is NULL. `dst` may be NULL when `cap` is 0.
///
/// FLR_TRUNCATED: `cap` is too small. Errors: FLR_INVALID, FLR_FORKED.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn flr_logger_stats_json(
    logger: *const flr_logger,
    dst: *mut c_char,
    cap: usize,
    needed: *mut usize,
) -> flr_status {
    guard(|| {
        // SAFETY: a live logger and room in `dst`, as documented.
        let (logger, dst) = unsafe { (handle::get(logger)?, output(dst.cast(), cap)?) };
        let json = logger.stats().to_json();
        let copied = json.len().min(dst.len());
        dst[..copied].copy_from_slice(&json.as_bytes()[..copied]);
        // SAFETY: NULL or writable, as documented.
        unsafe { set(needed, json.len()) };
        fitted(json.len(), cap)
    })
}
