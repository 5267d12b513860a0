/**
 * @file cursor.h
 *
 * Generated from crates/capi/src/cursor.rs by `cargo xtask headers`; edit that file.
 *
 * Queries on a recorder, and cursors over their answers.
 *
 * A filter says which records; everything in it that is set must hold. The answer is computed as it is read, holds no lock, and is
 * as of the moment of the query: records that arrive later are not in it, records that are evicted while it is read drop
 * out of it, and flr_cursor_get_coverage() says so.
 */
#ifndef FLIGHTRING_CURSOR_H
#define FLIGHTRING_CURSOR_H

#include <flightring/base.h>
#include <flightring/recorder_add.h>

/**
 * The order of an answer.
 */
enum flr_answer_order
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * The newest record first: the default.
     */
    FLR_ANSWER_ORDER_NEWEST_FIRST = 0,
    /**
     * The oldest record first.
     */
    FLR_ANSWER_ORDER_OLDEST_FIRST = 1,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_answer_order flr_answer_order;
#else
typedef int32_t flr_answer_order;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * Which spans, by their status.
 */
enum flr_span_filter
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * All: the default.
     */
    FLR_SPAN_FILTER_ANY = 0,
    /**
     * Those that succeeded explicitly.
     */
    FLR_SPAN_FILTER_OK = 1,
    /**
     * Those that failed.
     */
    FLR_SPAN_FILTER_ERROR = 2,
    /**
     * Those that do not say.
     */
    FLR_SPAN_FILTER_UNSET = 3,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_span_filter flr_span_filter;
#else
typedef int32_t flr_span_filter;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * How records are exported.
 */
enum flr_export
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * An OTLP request in Protocol Buffers, which flr_recorder_ingest_otlp() and collectors take.
     */
    FLR_EXPORT_OTLP_PROTOBUF = 0,
    /**
     * An OTLP request in JSON, which they take as well.
     */
    FLR_EXPORT_OTLP_JSON = 1,
    /**
     * A JSON object a record, each followed by a newline.
     */
    FLR_EXPORT_NDJSON = 2,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum flr_export flr_export;
#else
typedef int32_t flr_export;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * An answer that is being read.
 *
 * Threads: used by one thread at a time. It may outlive its recorder's handle.
 */
typedef struct flr_cursor flr_cursor;

/**
 * An attribute that a record, or the resource it came with, must have.
 */
typedef struct {
    /**
     * Its name.
     */
    flr_text key;
    /**
     * The value it must have, written as text ("42", "true"); NULL: any.
     */
    flr_text value;
} flr_attribute_filter;

/**
 * Which records a query wants. Start it from FLR_FILTER_INIT; a member that is zero asks for nothing. A member that does not
 * apply to the records asked for (such as a severity for spans) is FLR_INVALID.
 */
typedef struct {
    /**
     * sizeof(flr_filter), set by FLR_FILTER_INIT.
     */
    uint32_t struct_size;
    /**
     * A flr_answer_order.
     */
    int32_t order;
    /**
     * Spans and log records of this trace; all zero: any.
     */
    uint8_t trace_id[16];
    /**
     * Records of this service.
     */
    flr_text service;
    /**
     * Spans, events or metrics of this name.
     */
    flr_text name;
    /**
     * Log records with this text in the body.
     */
    flr_text text;
    /**
     * Records that have this attribute, themselves or by their resource.
     */
    flr_text attribute_key;
    /**
     * The value that the attribute must have, written as text ("42", "true"); NULL: any.
     */
    flr_text attribute_value;
    /**
     * Only what was added after this snapshot.
     */
    flr_text since;
    /**
     * Only what was added before this snapshot.
     */
    flr_text until;
    /**
     * Records of this time or later. The time of a span is its begin.
     */
    uint64_t from_time_ns;
    /**
     * Records before this time.
     */
    uint64_t to_time_ns;
    /**
     * Spans that took at least this long.
     */
    uint64_t min_duration_ns;
    /**
     * Spans that took at most this long.
     */
    uint64_t max_duration_ns;
    /**
     * Log records of this severity number (1 to 24) or a higher one.
     */
    int32_t min_severity;
    /**
     * Log records of this severity number or a lower one.
     */
    int32_t max_severity;
    /**
     * Not 0: spans with status error, log records of severity 17 and above.
     */
    uint32_t errors_only;
    /**
     * A flr_span_filter.
     */
    int32_t status;
    /**
     * Metric points of this flr_metric_type; 0: any.
     */
    int32_t metric_type;
    /**
     * Records with this sequence number or a higher one.
     */
    uint64_t from_sequence;
    /**
     * Records with a lower sequence number; 0: no end.
     */
    uint64_t to_sequence;
    /**
     * The most records to return; 0: all.
     */
    uint64_t limit;
    /**
     * Spans, events or metrics with one of these names, or with `name`.
     */
    const flr_text *names;
    /**
     * How many there are.
     */
    size_t name_count;
    /**
     * Records that have all of these attributes, and that of `attribute_key`.
     */
    const flr_attribute_filter *attributes;
    /**
     * How many there are.
     */
    size_t attribute_count;
} flr_filter;

