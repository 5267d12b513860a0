/**
 * @file monitor.h
 *
 * Generated from crates/capi/src/monitor.rs by `cargo xtask headers`; edit that file.
 *
 * Monitors: the recent output of a process or subsystem, which never hold it up.
 *
 * A monitor keeps the newest bytes of three streams, standard output, standard error, and the lines that the service itself
 * logs about it, in one timeline in the order of their arrival. Each byte has an absolute offset in the timeline, and one in
 * its own stream; both only grow, also when the process is restarted. Readers and followers (follow.h) never hold up a writer;
 * one that is too slow is told how many bytes it missed.
 *
 * A monitor may have a sink, where everything goes before it is kept: standard output, a descriptor, a callback, or another
 * monitor, so that the output of processes comes together in a group, and of groups in one place. A sink is part of the
 * write: the writer waits for it, and what it refuses is not kept. A slow sink throttles, as a pipe would, the processes whose
 * descriptors are attached to monitors that end in it, and no others.
 */
#ifndef FLIGHTRING_MONITOR_H
#define FLIGHTRING_MONITOR_H

#include <flightring/base.h>
#include <flightring/logger.h>
#include <flightring/replay.h>

/**
 * Where output comes from.
 */
enum flr_stream
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * All of them together; for reading only.
     */
    FLR_STREAM_ALL = 0,
    /**
     * Standard output.
     */
    FLR_STREAM_STDOUT = 1,
    /**
     * Standard error.
     */
    FLR_STREAM_STDERR = 2,
    /**
     * What the service itself has to say.
     */
    FLR_STREAM_LOG = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_stream flr_stream;
#else
typedef int32_t flr_stream;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What becomes of output before it is kept.
 */
enum flr_sink
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Nothing: the default.
     */
    FLR_SINK_NONE = 0,
    /**
     * It is written to this process's standard output.
     */
    FLR_SINK_STDOUT = 1,
    /**
     * It is written to this process's standard error.
     */
    FLR_SINK_STDERR = 2,
    /**
     * It is written to `sink_fd`, of which the monitor keeps a duplicate.
     */
    FLR_SINK_FD = 3,
    /**
     * It is given to `sink_callback`.
     */
    FLR_SINK_CALLBACK = 4,
    /**
     * It is written to `sink_monitor`.
     */
    FLR_SINK_MONITOR = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_sink flr_sink;
#else
typedef int32_t flr_sink;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What is known about the process behind a monitor.
 */
enum flr_process_state
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Nothing was said about one.
     */
    FLR_PROCESS_STATE_UNKNOWN = 0,
    /**
     * It runs; the detail is its process id.
     */
    FLR_PROCESS_STATE_RUNNING = 1,
    /**
     * It ended by itself; the detail is its exit code.
     */
    FLR_PROCESS_STATE_EXITED = 2,
    /**
     * A signal ended it; the detail is the signal's number.
     */
    FLR_PROCESS_STATE_KILLED = 3,
    /**
     * It ended, and its status was collected before it could be noted.
     */
    FLR_PROCESS_STATE_GONE = 4,
    /**
     * flr_monitor_stop() was called.
     */
    FLR_PROCESS_STATE_STOPPED = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_process_state flr_process_state;
#else
typedef int32_t flr_process_state;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A monitor.
 *
 * Threads: all functions but flr_monitor_release() may be called concurrently.
 */
typedef struct flr_monitor flr_monitor;

/**
 * A sink's function. Returns 0, or an errno when it did not take the data: then nothing is kept, and the writer gets FLR_IO.
 *
 * It is called by the thread that writes, or by the thread that reads attached descriptors; no two calls of one monitor at
 * the same time. Other writers of that monitor wait meanwhile, and no other lock is held. Everything may be called inside
 * but a write to the same monitor, which is FLR_BUSY.
 */
typedef int32_t (*flr_sink_fn)(void *user_data, int32_t stream, const void *data, size_t len);

/**
 * How a monitor is made. Start it from FLR_MONITOR_OPTIONS_INIT; zero is the default of every member.
 */
typedef struct {
    /**
     * sizeof(flr_monitor_options), set by FLR_MONITOR_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * A flr_level: own lines below it are left out. Default: FLR_LEVEL_INFO.
     */
    int32_t level;
    /**
     * How many bytes of history are retained, all streams together. Default: 1 MiB.
     */
    uint64_t capacity;
    /**
     * Stands in brackets in own lines. Default: nothing.
     */
    const char *prefix;
    /**
     * How the time is written in front of own lines: "ansic", "unixdate", "rubydate", "rfc822", "rfc822z", "rfc850",
     * "rfc1123", "rfc1123z", "rfc3339", "rfc3339nano", "kitchen", "stamp", "stampmilli", "stampmicro" or "stampnano", in any
     * case. Default, and for any other name: not at all.
     */
    const char *time_format;
    /**
     * A flr_sink.
     */
    int32_t sink;
    /**
     * For FLR_SINK_FD.
     */
    int32_t sink_fd;
    /**
     * For FLR_SINK_CALLBACK.
     */
    flr_sink_fn sink_callback;
    /**
     * The callback's first argument.
     */
    void *sink_user_data;
    /**
     * Called with `sink_user_data` when it is used no more; may be NULL.
     */
    flr_user_data_destroy_fn sink_destroy;
    /**
     * For FLR_SINK_MONITOR. The handle is not kept.
     */
    const flr_monitor *sink_monitor;
} flr_monitor_options;

