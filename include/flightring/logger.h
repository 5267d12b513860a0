/**
 * @file logger.h
 *
 * Generated from crates/capi/src/logger.rs by `cargo xtask headers`; edit that file.
 *
 * Loggers: records go to memory at the speed of a copy, and to a file in the background.
 *
 * A program opens a logger per file and writes from any number of threads. A call copies the record into memory that the
 * calling thread has to itself, and returns; a thread of the library writes it to the file, with direct I/O where the file
 * system takes it. At every moment `offered = accepted + dropped`, and every accepted record is in the file or in memory:
 * a full disk or a failing device loses nothing that was accepted while the logger is open, and flr_logger_close() says
 * what could not be written. Records of one thread stand in the file in the order in which that thread wrote them.
 *
 * A call made while the same thread is inside another call on the same logger (from a signal handler) is dropped and
 * counted. Calls from thread_local and static destructors work.
 */
#ifndef FLIGHTRING_LOGGER_H
#define FLIGHTRING_LOGGER_H

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
     * It does not: what a killed process had not written yet is lost: the default.
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
     * `rotate_every_ms` after the file was begun.
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
 * A logger.
 *
 * Threads: all functions but flr_logger_destroy() may be called concurrently.
 */
typedef struct flr_logger flr_logger;

/**
 * Told of a finished file by its path, which is valid during the call, for example to upload it. Called by a thread of the
 * library's own, one for each file, while no lock is held; every function of the library may be called inside but
 * flr_logger_close() and flr_logger_destroy() of this logger, which wait for it.
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
     * The log file. Its folder must exist. A log that is there already is continued.
     */
    const char *path;
    /**
     * Bytes of memory for records. Default: 64 MiB. The logger takes one shard more if there are more threads than shards.
     */
    uint64_t buffer_size;
    /**
     * Shards that the memory is divided into: threads that log without sharing, 1 to 1024. Default: 8. A shard must have at
     * least 64 KiB. The longest record is half a shard, at most 4 MiB less framing.
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
     * For FLR_OVERFLOW_BLOCK_FOR.
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
     * Bytes to reserve on disk ahead of the end of the file; given back by closing. Default: none.
     */
    uint64_t preallocate;
    /**
     * Not 0: ask for huge pages.
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
     * A flr_schedule. Default: never.
     */
    int32_t rotate_schedule;
    /**
     * For FLR_SCHEDULE_EVERY.
     */
    uint32_t rotate_every_ms;
    /**
     * Finished files to keep; the oldest are deleted first. Default: all.
     */
    uint32_t keep_files;
    /**
     * Seconds to keep finished files. Default: for ever.
     */
    uint32_t keep_seconds;
    /**
     * Bytes of finished files to keep. Default: all.
     */
    uint64_t keep_bytes;
    /**
     * Told of each finished file, or NULL.
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
} flr_logger_options;

/**
 * A record that is being filled in place, from flr_logger_reserve(). Start it from FLR_LOGGER_SLOT_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_logger_slot), set by FLR_LOGGER_SLOT_INIT.
     */
    uint32_t struct_size;
    /**
     * The library's: not 0 while a reservation is held.
     */
    uint32_t held;
    /**
     * Where the record's bytes go.
     */
    void *data;
    /**
     * How many bytes there are room for: at least as many as were asked for.
     */
    size_t capacity;
    /**
     * The library's.
     */
    uint64_t internal[12];
} flr_logger_slot;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Opens a log for writing, and starts the thread that writes it.
 *
 * The logger is the caller's, to be ended with flr_logger_destroy(). A log that exists is continued at the end of its last
 * good block; a torn end is set aside beside it. Errors: FLR_INVALID for options out of range, and for a path that is a
 * directory or no log; FLR_NOT_FOUND when the folder is missing; FLR_BUSY when somebody has the log open already; FLR_IO;
 * FLR_NO_MEMORY.
 */
FLR_API
FLR_MUST_USE
flr_status flr_logger_open(const flr_logger_options *options,
                           flr_logger **out) FLR_NOEXCEPT;

/**
 * Writes a record of `len` bytes, which may be 0. The bytes are copied before the call returns.
 *
 * FLR_OK: it is accepted. FLR_DROPPED, FLR_TIMEOUT: there was no room, see flr_overflow. FLR_CLOSED: after
 * flr_logger_close(). All of them are counted. Errors: FLR_TOO_LARGE (counted), FLR_INVALID, FLR_FORKED.
 */
FLR_API flr_status flr_logger_write(const flr_logger *logger, const void *data, size_t len) FLR_NOEXCEPT;

/**
 * Writes a text of `len` bytes with a level, a flr_level. A level that is filtered out does nothing, and is FLR_OK.
 *
 * Returns as flr_logger_write() does; FLR_INVALID also for an unknown level.
 */
FLR_API
flr_status flr_logger_log(const flr_logger *logger,
                          int32_t level,
                          const char *text,
                          size_t len) FLR_NOEXCEPT;

/**
 * Whether records of this level are logged: 1 or 0. Costs one load. Also 1 for a logger or a level that is wrong, so that
 * the call that follows says what is.
 */
FLR_API
int32_t flr_logger_enabled(const flr_logger *logger,
                           int32_t level) FLR_NOEXCEPT;

