/**
 * @file logger_options.h
 *
 * Generated from crates/capi/src/logger_options.rs by `cargo xtask headers`; edit that file.
 *
 * How loggers are opened: options, and the values that they take.
 */
#ifndef FLIGHTRING_LOGGER_OPTIONS_H
#define FLIGHTRING_LOGGER_OPTIONS_H

#include <flightring/base.h>

/**
 * How severe a record is. Only records of the kind FLR_RECORD_KIND_EVENT keep their level.
 */
enum flr_level
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * None given; passes every filter that lets all levels pass.
     */
    FLR_LEVEL_NONE = 0,
    /**
     * Finest detail.
     */
    FLR_LEVEL_TRACE = 1,
    /**
     * For developers.
     */
    FLR_LEVEL_DEBUG = 2,
    /**
     * Normal operation.
     */
    FLR_LEVEL_INFO = 3,
    /**
     * Something to look at.
     */
    FLR_LEVEL_WARN = 4,
    /**
     * Something failed.
     */
    FLR_LEVEL_ERROR = 5,
    /**
     * The process cannot go on.
     */
    FLR_LEVEL_FATAL = 6,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_level flr_level;
#else
typedef int32_t flr_level;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How records are laid out in the file.
 */
enum flr_record_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The caller's bytes and nothing else: the default.
     */
    FLR_RECORD_KIND_RAW = 0,
    /**
     * With a time.
     */
    FLR_RECORD_KIND_TIMED = 1,
    /**
     * With time, thread, level, and a sequence number by which a reader orders records of several threads.
     */
    FLR_RECORD_KIND_EVENT = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_record_kind flr_record_kind;
#else
typedef int32_t flr_record_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Where the times of records come from.
 */
enum flr_time_source
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * CLOCK_REALTIME: the system's best, some 25 ns a call: the default.
     */
    FLR_TIME_SOURCE_REALTIME = 0,
    /**
     * CLOCK_REALTIME_COARSE: of the last timer tick, 1 to 10 ms old, some 5 ns a call.
     */
    FLR_TIME_SOURCE_COARSE = 1,
    /**
     * The processor's time stamp counter, held against CLOCK_REALTIME once a second: about as cheap as coarse, and within 100 us of
     * the clock; after the clock was set, within a second. The first flr_logger_open() with it takes 20 ms. Where the
     * counter does not run at one rate, or the kernel does not trust it, FLR_TIME_SOURCE_REALTIME is used;
     * flr_logger_stats.time_source says which.
     */
    FLR_TIME_SOURCE_TSC = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_time_source flr_time_source;
#else
typedef int32_t flr_time_source;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What happens to a record for which there is no room.
 */
enum flr_overflow
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It is dropped and counted, and the call returns FLR_DROPPED at once: the default.
     */
    FLR_OVERFLOW_DROP_NEWEST = 0,
    /**
     * The call waits for room, or until the logger is closed.
     */
    FLR_OVERFLOW_BLOCK = 1,
    /**
     * The call waits for at most `overflow_timeout_ms`, then drops the record and returns FLR_TIMEOUT.
     */
    FLR_OVERFLOW_BLOCK_FOR = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_overflow flr_overflow;
#else
typedef int32_t flr_overflow;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * When records become durable by themselves. flr_logger_flush() makes them so in any case.
 */
enum flr_sync
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * When the system sees fit: the default.
     */
    FLR_SYNC_NONE = 0,
    /**
     * Each write to the file is durable when it returns (O_DSYNC).
     */
    FLR_SYNC_EACH_BATCH = 1,
    /**
     * At the flush interval.
     */
    FLR_SYNC_INTERVAL = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_sync flr_sync;
#else
typedef int32_t flr_sync;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Whether what was accepted outlives the process.
 */
enum flr_staging
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It does not: what was not written yet when the process is killed, or ends without closing the logger, is lost: the
     * default.
     */
    FLR_STAGING_PRIVATE = 0,
    /**
     * The memory is a file in /dev/shm: after SIGKILL, a crash or _exit(), the next flr_logger_open() of the same log, or
     * flr_log_recover(), brings every accepted record into the log, exactly once. It does not outlive the machine. Where
     * there is no room for it, private memory is used; flr_logger_stats.staged says which.
     */
    FLR_STAGING_SHARED = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_staging flr_staging;
#else
typedef int32_t flr_staging;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Whether dropped records are reported in the log, by markers of their own, at most one a second for each cause.
 */
enum flr_drop_markers
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Logs of events have them: the default. Programs that know only older formats take markers for records.
     */
    FLR_DROP_MARKERS_EVENTS = 0,
    /**
     * The log has them, whatever its kind.
     */
    FLR_DROP_MARKERS_ON = 1,
    /**
     * The log has none.
     */
    FLR_DROP_MARKERS_OFF = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_drop_markers flr_drop_markers;
#else
typedef int32_t flr_drop_markers;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * At which times a log begins a new file by itself, if the old one is not empty.
 */
enum flr_schedule
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * At none: the default.
     */
    FLR_SCHEDULE_NEVER = 0,
    /**
     * At every full hour, local time.
     */
    FLR_SCHEDULE_HOURLY = 1,
    /**
     * At midnight, local time.
     */
    FLR_SCHEDULE_DAILY = 2,
    /**
     * `rotate_every_ms` after the file was begun, which may have been in an earlier process.
     */
    FLR_SCHEDULE_EVERY = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_schedule flr_schedule;