/**
 * A monitor's counts. Start it from FLR_MONITOR_STATS_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_monitor_stats), set by FLR_MONITOR_STATS_INIT.
     */
    uint32_t struct_size;
    /**
     * A flr_process_state.
     */
    int32_t process_state;
    /**
     * Process id, exit code or signal, as the state says.
     */
    int32_t process_detail;
    /**
     * Descriptors that are attached and have not ended.
     */
    uint32_t attached;
    /**
     * Bytes ever written, all streams: the offset of the next byte.
     */
    uint64_t total;
    /**
     * Bytes of standard output.
     */
    uint64_t stdout_total;
    /**
     * Bytes of standard error.
     */
    uint64_t stderr_total;
    /**
     * Bytes of own lines.
     */
    uint64_t log_total;
    /**
     * Line feeds among all of them.
     */
    uint64_t lines;
    /**
     * The offset of the oldest byte that is retained.
     */
    uint64_t oldest;
    /**
     * The most bytes that are retained.
     */
    uint64_t capacity;
    /**
     * Bytes of memory that the history has now.
     */
    uint64_t allocated;
    /**
     * Followers and subscriptions.
     */
    uint64_t subscribers;
    /**
     * Bytes that followers missed, added up.
     */
    uint64_t skipped;
    /**
     * Bytes that came from attached descriptors and that the sink refused.
     */
    uint64_t refused;
    /**
     * When something was written last, Unix nanoseconds; 0 = never.
     */
    uint64_t last_write_ns;
} flr_monitor_stats;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Creates a monitor that belongs to no hub. `options` may be NULL for the defaults.
 *
 * The monitor is the caller's, to be ended with flr_monitor_release(). As for flr_hub_open(), whose errors it has.
 */
FLR_API
FLR_MUST_USE
flr_status flr_monitor_create(const char *name,
                              const flr_monitor_options *options,
                              flr_monitor **out) FLR_NOEXCEPT;

/**
 * The monitor's name. It stays valid until the handle is released. NULL for a monitor that is NULL or of another process; the
 * message then says so.
 */
FLR_API
const char *flr_monitor_name(const flr_monitor *monitor) FLR_NOEXCEPT;

/**
 * Passes `len` bytes of `stream`, a flr_stream, on to the sink, and keeps a copy. Writing nothing does nothing.
 *
 * FLR_CLOSED: after flr_monitor_close(). Errors: FLR_IO (or what fits the errno better) when the sink failed: then nothing was
 * kept, and a sink whose reader is gone raises no SIGPIPE; FLR_BUSY for a write inside the sink's own callback;
 * FLR_INVALID, FLR_FORKED, FLR_NO_MEMORY for the first write.
 */
FLR_API
flr_status flr_monitor_write(const flr_monitor *monitor,
                             int32_t stream,
                             const void *data,
                             size_t len) FLR_NOEXCEPT;

/**
 * Writes a line of the service's own: time, [prefix], [LEVEL], and the text of `len` bytes, which need not end in a line feed;
 * what is no UTF-8 becomes U+FFFD. `level` is a flr_level; a line below the monitor's level is left out, and is FLR_OK.
 *
 * Returns as flr_monitor_write() does. FLR_MONITOR_LOG takes a format.
 */
FLR_API
flr_status flr_monitor_log(const flr_monitor *monitor,
                           int32_t level,
                           const char *text,
                           size_t len) FLR_NOEXCEPT;

/**
 * Whether own lines of this level are written: 1 or 0. Also 1 for a monitor or a level that is wrong, so that the call that
 * follows says so.
 */
FLR_API
int32_t flr_monitor_enabled(const flr_monitor *monitor,
                            int32_t level) FLR_NOEXCEPT;

/**
 * Changes the level below which own lines are left out, for all threads. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API flr_status flr_monitor_set_level(const flr_monitor *monitor, int32_t level) FLR_NOEXCEPT;

/**
 * Reads `fd`, a pipe, terminal or socket, into `stream` from now on, in a thread of the hub, until it ends or the monitor is
 * stopped or closed. The monitor has a duplicate: the caller may close `fd` at once. What `fd` stands for is made
 * non-blocking.
 *
 * The side that writes is never held up by followers. If the monitor's output ends in a sink that may wait (all but another
 * monitor without one), a thread of that sink reads instead, and a slow sink holds up the sides that write to it alone.
 *
 * Each time the last descriptor of a stream ends, so does the line that it may have been in the middle of: what the next one
 * brings goes on in no line of it.
 *
 * FLR_CLOSED: after flr_monitor_close(). Errors: FLR_UNSUPPORTED for what cannot be waited for, such as a regular file or a
 * folder; FLR_IO, FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_monitor_attach_fd(const flr_monitor *monitor,
                                 int32_t stream,
                                 int32_t fd) FLR_NOEXCEPT;

/**
 * Notes when and how the process `pid` ends. It must be a child of this process for its status to be known, and is not
 * collected: wait for it as ever. Its last output is in the monitor before its end is noted.
 *
 * Errors: FLR_INVALID, FLR_IO, FLR_FORKED.
 */