/**
 * A record of an answer. Start it from FLR_FOUND_INIT. What its texts point to is valid until the next call on the cursor
 * other than flr_cursor_attribute(), flr_cursor_json() and flr_cursor_get_coverage().
 */
typedef struct {
    /**
     * sizeof(flr_found), set by FLR_FOUND_INIT.
     */
    uint32_t struct_size;
    /**
     * A flr_signal.
     */
    int32_t signal;
    /**
     * The record's number.
     */
    uint64_t sequence;
    /**
     * When it arrived.
     */
    uint64_t arrival_ns;
    /**
     * Begin of a span, time of a log record or metric point.
     */
    uint64_t time_ns;
    /**
     * End of a span, observed time of a log record, start time of a metric point.
     */
    uint64_t second_time_ns;
    /**
     * Its trace; all zero: none.
     */
    uint8_t trace_id[16];
    /**
     * The span's id, or that of the span that a log record belongs to; all zero: none.
     */
    uint8_t span_id[8];
    /**
     * The span's parent; all zero: none.
     */
    uint8_t parent_id[8];
    /**
     * Status of a span (0 unset, 1 ok, 2 error), severity number of a log record, flr_metric_type of a metric point.
     */
    int32_t code;
    /**
     * Kind of a span: 0 to 5.
     */
    int32_t kind;
    /**
     * Not 0: the record was too large, and this is its placeholder.
     */
    uint32_t placeholder;
    /**
     * Not 0: `value` or `integer` is set: the point of a gauge or sum.
     */
    uint32_t has_number;
    /**
     * Not 0: the number is in `integer`.
     */
    uint32_t is_integer;
    /**
     * Who sent it.
     */
    flr_text service;
    /**
     * Name of the span, event or metric.
     */
    flr_text name;
    /**
     * The message of a log record, if it is a text.
     */
    flr_text body;
    /**
     * The whole record, as OTLP's Span, LogRecord or Metric message.
     */
    flr_text wire;
    /**
     * Value of a gauge or sum.
     */
    double value;
    /**
     * The same, if it is an integer.
     */
    int64_t integer;
} flr_found;

/**
 * How much of what was asked for an answer can speak of. Start it from FLR_COVERAGE_INIT.
 */
typedef struct {
    /**
     * sizeof(flr_coverage), set by FLR_COVERAGE_INIT.
     */
    uint32_t struct_size;
    /**
     * Not 0: the limit was met before everything was looked at.
     */
    uint32_t truncated;
    /**
     * From this sequence number on nothing that matches is missing, up to where the limit cut.
     */
    uint64_t complete_since_sequence;
    /**
     * When the oldest record held arrived; 0 if nothing was ever evicted.
     */
    uint64_t complete_since_time_ns;
    /**
     * One more than the last sequence number that was asked for.
     */
    uint64_t end_sequence;
    /**
     * How many records of what was asked for are evicted, whether they would have matched or not.
     */
    uint64_t evicted;
    /**
     * To go on after the last record returned, ask again with the same filter, this `from_sequence` ...
     */
    uint64_t rest_from;
    /**
     * ... and this `to_sequence`.
     */
    uint64_t rest_to;
} flr_coverage;

/**
 * Takes a part of an export. Returns 0 to go on, anything else to stop.
 */
typedef int32_t (*flr_export_fn)(void *user_data, const void *data, size_t len);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Asks for spans. `filter` may be NULL: all, newest first.
 *
 * The cursor is the caller's, to be ended with flr_cursor_destroy(). Errors: FLR_INVALID; FLR_NOT_FOUND when a snapshot is not
 * known; FLR_FORKED.
 */
FLR_API
FLR_MUST_USE
flr_status flr_recorder_query_spans(const flr_recorder *recorder,
                                    const flr_filter *filter,
                                    flr_cursor **out) FLR_NOEXCEPT;

/**
 * Asks for log records; see flr_recorder_query_spans().
 */
FLR_API
FLR_MUST_USE
flr_status flr_recorder_query_logs(const flr_recorder *recorder,
                                   const flr_filter *filter,
                                   flr_cursor **out) FLR_NOEXCEPT;

