/**
 * @file recorder.h
 *
 * Generated from crates/capi/src/recorder.rs by `cargo xtask headers`; edit that file.
 *
 * Recorders: the newest spans, log records and metric points of a program, in bounded memory, indexed.
 *
 * Each of the three kinds has a store of its own with its own limits. A record gets the next sequence number of its
 * store; the oldest records make room for the newest. Records come from the program itself, by the functions of
 * recorder_add.h, or from OpenTelemetry exporters, by flr_recorder_ingest_otlp(). They are read through cursors: see
 * cursor.h. The numbers of a recorder are in recorder_stats.h.
 */
#ifndef FLIGHTRING_RECORDER_H
#define FLIGHTRING_RECORDER_H

#include <flightring/base.h>

/**
 * A kind of records.
 */
enum flr_signal
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Spans.
     */
    FLR_SIGNAL_TRACES = 0,
    /**
     * Log records.
     */
    FLR_SIGNAL_LOGS = 1,
    /**
     * Metric points.
     */
    FLR_SIGNAL_METRICS = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_signal flr_signal;
#else
typedef int32_t flr_signal;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How records are encoded.
 */
enum flr_otlp
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * An OTLP request: application/x-protobuf.
     */
    FLR_OTLP_PROTOBUF = 0,
    /**
     * An OTLP request: application/json.
     */
    FLR_OTLP_JSON = 1,
    /**
     * Lines of JSON, a record each, as FLR_EXPORT_NDJSON makes them: application/x-ndjson.
     */
    FLR_OTLP_NDJSON = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_otlp flr_otlp;
#else
typedef int32_t flr_otlp;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A recorder.
 *
 * Threads: all functions but flr_recorder_destroy() may be called concurrently. Reading never holds up adding.
 */
typedef struct flr_recorder flr_recorder;

/**
 * The limits of one store. Whichever is met first evicts the oldest records. A member that is zero has its default.
 */
typedef struct {
    /**
     * The most records. Default: 10,000 spans, 50,000 log records, 100,000 metric points.
     */
    uint64_t capacity;
    /**
     * The most bytes of records, names and resources. Default: 2048 times the capacity. Memory is taken as it is needed.
     */
    uint64_t max_bytes;
    /**
     * The longest that a record is held, in milliseconds. Default: as long as there is room.
     */
    uint64_t max_age_ms;
    /**
     * The most records of one trace that are held at a time; further ones are refused. Default: as many as fit.
     */
    uint32_t max_per_trace;
    /**
     * A record of more bytes than this leaves a placeholder. Default: 65,536.
     */
    uint32_t max_record_bytes;
    /**
     * The first sequence number, below 2^63.
     */
    uint64_t first_sequence;
} flr_store_limits;

/**
 * How a recorder is created. Start it from FLR_RECORDER_OPTIONS_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_recorder_options), set by FLR_RECORDER_OPTIONS_INIT.
     */
    uint32_t struct_size;
    /**
     * Of spans.
     */
    flr_store_limits traces;
    /**
     * Of log records.
     */
    flr_store_limits logs;
    /**
     * Of metric points.
     */
    flr_store_limits metrics;
} flr_recorder_options;

/**
 * Called with each record that is evicted: its signal, its sequence number, and its bytes as OTLP's Span, LogRecord or Metric
 * message, valid during the call.
 *
 * Each thread calls it for what its own calls evict, oldest first, before they return: where several threads add, it runs on
 * several at a time. No lock is held, and every function may be called inside, also flr_recorder_destroy() on this
 * recorder, if no other thread uses it. What is evicted by adding to the same store inside is not reported, since that
 * would never end; flr_recorder_stats counts it as `unreported`.
 */
typedef void (*flr_evicted_fn)(void *user_data,
                               int32_t signal,
                               uint64_t sequence,
                               const void *wire,
                               size_t len);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Creates an empty recorder. `options` may be NULL for the defaults.
 *
 * The recorder is the caller's, to be ended with flr_recorder_destroy(). Errors: FLR_INVALID; FLR_NO_MEMORY when there is
 * none for stores of these capacities.
 */
