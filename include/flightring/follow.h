/**
 * @file follow.h
 *
 * Generated from crates/capi/src/follow.rs by `cargo xtask headers`; edit that file.
 *
 * Following monitors: output as it comes, with no gap and no doubled byte between history and live output.
 *
 * There are two forms. A *follower* is asked for the next piece of output, or the next line, when its owner wants it. A
 * *subscription* calls a function with each piece, in a thread of its own. Either is a place in the monitor's timeline and
 * nothing more: one that is too slow misses bytes, is told how many by an event in their place, and disturbs nobody.
 */
#ifndef FLIGHTRING_FOLLOW_H
#define FLIGHTRING_FOLLOW_H

#include <flightring/base.h>
#include <flightring/monitor.h>

/**
 * What an event tells.
 */
enum flr_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Bytes of one stream that arrived together.
     */
    FLR_EVENT_KIND_CHUNK = 1,
    /**
     * A line of one stream, without its line feed.
     */
    FLR_EVENT_KIND_LINE = 2,
    /**
     * Bytes are gone: they were evicted or cleared before they were read. Only `offset` and `skipped` are set.
     */
    FLR_EVENT_KIND_GAP = 3,
    /**
     * The monitor is closed, and everything was delivered.
     */
    FLR_EVENT_KIND_END = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_event_kind flr_event_kind;
#else
typedef int32_t flr_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A follower.
 *
 * Threads: one at a time.
 */
typedef struct flr_follower flr_follower;

/**
 * A subscription.
 *
 * Threads: whoever ends it, which may be its own callback.
 */
typedef struct flr_subscription flr_subscription;

/**
 * Where and how to follow. Start it from FLR_FOLLOWER_OPTIONS_INIT; zero is the default of every member.
 */
typedef struct {
    /**
     * sizeof(flr_follower_options), set by FLR_FOLLOWER_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * Not 0: line by line, each stream for itself. A line that is not complete is kept until it is, or until a gap or the end
     * comes first.
     */
    uint32_t by_line;
    /**
     * An offset of the timeline, FLR_FROM_OLDEST, or FLR_FROM_NOW. Default: 0, the first byte ever written; a gap tells how
     * much of it is gone.
     */
    uint64_t from_offset;
    /**
     * If not 0: from the first output at this time or later instead, Unix nanoseconds.
     */
    uint64_t since_ns;
    /**
     * If not 0: from the beginning of so many last lines instead.
     */
    uint32_t last_lines;
    /**
     * Lines longer than this are cut. Default: 64 KiB.
     */
    uint32_t max_line;
    /**
     * Not 0: without terminal escape sequences and control characters; what is no UTF-8 becomes U+FFFD. Offsets remain those
     * of the bytes as they came.
     */
    uint32_t strip_ansi;
    /**
     * Must be 0.
     */
    uint32_t reserved;
} flr_follower_options;

/**
 * A piece of a monitor's output.
 */
typedef struct {
    /**
     * sizeof(flr_event), set by FLR_EVENT_INIT.
     */
    uint32_t struct_size;
    /**
     * A flr_event_kind.
     */
    int32_t kind;
    /**
     * A flr_stream.
     */
    int32_t stream;
    /**
     * Of a line: FLR_LINE_PARTIAL, FLR_LINE_CONTINUED. Of a chunk: FLR_CHUNK_FRESH.
     */
    uint32_t flags;
    /**
     * The offset of the first byte in the timeline.
     */
    uint64_t offset;
    /**
     * The offset of the first byte in its stream.
     */
    uint64_t stream_offset;
    /**
     * When the first byte arrived, Unix nanoseconds, to within a timer tick (1 to 10 ms). What a descriptor delivers at once, up to
     * 64 KiB, arrives together: its lines share one time.
     */
    uint64_t time_ns;
    /**
     * How many bytes are gone.
     */
    uint64_t skipped;
    /**
     * The bytes: of a callback's event valid during the call, of a follower's until its next call.
     */
    const void *data;
    /**
     * How many they are.
     */
    size_t len;
} flr_event;

/**
 * A subscription's function: gets every event in order, of the kinds chunk and gap, and last end if the monitor is closed.
 * Returns 0 to go on; anything else ends the subscription, and it is not called again.
 *
 * It is called in a thread of the subscription's own, in which all signals are blocked, and no lock is held. Everything may
 * be called inside, also flr_subscription_destroy() for this very subscription. It may take its time; when it falls too far
 * behind it gets a gap.
 */