/**
 * Asks for metric points; see flr_recorder_query_spans().
 */
FLR_API
FLR_MUST_USE
flr_status flr_recorder_query_metrics(const flr_recorder *recorder,
                                      const flr_filter *filter,
                                      flr_cursor **out) FLR_NOEXCEPT;

/**
 * A whole trace as JSON: {"traceId", "spans", "logs", "coverage"}. The spans are in the order of a waterfall: every span
 * after its parent, siblings by their begin. Each is as flr_cursor_json() shows it, with its "depth" (0 for a root), and
 * "orphan" if its parent is not held. "logs" says how many log records the trace has. `trace_id` are 16 bytes; all zero
 * means the newest 1000 spans of no trace. Copies as much as fits into `dst`, without a final NUL, and sets `*needed`
 * (which may be NULL) to the whole length.
 *
 * FLR_TRUNCATED: not all of it fitted. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_recorder_trace_json(const flr_recorder *recorder,
                                   const uint8_t *trace_id,
                                   char *dst,
                                   size_t cap,
                                   size_t *needed) FLR_NOEXCEPT;

/**
 * Goes to the next record and describes it in `*found`.
 *
 * FLR_END: there is none. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API flr_status flr_cursor_next(flr_cursor *cursor, flr_found *found) FLR_NOEXCEPT;

/**
 * The value of an attribute of the record that flr_cursor_next() described last, or of the resource it came with. Lists and maps
 * come as FLR_VALUE_BYTES; flr_cursor_json() shows what is in them. `attribute->key` is `key`.
 *
 * Errors: FLR_NOT_FOUND when there is no such attribute; FLR_INVALID, also when there is no record; FLR_FORKED.
 */
FLR_API
flr_status flr_cursor_attribute(const flr_cursor *cursor,
                                const char *key,
                                size_t key_len,
                                flr_attribute *attribute) FLR_NOEXCEPT;

/**
 * The record that flr_cursor_next() described last as a JSON object: OTLP's members, and "sequence", "service",
 * "arrivalUnixNano". Copies as much as fits into `dst`, without a final NUL, and sets `*needed` (which may be NULL) to the whole length.
 *
 * FLR_TRUNCATED: not all of it fitted. Errors: FLR_INVALID, also when there is no record; FLR_FORKED.
 */
FLR_API
flr_status flr_cursor_json(const flr_cursor *cursor,
                           char *dst,
                           size_t cap,
                           size_t *needed) FLR_NOEXCEPT;

/**
 * What the answer, as far as it was read, can speak of. Ask after FLR_END. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API flr_status flr_cursor_get_coverage(const flr_cursor *cursor, flr_coverage *coverage) FLR_NOEXCEPT;

/**
 * Reads the cursor to its end and passes the records, in a form that a flr_export names, to `take`, in one or more parts, on this
 * thread.
 *
 * FLR_CLOSED: `take` stopped it. Errors: FLR_INVALID, FLR_FORKED.
 */
FLR_API
flr_status flr_cursor_export(flr_cursor *cursor,
                             int32_t form,
                             flr_export_fn take,
                             void *user_data) FLR_NOEXCEPT;

/**
 * Ends a cursor. NULL is accepted. Nobody may use it, or what it pointed to, any more.
 */
FLR_API void flr_cursor_destroy(flr_cursor *cursor) FLR_NOEXCEPT;

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

/** A flr_attribute_filter with every member zero, which means its default. */
#define FLR_ATTRIBUTE_FILTER_INIT \
    { FLR_TEXT_INIT, FLR_TEXT_INIT }

/** A flr_filter with every member zero, which means its default. */
#define FLR_FILTER_INIT \
    { (uint32_t)sizeof(flr_filter), 0, {0}, FLR_TEXT_INIT, FLR_TEXT_INIT, FLR_TEXT_INIT, FLR_TEXT_INIT, FLR_TEXT_INIT, FLR_TEXT_INIT, FLR_TEXT_INIT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, NULL, 0 }

/** A flr_found with every member zero, which means its default. */
#define FLR_FOUND_INIT \
    { (uint32_t)sizeof(flr_found), 0, 0, 0, 0, 0, {0}, {0}, {0}, 0, 0, 0, 0, 0, FLR_TEXT_INIT, FLR_TEXT_INIT, FLR_TEXT_INIT, FLR_TEXT_INIT, 0, 0 }

/** A flr_coverage with every member zero, which means its default. */
#define FLR_COVERAGE_INIT \
    { (uint32_t)sizeof(flr_coverage), 0, 0, 0, 0, 0, 0, 0 }

#endif /* FLIGHTRING_CURSOR_H */