FLR_API
FLR_MUST_USE
flr_status flr_recorder_create(const flr_recorder_options *options,
                               flr_recorder **out) FLR_NOEXCEPT;

/**
 * Takes in the body of an OTLP request of one signal (a flr_signal), encoded as a flr_otlp says, not compressed: what
 * OpenTelemetry exporters post to /v1/traces, /v1/logs and /v1/metrics; or lines that flr_cursor_export() made. At most
 * 64 MiB.
 *
 * FLR_DROPPED: some of its records were refused, and the others taken; flr_last_error() says how many, and of the first where it
 * stands and why. An id has all of its bytes, 16 of a trace and 8 of a span, or none. Errors, after
 * which nothing of it is held: FLR_INVALID when it is no such request, or no JSON; FLR_TOO_LARGE; FLR_FORKED. Text that is not
 * quite Unicode is taken, in JSON with U+FFFD in place of what is no character.
 */
FLR_API
flr_status flr_recorder_ingest_otlp(const flr_recorder *recorder,
                                    int32_t signal,
                                    int32_t encoding,
                                    const void *data,
                                    size_t len) FLR_NOEXCEPT;

/**
 * Remembers where the three stores are, all at the same moment, under a name of 1 to 256 bytes; an older snapshot of that
 * name is replaced. Filters name it in `since` and `until`. There may be 1024.
 *
 * Errors: FLR_INVALID, FLR_FORKED, FLR_BUSY when there are too many.
 */
FLR_API
flr_status flr_recorder_snapshot(const flr_recorder *recorder,
                                 const char *name) FLR_NOEXCEPT;

/**
 * Forgets a snapshot. Errors: FLR_NOT_FOUND, FLR_INVALID, FLR_FORKED.
 */
FLR_API flr_status flr_recorder_delete_snapshot(const flr_recorder *recorder, const char *name) FLR_NOEXCEPT;

/**
 * Forgets all records of a signal (a flr_signal). Sequence numbers, counters and snapshots go on. Errors: FLR_INVALID,
 * FLR_FORKED.
 */
FLR_API
flr_status flr_recorder_clear(const flr_recorder *recorder,
                              int32_t signal) FLR_NOEXCEPT;

/**
 * Evicts what is older than the limits of age. Without it they take effect when records arrive. Errors: FLR_INVALID,
 * FLR_FORKED.
 */
FLR_API
flr_status flr_recorder_expire(const flr_recorder *recorder) FLR_NOEXCEPT;

/**
 * Has `callback` called with each record of a signal (a flr_signal) that is evicted, in place of an earlier callback; see
 * flr_evicted_fn for when, and for what it may do. `destroy`, if not NULL, is called exactly once with `user_data`: when
 * another callback takes its place, or the recorder and its last cursor end, and no thread is inside `callback` any more;
 * or at once if this call fails.
 *
 * Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_recorder_on_evict(const flr_recorder *recorder,
                                 int32_t signal,
                                 flr_evicted_fn callback,
                                 void *user_data,
                                 flr_user_data_destroy_fn destroy) FLR_NOEXCEPT;

/**
 * Ends a recorder. Cursors that it gave stay usable. NULL is accepted. Nobody may use it any more.
 */
FLR_API void flr_recorder_destroy(flr_recorder *recorder) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A flr_store_limits with every member zero, which means its default. */
#define FLR_STORE_LIMITS_INIT \
    { 0, 0, 0, 0, 0, 0 }

/** A flr_recorder_options with every member zero, which means its default. */
#define FLR_RECORDER_OPTIONS_INIT \
    { (uint32_t)sizeof(flr_recorder_options), FLR_STORE_LIMITS_INIT, FLR_STORE_LIMITS_INIT, FLR_STORE_LIMITS_INIT }

/* What is added to a recorder, and its numbers. */
#include <flightring/recorder_add.h>
#include <flightring/recorder_stats.h>

#endif /* FLIGHTRING_RECORDER_H */
