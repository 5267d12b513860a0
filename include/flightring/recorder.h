/**
 * @file recorder.h
 *
 * Generated from crates/capi/src/recorder.rs by `cargo xtask headers`; edit that file.
 *
 * Recorders: the newest spans, log records and metric points of a program, in bounded memory, indexed.
 *
 * Each of the three kinds has a store of its own with its own limits. A record gets the next sequence number of its
 * store; the oldest records make room for the newest. Records come from the program itself, by the flr_recorder_add_
 * functions, or from OpenTelemetry exporters, by flr_recorder_ingest_otlp(). They are read through cursors: see
 * cursor.h.
 *
 * Everything that is handed in is copied before the call returns. Texts are a pointer and a length, in UTF-8; FLR_TEXT()
 * makes one of a C string. Times are nanoseconds since 1970, in UTC.
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
 * How the body of an OTLP request is encoded.
 */
enum flr_otlp
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * application/x-protobuf.
     */
    FLR_OTLP_PROTOBUF = 0,
    /**
     * application/json.
     */
    FLR_OTLP_JSON = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_otlp flr_otlp;
#else
typedef int32_t flr_otlp;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The type of an attribute's value.
 */
enum flr_value
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * UTF-8, in `text`.
     */
    FLR_VALUE_TEXT = 0,
    /**
     * In `integer`.
     */
    FLR_VALUE_INT = 1,
    /**
     * In `real`.
     */
    FLR_VALUE_DOUBLE = 2,
    /**
     * In `integer`: 0 or 1.
     */
    FLR_VALUE_BOOL = 3,
    /**
     * In `text`.
     */
    FLR_VALUE_BYTES = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_value flr_value;
#else
typedef int32_t flr_value;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * The type of a metric.
 */
enum flr_metric_type
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * A value that goes up and down.
     */
    FLR_METRIC_TYPE_GAUGE = 1,
    /**
     * A value that adds up.
     */
    FLR_METRIC_TYPE_SUM = 2,
    /**
     * Counts between explicit bounds.
     */
    FLR_METRIC_TYPE_HISTOGRAM = 3,
    /**
     * Counts in buckets that grow exponentially. Only by OTLP.
     */
    FLR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM = 4,
    /**
     * Quantiles. Only by OTLP.
     */
    FLR_METRIC_TYPE_SUMMARY = 5,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_metric_type flr_metric_type;
#else
typedef int32_t flr_metric_type;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How successive points of a sum or histogram relate.
 */
enum flr_temporality
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Not said.
     */
    FLR_TEMPORALITY_UNSPECIFIED = 0,
    /**
     * Each point counts since the one before.
     */
    FLR_TEMPORALITY_DELTA = 1,
    /**
     * Each point counts since `start_ns`.
     */
    FLR_TEMPORALITY_CUMULATIVE = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_temporality flr_temporality;
#else
typedef int32_t flr_temporality;
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
     * The first sequence number.
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
 * A text, or bytes. `data` may be NULL when `len` is 0.
 */
typedef struct {
    /**
     * The first byte.
     */
    const char *data;
    /**
     * How many there are.
     */
    size_t len;
} flr_text;

/**
 * A named value.
 */
typedef struct {
    /**
     * The name.
     */
    flr_text key;
    /**
     * The value, if `value_type` is text or bytes.
     */
    flr_text text;
    /**
     * The value, if `value_type` is integer or bool.
     */
    int64_t integer;
    /**
     * The value, if `value_type` is double.
     */
    double real;
    /**
     * A flr_value.
     */
    int32_t value_type;
} flr_attribute;

/**
 * Something that happened during a span.
 */
typedef struct {
    /**
     * When.
     */
    uint64_t time_ns;
    /**
     * What.
     */
    flr_text name;
    /**
     * More about it.
     */
    const flr_attribute *attributes;
    /**
     * How many there are.
     */
    size_t attribute_count;
} flr_span_event;

/**
 * A span of another trace that a span belongs with.
 */
typedef struct {
    /**
     * That trace.
     */
    uint8_t trace_id[16];
    /**
     * That span.
     */
    uint8_t span_id[8];
    /**
     * Why.
     */
    const flr_attribute *attributes;
    /**
     * How many there are.
     */
    size_t attribute_count;
} flr_span_link;

