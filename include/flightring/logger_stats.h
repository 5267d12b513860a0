/**
 * @file logger_stats.h
 *
 * Generated from crates/capi/src/logger_stats.rs by `cargo xtask headers`; edit that file.
 *
 * Statistics of loggers: cheap to read at any time, and readable after closing.
 */
#ifndef FLIGHTRING_LOGGER_STATS_H
#define FLIGHTRING_LOGGER_STATS_H

#include <flightring/base.h>
#include <flightring/logger.h>

/**
 * Why a file is written through the page cache although direct I/O was asked for.
 */
enum flr_direct_fallback
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It is not, or it was not asked for.
     */
    FLR_DIRECT_FALLBACK_NONE = 0,
    /**
     * The file system has no direct I/O.
     */
    FLR_DIRECT_FALLBACK_UNSUPPORTED = 1,
    /**
     * The file system asks for too large an alignment.
     */
    FLR_DIRECT_FALLBACK_ALIGNMENT_TOO_LARGE = 2,
    /**
     * The existing file ends at an offset that is not a multiple of the alignment.
     */
    FLR_DIRECT_FALLBACK_MISALIGNED_END = 3,
    /**
     * A write was refused with EINVAL.
     */
    FLR_DIRECT_FALLBACK_WRITE_REFUSED = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_direct_fallback flr_direct_fallback;
#else
typedef int32_t flr_direct_fallback;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A logger's numbers. Start it from FLR_LOGGER_STATS_INIT. While threads are logging the numbers are of slightly different
 * moments; after closing they are exact: `offered = accepted + dropped` and `accepted = written + in_memory`.
 */
typedef struct {
    /**
     * sizeof(flr_logger_stats), set by FLR_LOGGER_STATS_INIT.
     */
    uint32_t struct_size;
    /**
     * Not 0: the memory is locked.
     */
    uint32_t memory_locked;
    /**
     * Records that calls brought: accepted and dropped.
     */
    uint64_t offered;
    /**
     * Records that were taken.
     */
    uint64_t accepted;
    /**
     * Records that were not taken.
     */
    uint64_t dropped;
    /**
     * Bytes of blocks in the file, framing and padding included.
     */
    uint64_t bytes_written;
    /**
     * Passes to the file that wrote something.
     */
    uint64_t flushes;
    /**
     * Passes that failed; what they would have written is kept and tried again.
     */
    uint64_t flush_errors;
    /**
     * Output buffers filled and handed to the disk.
     */
    uint64_t set_swaps;
    /**
     * Dropped because there was no room.
     */
    uint64_t dropped_full;
    /**
     * Dropped because there was no room in time.
     */
    uint64_t dropped_timed_out;
    /**
     * Dropped because they can never fit.
     */
    uint64_t dropped_too_large;
    /**
     * Dropped because the logger was closed.
     */
    uint64_t dropped_closed;
    /**
     * Dropped because a signal handler had interrupted a call.
     */
    uint64_t dropped_reentered;
    /**
     * Records in the file.
     */
    uint64_t written;
    /**
     * Accepted records that the file does not hold yet.
     */
    uint64_t in_memory;
    /**
     * Their bytes, with lengths and headers.
     */
    uint64_t bytes_in_memory;
    /**
     * Bytes of records in the file, with lengths and headers.
     */
    uint64_t payload_bytes;
    /**
     * Blocks in the file.
     */
    uint64_t blocks;
    /**
     * Records that something overwrote in memory before they were written: a stray pointer. Should be 0.
     */
    uint64_t damaged;
    /**
     * Sum of the passes' durations, in nanoseconds.
     */
    uint64_t flush_total_ns;
    /**
     * Half of the passes took at most this, to within a quarter.
     */
    uint64_t flush_p50_ns;
    /**
     * 99 of 100 passes took at most this, to within a quarter.
     */
    uint64_t flush_p99_ns;
    /**
     * The longest pass.
     */
    uint64_t flush_max_ns;
    /**
     * Writes to the file.
     */
    uint64_t writes;
    /**
     * Sum of their durations, in nanoseconds.
     */
    uint64_t write_total_ns;
    /**
     * Half of the writes took at most this, to within a quarter.
     */
    uint64_t write_p50_ns;
    /**
     * 99 of 100 writes took at most this, to within a quarter.
     */
    uint64_t write_p99_ns;
    /**
     * The longest write.
     */
    uint64_t write_max_ns;
    /**
     * How long the logger's thread slept.
     */
    uint64_t parked_ns;
    /**
     * Bytes of memory mapped, with the output buffers, which the logs of a set share; 0 after closing.
     */
    uint64_t memory;
    /**
     * When the last I/O error happened, Unix nanoseconds; 0 = never.
     */
    uint64_t last_error_ns;
    /**
     * Its errno.
     */
    int32_t last_errno;
    /**
     * Not 0: direct I/O is in use.
     */
    uint32_t direct_io;
    /**
     * Not 0: the memory outlives the process.
     */
    uint32_t staged;
    /**
     * Records that opening brought back from killed processes. They are not counted in `accepted` or `written`.
     */
    uint64_t recovered;
    /**
     * Dropped because they were offered in a forked child.
     */
    uint64_t dropped_forked;
    /**
     * The longest record that is taken, in bytes.
     */
    uint64_t largest_record;
    /**
     * Bytes of the shards that are in physical memory, as of at most ten seconds ago; 0 after closing.
     */
    uint64_t memory_resident;
    /**
     * Of those: in huge pages, as of the last minute or so. 0 where they are switched off.
     */
    uint64_t memory_huge;
    /**
     * Why the memory does not outlive the process although that was asked for: an errno; 0 = it does, or was not asked for.
     */
    int32_t staging_errno;
    /**
     * Why direct I/O is not in use although it was not switched off: a flr_direct_fallback.
     */
    int32_t direct_fallback;
    /**
     * Files that rotation finished.
     */
    uint64_t files_finished;
    /**
     * Of those: compressed.
     */
    uint64_t files_compressed;
    /**
     * Where the times of records come from: a flr_time_source, realtime if another was asked for that is not to be had.
     */
    int32_t time_source;
    /**
     * Always 0.
     */
    uint32_t reserved;
    /**
     * Bytes at the end of the log that were torn when it was opened. They are in `<path>.damaged-<Unix seconds>` now.
     */
    uint64_t set_aside_bytes;
} flr_logger_stats;