/**
 * Changes the lowest level that is logged, for all threads. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API flr_status flr_logger_set_level(const flr_logger *logger, int32_t level) FLR_NOEXCEPT;

/**
 * Begins a record of at least `len` bytes that the caller fills in place: up to `slot->capacity` bytes at `slot->data`. It
 * must be ended soon, by the same thread, with flr_logger_commit() or flr_logger_cancel(); until then the thread's other
 * calls on the logger are dropped, and other threads may have to wait.
 *
 * Returns as flr_logger_log() does; nothing is held unless that is FLR_OK. FLR_INVALID also for a slot that is held.
 */
FLR_API
flr_status flr_logger_reserve(const flr_logger *logger,
                              int32_t level,
                              size_t len,
                              flr_logger_slot *slot) FLR_NOEXCEPT;

/**
 * Accepts the first `len` bytes of a slot as a record, and ends the reservation.
 *
 * FLR_OK: it is accepted. FLR_CLOSED: the logger was closed meanwhile. Errors: FLR_TOO_LARGE: `len` is more than
 * `slot->capacity`; nothing was logged. FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_logger_commit(const flr_logger *logger,
                             flr_logger_slot *slot,
                             size_t len) FLR_NOEXCEPT;

/**
 * Ends a reservation without logging anything. A slot that holds none is left as it is.
 *
 * Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API flr_status flr_logger_cancel(const flr_logger *logger, flr_logger_slot *slot) FLR_NOEXCEPT;

/**
 * Waits until every record accepted before the call, by any thread, is durable, for at most `timeout_ms` milliseconds;
 * negative means without limit. It does not wait for later records.
 *
 * FLR_OK: they are. FLR_TIMEOUT: not yet; the work goes on. FLR_CLOSED: the logger was closed, and closing could not write
 * all. Errors: FLR_IO as soon as an attempt fails: the records are kept and tried again; FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_logger_flush(const flr_logger *logger,
                            int64_t timeout_ms) FLR_NOEXCEPT;

/**
 * Begins a new file: everything accepted before the call is in the old one, which is called
 * `<path>.<UTC date>-<UTC time>-<number>` from then on. Writers are not held up. If the path does not name the file any more
 * (logrotate moved it), the path is opened anew instead. An empty file is left as it is.
 *
 * FLR_CLOSED: after flr_logger_close(). Errors: FLR_IO: the old file goes on; FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_logger_rotate(const flr_logger *logger) FLR_NOEXCEPT;

/**
 * Writes everything that was accepted, cuts the file to its size, makes it durable, and gives the memory back. Records
 * offered later are FLR_CLOSED, and counted. Closing again returns the same.
 *
 * Errors: FLR_IO: accepted records could not be written; the message says how many, and the statistics have the numbers.
 * FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_logger_close(const flr_logger *logger) FLR_NOEXCEPT;

/**
 * Ends a logger, and closes it first if that was not done: then what could not be written is lost without a word. NULL is
 * accepted and does nothing. In a forked child nothing is written, and the parent's logger is left alone.
 */
FLR_API
void flr_logger_destroy(flr_logger *logger) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A flr_logger_options with every member zero, which means its default. */
#define FLR_LOGGER_OPTIONS_INIT \
    { (uint32_t)sizeof(flr_logger_options), NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, 0, 0, 0, 0, 0, NULL, NULL, NULL }

/** A flr_logger_slot with every member zero, which means its default. */
#define FLR_LOGGER_SLOT_INIT \
    { (uint32_t)sizeof(flr_logger_slot), 0, NULL, 0, {0} }

#include <stdarg.h>
#include <stdio.h>

/* Used by FLR_LOG. */
static inline flr_status flr_logger_not_logged(void) FLR_NOEXCEPT {
    return FLR_OK;
}

/**
 * Formats a text as printf does, straight into the logger's memory, and logs it. Prefer FLR_LOG, which does not evaluate the
 * arguments when the level is filtered out.
 *
 * Returns as flr_logger_log() does; FLR_INVALID also when the C library refuses the format.
 */
static inline flr_status flr_logger_logf(const flr_logger *logger, int32_t level, const char *format, ...)
    FLR_PRINTF(3, 4);

static inline flr_status flr_logger_logf(const flr_logger *logger, int32_t level, const char *format, ...) {
    flr_logger_slot slot = FLR_LOGGER_SLOT_INIT;
    size_t asked = 256;
    for (;;) {
        va_list arguments;
        int length;
        flr_status status = flr_logger_reserve(logger, level, asked, &slot);
        if (status != FLR_OK) {
            return status;
        }
        va_start(arguments, format);
        length = vsnprintf((char *)slot.data, slot.capacity, format, arguments);
        va_end(arguments);
        /* The terminating NUL needs room, too, but is not logged. */
        if (length >= 0 && (size_t)length < slot.capacity) {
            return flr_logger_commit(logger, &slot, (size_t)length);
        }
        status = flr_logger_cancel(logger, &slot);
        if (status != FLR_OK || length < 0) {
            return status != FLR_OK ? status : FLR_INVALID;
        }
        asked = (size_t)length + 1;
    }
}

/**
 * Logs a text that is formatted as printf does; the compiler checks the arguments. `logger` and `level` are evaluated twice,
 * the other arguments not at all when the level is filtered out. Returns as flr_logger_log() does.
 */
#define FLR_LOG(logger, level, ...)                                                          \
    (flr_logger_enabled((logger), (level)) ? flr_logger_logf((logger), (level), __VA_ARGS__) \
                                           : flr_logger_not_logged())

#endif /* FLIGHTRING_LOGGER_H */