/**
 * A span to add. Start it from FLR_SPAN_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_span), set by FLR_SPAN_INIT.
     */
    uint32_t struct_size;
    /**
     * 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
     */
    int32_t kind;
    /**
     * 0 unset, 1 ok, 2 error.
     */
    int32_t status;
    /**
     * The same for all spans of one request; all zero means none.
     */
    uint8_t trace_id[16];
    /**
     * This span.
     */
    uint8_t span_id[8];
    /**
     * The span that this one is a part of; all zero for a root.
     */
    uint8_t parent_id[8];
    /**
     * What was done.
     */
    flr_text name;
    /**
     * Who did it. Default: "unknown".
     */
    flr_text service;
    /**
     * Begin.
     */
    uint64_t start_ns;
    /**
     * End.
     */
    uint64_t end_ns;
    /**
     * What went wrong.
     */
    flr_text status_message;
    /**
     * More about it.
     */
    const flr_attribute *attributes;
    /**
     * How many there are.
     */
    size_t attribute_count;
    /**
     * What happened meanwhile.
     */
    const flr_span_event *events;
    /**
     * How many there are.
     */
    size_t event_count;
    /**
     * What it belongs with.
     */
    const flr_span_link *links;
    /**
     * How many there are.
     */
    size_t link_count;
} flr_span;

/**
 * A log record to add. Start it from FLR_LOG_ENTRY_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_log_entry), set by FLR_LOG_ENTRY_INIT.
     */
    uint32_t struct_size;
    /**
     * 1 to 4 trace, 5 to 8 debug, 9 to 12 info, 13 to 16 warn, 17 to 20 error, 21 to 24 fatal, 0 unknown.
     */
    int32_t severity;
    /**
     * When it happened.
     */
    uint64_t time_ns;
    /**
     * When it was seen.
     */
    uint64_t observed_ns;
    /**
     * The severity as its source calls it.
     */
    flr_text severity_text;
    /**
     * The message.
     */
    flr_text body;
    /**
     * The trace it belongs to; all zero means none.
     */
    uint8_t trace_id[16];
    /**
     * The span it belongs to; all zero means none.
     */
    uint8_t span_id[8];
    /**
     * Who wrote it. Default: "unknown".
     */
    flr_text service;
    /**
     * The name of the event, if it is one.
     */
    flr_text event_name;
    /**
     * More about it.
     */
    const flr_attribute *attributes;
    /**
     * How many there are.
     */
    size_t attribute_count;
} flr_log_entry;

/**
 * A metric point to add. Start it from FLR_METRIC_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_metric), set by FLR_METRIC_INIT.
     */
    uint32_t struct_size;
    /**
     * A flr_metric_type: gauge, sum or histogram.
     */
    int32_t metric_type;
    /**
     * A flr_temporality, for sums and histograms.
     */
    int32_t temporality;
    /**
     * Not 0: the sum never falls.
     */
    uint32_t monotonic;
    /**
     * The metric.
     */
    flr_text name;
    /**
     * Its unit.
     */
    flr_text unit;
    /**
     * What it means.
     */
    flr_text description;
    /**
     * Who measured. Default: "unknown".
     */
    flr_text service;
    /**
     * When.
     */
    uint64_t time_ns;
    /**
     * Since when a sum or histogram counts; 0 if not known.
     */
    uint64_t start_ns;
    /**
     * Value of a gauge or sum, sum of a histogram.
     */
    double value;
    /**
     * The value of a gauge or sum, if `is_integer`.
     */
    int64_t integer;
    /**
     * Not 0: the value is in `integer`.
     */
    uint32_t is_integer;
    /**
     * Not 0: the histogram's sum is not known.
     */
    uint32_t no_sum;
    /**
     * How many values a histogram counts.
     */
    uint64_t count;
    /**
     * Counts of a histogram's buckets: one more than there are bounds, or none.
     */
    const uint64_t *bucket_counts;
    /**
     * How many there are.
     */
    size_t bucket_count;
    /**
     * Upper bounds of a histogram's buckets, rising.
     */
    const double *bounds;
    /**
     * How many there are.
     */
    size_t bound_count;
    /**
     * Which of the metric's series.
     */
    const flr_attribute *attributes;
    /**
     * How many there are.
     */
    size_t attribute_count;
} flr_metric;

/**
 * Called with each record that is about to be evicted: its signal, its sequence number, and its bytes as OTLP's Span, LogRecord
 * or Metric message, valid during the call.
 *
 * It runs on the thread that adds the record which takes the place, while that store is locked for writing: it may query
 * any recorder, but must not add to, clear, or expire this one.
 */
typedef void (*flr_evicted_fn)(void *user_data,
                               int32_t signal,
                               uint64_t sequence,
                               const void *wire,
                               size_t len);