/**
 * One shard's numbers. Start it from FLR_LOGGER_SHARD_STATS_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_logger_shard_stats), set by FLR_LOGGER_SHARD_STATS_INIT.
     */
    uint32_t struct_size;
    /**
     * The shard's number.
     */
    uint32_t id;
    /**
     * Records that it took.
     */
    uint64_t writes;
    /**
     * Records dropped because it was full.
     */
    uint64_t dropped;
    /**
     * Bytes that wait to be written.
     */
    uint64_t bytes_used;
    /**
     * Bytes that fit.
     */
    uint64_t capacity;
    /**
     * How full it is, in percent.
     */
    double utilisation;
} flr_logger_shard_stats;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Copies the logger's numbers out. They stay readable after closing. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API flr_status flr_logger_get_stats(const flr_logger *logger, flr_logger_stats *stats) FLR_NOEXCEPT;

/**
 * Copies the numbers of shard `index` out: 0 to `shards`; the one more is for threads that found no shard of their own.
 *
 * Errors: FLR_NOT_FOUND for an index beyond them; FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_logger_get_shard_stats(const flr_logger *logger,
                                      uint32_t index,
                                      flr_logger_shard_stats *stats) FLR_NOEXCEPT;

/**
 * Writes the logger's numbers as one JSON object into `dst`, as much as `cap` allows and without a terminating NUL, and the
 * full length into `*needed` unless that is NULL. `dst` may be NULL when `cap` is 0.
 *
 * FLR_TRUNCATED: `cap` is too small. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_logger_stats_json(const flr_logger *logger,
                                 char *dst,
                                 size_t cap,
                                 size_t *needed) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A flr_logger_stats with every member zero, which means its default. */
#define FLR_LOGGER_STATS_INIT \
    { (uint32_t)sizeof(flr_logger_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/** A flr_logger_shard_stats with every member zero, which means its default. */
#define FLR_LOGGER_SHARD_STATS_INIT \
    { (uint32_t)sizeof(flr_logger_shard_stats), 0, 0, 0, 0, 0, 0 }

#endif /* FLIGHTRING_LOGGER_STATS_H */