typedef int32_t (*flr_subscription_fn)(void *user_data, const flr_event *event);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a follower of `monitor`. `options` may be NULL for the defaults.
 *
 * The follower is the caller's, to be ended with flr_follower_destroy(); it keeps the monitor alive. FLR_FUTURE: the offset is
 * beyond everything written. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
FLR_MUST_USE
flr_status flr_monitor_follow(const flr_monitor *monitor,
                              const flr_follower_options *options,
                              flr_follower **out) FLR_NOEXCEPT;

/**
 * Takes the next piece of output, or the next line, and describes it in `*event`; waits for it for at most `timeout_ms`
 * milliseconds, negative for ever. `event->data` is valid until the follower's next call.
 *
 * FLR_OK: `*event` is a chunk, a line or a gap. FLR_TIMEOUT: there is none. FLR_END: there never will be. Errors: FLR_INVALID,
 * FLR_FORKED.
 */
FLR_API
flr_status flr_follower_next(flr_follower *follower,
                             int64_t timeout_ms,
                             flr_event *event) FLR_NOEXCEPT;

/**
 * Ends a follower. NULL is accepted and does nothing.
 */
FLR_API void flr_follower_destroy(flr_follower *follower) FLR_NOEXCEPT;

/**
 * Calls `callback` with all output from `from_offset` on (an offset of the timeline, FLR_FROM_OLDEST or FLR_FROM_NOW), in a
 * thread of its own. `destroy`, which may be NULL, is called with `user_data` exactly once: when the callback will not be
 * called again, also if subscribing fails.
 *
 * The subscription is the caller's, to be ended with flr_subscription_destroy(), also when its callback has ended it. The
 * callback may run before `*out` is set. FLR_FUTURE: the offset is beyond everything written. Errors: FLR_INVALID,
 * FLR_FORKED, FLR_IO when there is no thread for it.
 */
FLR_API
FLR_MUST_USE
flr_status flr_monitor_subscribe(const flr_monitor *monitor,
                                 uint64_t from_offset,
                                 flr_subscription_fn callback,
                                 void *user_data,
                                 flr_user_data_destroy_fn destroy,
                                 flr_subscription **out) FLR_NOEXCEPT;

/**
 * Ends a subscription. When this returns, the callback does not run and never will again, and `destroy` was called; called
 * inside the callback, it is the callback's last run, and `destroy` is called after it. NULL is accepted and does nothing.
 */
FLR_API
void flr_subscription_destroy(flr_subscription *subscription) FLR_NOEXCEPT;

/**
 * Copies `len` bytes of text to `dst` without terminal escape sequences and control characters other than tab and line feed;
 * what is no UTF-8 becomes U+FFFD. Writes how many bytes that takes to `*needed`. `dst` may be NULL when `cap` is 0.
 *
 * FLR_TRUNCATED: `cap` was too small; the first `cap` bytes were written. Errors: FLR_INVALID.
 */
FLR_API
flr_status flr_strip_ansi(const char *text,
                          size_t len,
                          char *dst,
                          size_t cap,
                          size_t *needed) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A flr_event with every member zero, which means its default. */
#define FLR_EVENT_INIT \
    { (uint32_t)sizeof(flr_event), 0, 0, 0, 0, 0, 0, 0, NULL, 0 }

/** A flr_follower_options with every member zero, which means its default. */
#define FLR_FOLLOWER_OPTIONS_INIT \
    { (uint32_t)sizeof(flr_follower_options), 0, 0, 0, 0, 0, 0, 0 }

/** For an offset to start from: the next byte that is written. */
#define FLR_FROM_NOW UINT64_MAX

/** For an offset to start from: the oldest byte that is retained. */
#define FLR_FROM_OLDEST (UINT64_MAX - 1)

/** A flag of a line: no line feed follows. It was cut and goes on in the next line of its stream, or a gap or the end came: of
 *  the monitor, or of the process or descriptor that the line came from. */
#define FLR_LINE_PARTIAL UINT32_C(1)

/** A flag of a line: it does not begin after a line feed, but goes on with what was cut, or its beginning is gone. */
#define FLR_LINE_CONTINUED UINT32_C(2)

/** A flag of a chunk: its stream begins afresh with it. What came before has ended, with its process or descriptor, by
 *  flr_monitor_stop(), or because there was nothing; a line that it ended in the middle of does not go on here. */
#define FLR_CHUNK_FRESH UINT32_C(4)

#endif /* FLIGHTRING_FOLLOW_H */