/**
 * Ends a callback's `user_data`.
 */
typedef void (*flr_recorder_destroy_fn)(void *user_data);

/**
 * A store's numbers. Start it from FLR_RECORDER_STATS_INIT. `added = count + evicted + cleared`.
 */
typedef struct {
    /**
     * sizeof(flr_recorder_stats), set by FLR_RECORDER_STATS_INIT.
     */
    uint32_t struct_size;
    /**
     * The most records held.
     */
    uint64_t capacity;
    /**
     * Records held.
     */
    uint64_t count;
    /**
     * Distinct traces, services and names held.
     */
    uint64_t traces;
    /**
     * Distinct services held.
     */
    uint64_t services;
    /**
     * Distinct names held.
     */
    uint64_t names;
    /**
     * Number of the oldest held record; equal to `next_sequence` if there is none.
     */
    uint64_t first_sequence;
    /**
     * Number of the next record.
     */
    uint64_t next_sequence;
    /**
     * Records ever added.
     */
    uint64_t added;
    /**
     * Records that made room: by count, bytes and age.
     */
    uint64_t evicted;
    /**
     * Of these, because there were `capacity`.
     */
    uint64_t evicted_by_count;
    /**
     * Of these, because they took too many bytes.
     */
    uint64_t evicted_by_bytes;
    /**
     * Of these, because they were too old.
     */
    uint64_t evicted_by_age;
    /**
     * Records removed by flr_recorder_clear().
     */
    uint64_t cleared;
    /**
     * Records refused because their trace held as many as it may.
     */
    uint64_t refused_by_trace;
    /**
     * Records that left a placeholder.
     */
    uint64_t oversize;
    /**
     * Bytes of the held records.
     */
    uint64_t live_bytes;
    /**
     * Heap bytes reserved for records.
     */
    uint64_t reserved_bytes;
    /**
     * Heap bytes of the indexes.
     */
    uint64_t index_bytes;
    /**
     * Heap bytes of names and resources.
     */
    uint64_t dictionary_bytes;
} flr_recorder_stats;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Creates an empty recorder. `options` may be NULL for the defaults.
 *
 * The recorder is the caller's, to be ended with flr_recorder_destroy(). Errors: FLR_INVALID.
 */
FLR_API
FLR_MUST_USE
flr_status flr_recorder_create(const flr_recorder_options *options,
                               flr_recorder **out) FLR_NOEXCEPT;

/**
 * Copies a span in.
 *
 * FLR_TRUNCATED: it was too large, and a placeholder is held. FLR_DROPPED: its trace holds as many as it may. Errors:
 * FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_recorder_add_span(const flr_recorder *recorder,
                                 const flr_span *span) FLR_NOEXCEPT;

/**
 * Copies a log record in. Returns as flr_recorder_add_span().
 */
FLR_API flr_status flr_recorder_add_log(const flr_recorder *recorder, const flr_log_entry *log) FLR_NOEXCEPT;

/**
 * Copies a metric point in. Returns as flr_recorder_add_span().
 */
FLR_API
flr_status flr_recorder_add_metric(const flr_recorder *recorder,
                                   const flr_metric *metric) FLR_NOEXCEPT;

/**
 * Takes in the body of an OTLP request of one signal (a flr_signal), encoded as a flr_otlp says, not compressed: what
 * OpenTelemetry exporters post to /v1/traces, /v1/logs and /v1/metrics. At most 64 MiB.
 *
 * FLR_DROPPED: some of its records were refused; flr_last_error() says how many and why. Errors, after which nothing of it is
 * held: FLR_INVALID when it is no such request; FLR_TOO_LARGE; FLR_FORKED.
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
 * Has `callback` called with each record of a signal (a flr_signal) that is about to be evicted, in place of an earlier
 * callback; see flr_evicted_fn for what it may do. `destroy`, if not NULL, is called exactly once with `user_data`: when
 * another callback takes its place, when the recorder and its last cursor end, or at once if this call fails.
 *
 * Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_recorder_on_evict(const flr_recorder *recorder,
                                 int32_t signal,
                                 flr_evicted_fn callback,
                                 void *user_data,
                                 flr_recorder_destroy_fn destroy) FLR_NOEXCEPT;

/**
 * The numbers of a signal's store (a flr_signal), without stopping anybody. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_recorder_get_stats(const flr_recorder *recorder,
                                  int32_t signal,
                                  flr_recorder_stats *stats) FLR_NOEXCEPT;

/**
 * All numbers as JSON, for each of "traces", "logs" and "metrics". Copies as much as fits into `dst`, without a final NUL, and
 * sets `*needed` (which may be NULL) to the whole length.
 *
 * FLR_TRUNCATED: not all of it fitted. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_recorder_stats_json(const flr_recorder *recorder,
                                   char *dst,
                                   size_t cap,
                                   size_t *needed) FLR_NOEXCEPT;

/**
 * Ends a recorder. Cursors that it gave stay usable. NULL is accepted. Nobody may use it any more.
 */
