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
#include <flightring/logger_options.h>

/**
 * A logger.
 *
 * Threads: all functions but flr_logger_destroy() may be called concurrently.
 */
typedef struct flr_logger flr_logger;

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
 * FLR_BUSY: called inside a flr_watch_fn or flr_sealed_fn of this logger, or of another one in its set; nothing was done.
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
