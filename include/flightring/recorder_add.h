/**
 * @file recorder_add.h
 *
 * Generated from crates/capi/src/recorder_add.rs by `cargo xtask headers`; edit that file.
 *
 * Records that a program adds to a recorder itself: spans, log records and metric points.
 *
 * Everything that is handed in is copied before the call returns. Texts are a pointer and a length, in UTF-8; FLR_TEXT()
 * makes one of a C string. Times are nanoseconds since 1970, in UTC. Adding does not allocate once a store is full, as
 * long as a record has at most 16 attributes and no events, links, or lists in attributes.
 */
#ifndef FLIGHTRING_RECORDER_ADD_H
#define FLIGHTRING_RECORDER_ADD_H

#include <flightring/base.h>
#include <flightring/recorder.h>

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
    /**
     * A list: `text` is the address of the first of `len` flr_attribute, cast to char, whose keys do not matter. See
     * flr_attribute_list().
     */
    FLR_VALUE_LIST = 5,
    /**
     * A list of named values, likewise. See flr_attribute_map().
     */
    FLR_VALUE_MAP = 6,
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
     * Counts in buckets that grow exponentially.
     */
    FLR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM = 4,
    /**
     * Quantiles that the source computed.
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
     * The value, if `value_type` is text or bytes; where its values are, if it is a list or map.
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
 * A quantile of a summary.
 */
typedef struct {
    /**
     * Which: 0 is the least value, 0.5 the median, 1 the greatest.
     */
    double quantile;
    /**
     * Its value.
     */
    double value;
} flr_quantile;

/**
 * A metric point to add. Start it from FLR_METRIC_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_metric), set by FLR_METRIC_INIT.
     */
    uint32_t struct_size;
    /**
     * A flr_metric_type.
     */
    int32_t metric_type;
    /**
     * A flr_temporality, for sums and histograms of both types.
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
     * Value of a gauge or sum, sum of a histogram or summary.
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
     * How many values a histogram or summary counts.
     */
    uint64_t count;
    /**
     * Counts of a histogram's buckets: one more than there are bounds, or none. Of an exponential histogram: those of
     * positive values.
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
    /**
     * Resolution of an exponential histogram: its bounds are powers of 2^(2^-scale).
     */
    int32_t scale;
    /**
     * Index of the first bucket of an exponential histogram's positive values.
     */
    int32_t positive_offset;
    /**
     * Index of the first bucket of its negative values.
     */
    int32_t negative_offset;
    /**
     * How many values of an exponential histogram are zero.
     */
    uint64_t zero_count;
    /**
     * Counts of the buckets of its negative values.
     */
    const uint64_t *negative_counts;
    /**
     * How many there are.
     */
    size_t negative_count;
    /**
     * Quantiles of a summary.
     */
    const flr_quantile *quantiles;
    /**
     * How many there are.
     */
    size_t quantile_count;
    /**
     * Measurements that stand for the rest: OTLP's Exemplar messages, as bytes, with ids of 16 and 8 bytes or none. Summaries have
     * none.
     */
    const flr_text *exemplars;
    /**
     * How many there are.
     */
    size_t exemplar_count;
} flr_metric;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

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

/** A flr_quantile with every member zero, which means its default. */
#define FLR_QUANTILE_INIT \
    { 0, 0 }

/** A flr_metric with every member zero, which means its default. */
#define FLR_METRIC_INIT \
    { (uint32_t)sizeof(flr_metric), 0, 0, 0, FLR_TEXT_INIT, FLR_TEXT_INIT, FLR_TEXT_INIT, FLR_TEXT_INIT, 0, 0, 0, 0, 0, 0, 0, NULL, 0, NULL, 0, NULL, 0, 0, 0, 0, 0, NULL, 0, NULL, 0, NULL, 0 }

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

/** Bytes, as a flr_text. They are borrowed, not copied. */
static inline flr_text flr_text_of_bytes(const void *data, size_t len) FLR_NOEXCEPT {
    flr_text view;
    view.data = (const char *)data;
    view.len = len;
    return view;
}

/** An attribute whose value is a list: those of `count` attributes, whose keys do not matter. They are borrowed. */
static inline flr_attribute flr_attribute_list(const char *key, const flr_attribute *items, size_t count) FLR_NOEXCEPT {
    flr_attribute attribute;
    memset(&attribute, 0, sizeof attribute);
    attribute.key = flr_text_of(key);
    attribute.text = flr_text_of_bytes(items, count);
    attribute.value_type = FLR_VALUE_LIST;
    return attribute;
}

/** An attribute whose value is `count` named values. They are borrowed. */
static inline flr_attribute flr_attribute_map(const char *key, const flr_attribute *items, size_t count) FLR_NOEXCEPT {
    flr_attribute attribute = flr_attribute_list(key, items, count);
    attribute.value_type = FLR_VALUE_MAP;
    return attribute;
}

#endif /* FLIGHTRING_RECORDER_ADD_H */