#else
typedef int32_t flr_schedule;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Told of a finished file by its path, which is valid during the call, for example to upload it. Called by a thread of the
 * library's own, one for each file, while no lock is held; every function of the library may be called inside.
 * flr_logger_close() of this logger, which waits for the callback, returns FLR_BUSY there, and after flr_logger_destroy() the
 * logger finishes when the callback has returned.
 */
typedef void (*flr_sealed_fn)(void *user_data, const char *path);

/**
 * Ends the user data of a flr_sealed_fn.
 */
typedef void (*flr_sealed_destroy_fn)(void *user_data);

/**
 * How a logger is opened. Start it from FLR_LOGGER_OPTIONS_INIT and set `path`; a member that is zero has its default.
 */
typedef struct {
    /**
     * sizeof(flr_logger_options), set by FLR_LOGGER_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * The log file. Its folder must exist. A log that is there already is continued. The file's own name may have up to 255
     * bytes; 235 with rotation, 225 with compression, because finished files get longer names.
     */
    const char *path;
    /**
     * Bytes of memory for records. Default: 64 MiB. The logger takes one shard more if there are more threads than shards.
     */
    uint64_t buffer_size;
    /**
     * Shards that the memory is divided into: threads that log without sharing, 1 to 1024. Default: 8. When its
     * shard is full a thread goes on in others, that are free or whose threads are silent; threads beyond the shards share one
     * more. A shard must have at least 64 KiB. The longest record that is taken, its header included, is the smaller of half a shard
     * (less 72 bytes from 2 MiB on) and a quarter of `buffer_size` (at least 256 KiB, at most 4 MiB) less 128 KiB;
     * flr_logger_stats.largest_record is the exact number.
     */
    uint32_t shards;
    /**
     * The longest, in milliseconds, that a record stays in memory. Default: 10,000.
     */
    uint32_t flush_interval_ms;
    /**
     * The longest, in milliseconds, that closing waits for a thread in the middle of a record. Default: 10.
     */
    uint32_t flush_timeout_ms;
    /**
     * A flr_record_kind. Default: raw.
     */
    int32_t kind;
    /**
     * A flr_level: FLR_LOG and flr_logger_log() below it do nothing. Default: all pass.
     */
    int32_t level;
    /**
     * A flr_time_source, for the kinds that have a time. Default: realtime.
     */
    int32_t time_source;
    /**
     * A flr_overflow. Default: drop newest.
     */
    int32_t overflow;
    /**
     * For FLR_OVERFLOW_BLOCK_FOR, in milliseconds; 0 does not wait.
     */
    uint32_t overflow_timeout_ms;
    /**
     * A flr_sync. Default: none.
     */
    int32_t sync;
    /**
     * Not 0: write through the page cache even where direct I/O is possible.
     */
    uint32_t no_direct_io;
    /**
     * Bytes to reserve on disk ahead of the end of the file; given back by closing. Where there is no room for them, the log
     * goes on without. Default: none.
     */
    uint64_t preallocate;
    /**
     * 2: no huge pages. Else they are used where the system has them, but not for staging in shared memory.
     */
    uint32_t huge_pages;
    /**
     * Not 0: keep the memory from being swapped out; whether that worked is in the statistics.
     */
    uint32_t lock_memory;
    /**
     * A flr_staging. Default: private.
     */
    int32_t staging;
    /**
     * The folder of staging files; it should be in memory. NULL: /dev/shm.
     */
    const char *staging_folder;
    /**
     * A flr_drop_markers. Default: for events.
     */
    int32_t drop_markers;
    /**
     * Begin a new file once it has this many bytes (and at most 4 MiB more). Default: whatever its size.
     */
    uint64_t rotate_size;
    /**
     * A flr_schedule. What was logged before that time is in the file that ends; a file whose time is over when the log is
     * opened ends then. Default: never.
     */
    int32_t rotate_schedule;
    /**
     * For FLR_SCHEDULE_EVERY.
     */
    uint32_t rotate_every_ms;
    /**
     * Finished files to keep; the oldest are deleted first, when the log is opened and whenever a file is finished, whether
     * `sealed` has returned for them or not. Default: all.
     */
    uint32_t keep_files;
    /**
     * Seconds to keep finished files after they were written last; looked at now and then, too: they go at most a tenth, or
     * an hour, too late. Default: for ever.
     */
    uint32_t keep_seconds;
    /**
     * Bytes of finished files to keep. Default: all.
     */
    uint64_t keep_bytes;
    /**
     * Told of each finished file, or NULL. May be called before flr_logger_open() returns.
     */
    flr_sealed_fn sealed;
    /**
     * For `sealed`.
     */
    void *sealed_user_data;
    /**
     * Called with `sealed_user_data` when the logger does not need it any more, exactly once, also when opening fails; or
     * NULL.
     */
    flr_sealed_destroy_fn sealed_destroy;
    /**
     * Not 0: do not publish the logger's numbers for other processes (`flightring stats`).
     */
    uint32_t no_stats_file;
    /**
     * The folder in which they are published, by a small file that is renewed once a second if something changed, and
     * removed by closing; it should be in memory. Where it cannot be made, nothing is published. NULL: /dev/shm.
     */
    const char *stats_folder;
    /**
     * Not 0: compress finished files with zstd, in a background thread: then they end in `.zst`, and `sealed` is told that
     * name. Whatever interrupts that leaves the file as it was; so does closing, which does not wait for it.
     */
    uint32_t compress_finished;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} flr_logger_options;

/** A flr_logger_options with every member zero, which means its default. */
#define FLR_LOGGER_OPTIONS_INIT \
    { (uint32_t)sizeof(flr_logger_options), NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL, 0, NULL, 0, 0 }

#endif /* FLIGHTRING_LOGGER_OPTIONS_H */