FLR_API
flr_status flr_monitor_watch(const flr_monitor *monitor,
                             int32_t pid) FLR_NOEXCEPT;

/**
 * Waits until every attached descriptor has ended, and the watched process, too; at most `timeout_ms` milliseconds, negative
 * for ever. FLR_TIMEOUT: they have not. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_monitor_wait_finished(const flr_monitor *monitor,
                                     int64_t timeout_ms) FLR_NOEXCEPT;

/**
 * Copies the history to `dst`, all streams as they came, oldest byte first, and writes how many bytes it has to `*needed`.
 * `dst` may be NULL when `cap` is 0.
 *
 * FLR_TRUNCATED: `cap` was too small; the newest `cap` bytes were written. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_monitor_history(const flr_monitor *monitor,
                               void *dst,
                               size_t cap,
                               size_t *needed) FLR_NOEXCEPT;

/**
 * Copies retained bytes of `stream` from `offset` on into `dst`, as flr_replay_read() does. With FLR_STREAM_ALL offsets are
 * those of the timeline; with another stream, offset and `*span` count that stream alone.
 */
FLR_API
flr_status flr_monitor_read(const flr_monitor *monitor,
                            int32_t stream,
                            uint64_t offset,
                            void *dst,
                            size_t cap,
                            flr_replay_span *span) FLR_NOEXCEPT;

/**
 * The process is over: its descriptors are detached, the history is forgotten and its memory given back. The monitor stays,
 * its offsets go on, and the next write begins a new run, in no line of this one. Waits for a sink that is just taking what a
 * descriptor brought. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_monitor_stop(const flr_monitor *monitor) FLR_NOEXCEPT;

/**
 * Ends the stream: descriptors are detached, and later writes are FLR_CLOSED. Followers get what is retained and then the end.
 * What is retained stays readable. Closing again does nothing. Waits as flr_monitor_stop() does. Errors: FLR_INVALID,
 * FLR_FORKED.
 */
FLR_API
flr_status flr_monitor_close(const flr_monitor *monitor) FLR_NOEXCEPT;

/**
 * Writes the monitor's counts to `*stats`. Each is exact; they are taken one after the other. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_monitor_get_stats(const flr_monitor *monitor,
                                 flr_monitor_stats *stats) FLR_NOEXCEPT;

/**
 * Gives a handle back. The monitor lives on while a hub, a follower or another handle has it. NULL is accepted and does
 * nothing.
 */
FLR_API
void flr_monitor_release(flr_monitor *monitor) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A flr_monitor_options with every member zero, which means its default. */
#define FLR_MONITOR_OPTIONS_INIT \
    { (uint32_t)sizeof(flr_monitor_options), 0, 0, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL }

/** A flr_monitor_stats with every member zero, which means its default. */
#define FLR_MONITOR_STATS_INIT \
    { (uint32_t)sizeof(flr_monitor_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Used by FLR_MONITOR_LOG. */
static inline flr_status flr_monitor_not_logged(void) FLR_NOEXCEPT {
    return FLR_OK;
}

/**
 * Formats a text as printf does and writes it as flr_monitor_log() does. Prefer FLR_MONITOR_LOG, which does not evaluate the
 * arguments when the level is left out.
 */
static inline flr_status flr_monitor_logf(const flr_monitor *monitor, int32_t level, const char *format, ...)
    FLR_PRINTF(3, 4);

static inline flr_status flr_monitor_logf(const flr_monitor *monitor, int32_t level, const char *format, ...) {
    char small[512];
    char *text = small;
    int length;
    flr_status status;
    va_list arguments;
    va_start(arguments, format);
    length = vsnprintf(small, sizeof small, format, arguments);
    va_end(arguments);
    if (length < 0) {
        return FLR_INVALID;
    }
    if ((size_t)length >= sizeof small) {
        text = (char *)malloc((size_t)length + 1);
        if (text == NULL) {
            return FLR_NO_MEMORY;
        }
        va_start(arguments, format);
        vsnprintf(text, (size_t)length + 1, format, arguments);
        va_end(arguments);
    }
    status = flr_monitor_log(monitor, level, text, (size_t)length);
    if (text != small) {
        free(text);
    }
    return status;
}

/**
 * Writes an own line whose text is formatted as printf does; the compiler checks the arguments. `monitor` and `level` are
 * evaluated twice, the other arguments not at all when the level is left out. Returns as flr_monitor_log() does.
 */
#define FLR_MONITOR_LOG(monitor, level, ...)                                                     \
    (flr_monitor_enabled((monitor), (level)) ? flr_monitor_logf((monitor), (level), __VA_ARGS__) \
                                             : flr_monitor_not_logged())

#endif /* FLIGHTRING_MONITOR_H */
