/**
 * @file logger_set.h
 *
 * Generated from crates/capi/src/logger_set.rs by `cargo xtask headers`; edit that file.
 *
 * Sets of named logs: one folder, one background thread and one memory budget for all of them.
 *
 * Logs are made when they are first asked for, from any thread. A name may be anything that is not empty: the characters
 * `/ \ : * ? " < > |`, spaces and control characters become `_`, and names that become equal are the same log,
 * `<folder>/<name>.log`.
 */
#ifndef FLIGHTRING_LOGGER_SET_H
#define FLIGHTRING_LOGGER_SET_H

#include <flightring/base.h>
#include <flightring/logger_stats.h>

/**
 * A set of named loggers.
 *
 * Threads: all functions but flr_logger_set_destroy() may be called concurrently.
 */
typedef struct flr_logger_set flr_logger_set;

/**
 * How a set is opened. Start it from FLR_LOGGER_SET_OPTIONS_INIT and set `folder`; a member that is zero has its default.
 */
typedef struct {
    /**
     * sizeof(flr_logger_set_options), set by FLR_LOGGER_SET_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * How many logs there may be; each gets an equal part of the budget, at least 64 KiB. Default: 32.
     */
    uint32_t most_logs;
    /**
     * The folder of the logs. It must exist.
     */
    const char *folder;
    /**
     * Bytes of memory for the records of all logs together. Default: 64 MiB.
     */
    uint64_t budget;
    /**
     * Everything else about each log, or NULL for the defaults; `path` and `buffer_size` are not used, and `shards` is the
     * most that a log gets. Only needed during flr_logger_set_open(); its user data is ended once the set is.
     */
    const flr_logger_options *each;
} flr_logger_set_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Opens a set, with no log in it yet, and starts its thread.
 *
 * The set is the caller's, to be ended with flr_logger_set_destroy(). Errors: FLR_INVALID for options out of range;
 * FLR_NO_MEMORY; FLR_IO when no thread can be started.
 */
FLR_API
FLR_MUST_USE
flr_status flr_logger_set_open(const flr_logger_set_options *options,
                               flr_logger_set **out) FLR_NOEXCEPT;

/**
 * Gives a handle to the log of this name, which is opened if it was not. The handle is the caller's, to be ended with
 * flr_logger_destroy(); the log itself stays open as long as the set.
 *
 * A log that was closed by flr_logger_close() stays closed.
 *
 * Errors: FLR_INVALID for a name that is empty or longer than 251 bytes (231 with rotation, 221 with compression), for one log
 * more than there may be, and for a set that is closed; as flr_logger_open() otherwise; FLR_FORKED.
 */
FLR_API
FLR_MUST_USE
flr_status flr_logger_set_get(const flr_logger_set *set,
                              const char *name,
                              flr_logger **out) FLR_NOEXCEPT;

/**
 * Writes the names of all logs, as they are in the folder and each followed by a newline, into `dst`, as much as `cap`
 * allows, and the full length into `*needed` unless that is NULL. `dst` may be NULL when `cap` is 0.
 *
 * FLR_TRUNCATED: `cap` is too small. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_logger_set_list(const flr_logger_set *set,
                               char *dst,
                               size_t cap,
                               size_t *needed) FLR_NOEXCEPT;

/**
 * Copies the numbers of all logs together out; of what cannot be added, the worst. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_logger_set_get_stats(const flr_logger_set *set,
                                    flr_logger_stats *stats) FLR_NOEXCEPT;

/**
 * Closes all logs, as flr_logger_close() does, and ends the thread. Closing again returns the same.
 *
 * Errors: FLR_IO: accepted records of a log could not be written; the message says of which. FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_logger_set_close(const flr_logger_set *set) FLR_NOEXCEPT;

/**
 * Ends a set, and closes it first if that was not done. Handles to its logs stay valid until they are ended, but log nothing
 * more. NULL is accepted and does nothing. In a forked child nothing is written.
 */
FLR_API
void flr_logger_set_destroy(flr_logger_set *set) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A flr_logger_set_options with every member zero, which means its default. */
#define FLR_LOGGER_SET_OPTIONS_INIT \
    { (uint32_t)sizeof(flr_logger_set_options), 0, NULL, 0, NULL }

#endif /* FLIGHTRING_LOGGER_SET_H */