FLR_API void flr_recorder_destroy(flr_recorder *recorder) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A flr_text with every member zero, which means its default. */
#define FLR_TEXT_INIT \
    { NULL, 0 }

/** A flr_attribute with every member zero, which means its default. */
#define FLR_ATTRIBUTE_INIT \
    { FLR_TEXT_INIT, FLR_TEXT_INIT, 0, 0, 0 }

/** A flr_span_event with every member zero, which means its default. */
#define FLR_SPAN_EVENT_INIT \
    { 0, FLR_TEXT_INIT, NULL, 0 }

/** A flr_span_link with every member zero, which means its default. */
#define FLR_SPAN_LINK_INIT \
    { {0}, {0}, NULL, 0 }

/** A flr_span with every member zero, which means its default. */
#define FLR_SPAN_INIT \
    { (uint32_t)sizeof(flr_span), 0, 0, {0}, {0}, {0}, FLR_TEXT_INIT, FLR_TEXT_INIT, 0, 0, FLR_TEXT_INIT, NULL, 0, NULL, 0, NULL, 0 }

/** A flr_log_entry with every member zero, which means its default. */
#define FLR_LOG_ENTRY_INIT \
    { (uint32_t)sizeof(flr_log_entry), 0, 0, 0, FLR_TEXT_INIT, FLR_TEXT_INIT, {0}, {0}, FLR_TEXT_INIT, FLR_TEXT_INIT, NULL, 0 }

/** A flr_metric with every member zero, which means its default. */
#define FLR_METRIC_INIT \
    { (uint32_t)sizeof(flr_metric), 0, 0, 0, FLR_TEXT_INIT, FLR_TEXT_INIT, FLR_TEXT_INIT, FLR_TEXT_INIT, 0, 0, 0, 0, 0, 0, 0, NULL, 0, NULL, 0, NULL, 0 }

/** A flr_store_limits with every member zero, which means its default. */
#define FLR_STORE_LIMITS_INIT \
    { 0, 0, 0, 0, 0, 0 }

/** A flr_recorder_options with every member zero, which means its default. */
#define FLR_RECORDER_OPTIONS_INIT \
    { (uint32_t)sizeof(flr_recorder_options), FLR_STORE_LIMITS_INIT, FLR_STORE_LIMITS_INIT, FLR_STORE_LIMITS_INIT }

/** A flr_recorder_stats with every member zero, which means its default. */
#define FLR_RECORDER_STATS_INIT \
    { (uint32_t)sizeof(flr_recorder_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

#include <string.h>

/** A C string as a flr_text. It is borrowed, not copied. */
static inline flr_text flr_text_of(const char *text) FLR_NOEXCEPT {
    flr_text view;
    view.data = text;
    view.len = text == NULL ? 0 : strlen(text);
    return view;
}
#define FLR_TEXT(text) flr_text_of(text)

/** A text attribute. */
static inline flr_attribute flr_attribute_text(const char *key, const char *text) FLR_NOEXCEPT {
    flr_attribute attribute;
    memset(&attribute, 0, sizeof attribute);
    attribute.key = flr_text_of(key);
    attribute.text = flr_text_of(text);
    attribute.value_type = FLR_VALUE_TEXT;
    return attribute;
}

/** An integer attribute. */
static inline flr_attribute flr_attribute_int(const char *key, int64_t integer) FLR_NOEXCEPT {
    flr_attribute attribute;
    memset(&attribute, 0, sizeof attribute);
    attribute.key = flr_text_of(key);
    attribute.integer = integer;
    attribute.value_type = FLR_VALUE_INT;
    return attribute;
}

/** A floating-point attribute. */
static inline flr_attribute flr_attribute_double(const char *key, double real) FLR_NOEXCEPT {
    flr_attribute attribute;
    memset(&attribute, 0, sizeof attribute);
    attribute.key = flr_text_of(key);
    attribute.real = real;
    attribute.value_type = FLR_VALUE_DOUBLE;
    return attribute;
}

#endif /* FLIGHTRING_RECORDER_H */
