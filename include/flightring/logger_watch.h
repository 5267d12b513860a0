/**
 * @file logger_watch.h
 *
 * Generated from crates/capi/src/logger_watch.rs by `cargo xtask headers`; edit that file.
 *
 * Watching loggers: their numbers, told to a callback now and then.
 */
#ifndef FLIGHTRING_LOGGER_WATCH_H
#define FLIGHTRING_LOGGER_WATCH_H

#include <flightring/base.h>
#include <flightring/logger_stats.h>

/**
 * A watch over a logger's numbers.
 *
 * Threads: whoever ends it, which may be its own callback.
 */
typedef struct flr_watch flr_watch;

/**
 * Told of a logger's numbers, which are valid during the call; `stats->struct_size` is the library's. Called by the logger's
 * background thread, while no lock of the library is held. That thread writes nothing meanwhile, so the callback should be
 * short. Inside, the logger may be written to (what finds no room is dropped, also where others wait for it) and asked for
 * statistics, and the watch may be ended; flr_logger_flush() returns FLR_TIMEOUT, flr_logger_rotate() FLR_CLOSED and
 * flr_logger_close() FLR_BUSY, and after flr_logger_destroy() the logger finishes when the callback has returned.
 */
typedef void (*flr_watch_fn)(void *user_data, const flr_logger_stats *stats);

/**
 * Ends the user data of a flr_watch_fn.
 */
typedef void (*flr_watch_destroy_fn)(void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Calls `callback` with the logger's numbers about every `period_ms` milliseconds (0 = 1000), not sooner than a write to the
 * file ends that is being made, and a last time, with the exact final numbers, when the logger is closed. `destroy`, which may
 * be NULL, is called with `user_data` exactly once: when the callback will not be called again, because the watch or the
 * logger was ended, also if this call fails.
 *
 * The watch is the caller's, to be ended with flr_watch_destroy(), before or after the logger. The callback may run before
 * `*out` is set. FLR_CLOSED: the logger was closed. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
FLR_MUST_USE
flr_status flr_logger_watch(const flr_logger *logger,
                            uint32_t period_ms,
                            flr_watch_fn callback,
                            void *user_data,
                            flr_watch_destroy_fn destroy,
                            flr_watch **out) FLR_NOEXCEPT;

/**
 * Ends a watch. When this returns, the callback does not run and never will again, and `destroy` was called; called inside the
 * callback, it is the callback's last run, and `destroy` is called after it. NULL is accepted and does nothing. In a forked
 * child nothing happens.
 */
FLR_API
void flr_watch_destroy(flr_watch *watch) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif /* FLIGHTRING_LOGGER_WATCH_H */
