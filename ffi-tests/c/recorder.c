#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

static flr_recorder *recorder_of(uint64_t spans) {
    flr_recorder_options options = FLR_RECORDER_OPTIONS_INIT;
    flr_recorder *recorder = NULL;
    options.traces.capacity = spans;
    CHECK_OK(flr_recorder_create(&options, &recorder));
    return recorder;
}

static flr_status add(flr_recorder *recorder, uint8_t trace, const char *service, const char *name, int32_t status) {
    flr_span span = FLR_SPAN_INIT;
    flr_attribute attributes[2];
    attributes[0] = flr_attribute_text("http.route", "/users");
    attributes[1] = flr_attribute_int("answer", 40 + trace);
    span.trace_id[15] = trace;
    span.span_id[7] = trace;
    span.name = FLR_TEXT(name);
    span.service = FLR_TEXT(service);
    span.start_ns = 1000;
    span.end_ns = 1000u + trace;
    span.status = status;
    span.attributes = attributes;
    span.attribute_count = 2;
    return flr_recorder_add_span(recorder, &span);
}

static int is_text(flr_text text, const char *expected) {
    return text.len == strlen(expected) && memcmp(text.data, expected, text.len) == 0;
}

static int count(flr_cursor *cursor) {
    flr_found found = FLR_FOUND_INIT;
    int records = 0;
    while (flr_cursor_next(cursor, &found) == FLR_OK) {
        records++;
    }
    flr_cursor_destroy(cursor);
    return records;
}

/* The worked example of the evicting store. */
TEST(recorder_evicts_the_oldest_and_its_keys) {
    flr_recorder *recorder = recorder_of(3);
    flr_recorder_stats stats = FLR_RECORDER_STATS_INIT;
    flr_filter filter = FLR_FILTER_INIT;
    flr_cursor *cursor = NULL;
    CHECK_OK(add(recorder, 1, "svc1", "a", 0));
    CHECK_OK(add(recorder, 2, "svc1", "a", 0));
    CHECK_OK(add(recorder, 3, "svc2", "a", 0));
    CHECK_OK(add(recorder, 4, "svc2", "a", 0));

    filter.trace_id[15] = 1;
    CHECK_OK(flr_recorder_query_spans(recorder, &filter, &cursor));
    CHECK_EQ(count(cursor), 0);
    memset(filter.trace_id, 0, sizeof filter.trace_id);
    filter.service = FLR_TEXT("svc1");
    CHECK_OK(flr_recorder_query_spans(recorder, &filter, &cursor));
    CHECK_EQ(count(cursor), 1);
    filter.service = FLR_TEXT("svc2");
    CHECK_OK(flr_recorder_query_spans(recorder, &filter, &cursor));
    CHECK_EQ(count(cursor), 2);

    CHECK_OK(flr_recorder_get_stats(recorder, FLR_SIGNAL_TRACES, &stats));
    CHECK_EQ(stats.capacity, 3);
    CHECK_EQ(stats.count, 3);
    CHECK_EQ(stats.traces, 3);
    CHECK_EQ(stats.added, 4);
    CHECK_EQ(stats.evicted, 1);
    CHECK_EQ(stats.first_sequence, 1);
    CHECK_EQ(stats.next_sequence, 4);
    CHECK_OK(flr_recorder_clear(recorder, FLR_SIGNAL_TRACES));
    CHECK_OK(flr_recorder_get_stats(recorder, FLR_SIGNAL_TRACES, &stats));
    CHECK_EQ(stats.count, 0);
    CHECK_EQ(stats.cleared, 3);
    CHECK_EQ(stats.next_sequence, 4);
    flr_recorder_destroy(recorder);
    flr_recorder_destroy(NULL);
}

TEST(recorder_answers_with_records_and_their_parts) {
    flr_recorder *recorder = recorder_of(0);
    flr_filter filter = FLR_FILTER_INIT;
    flr_found found = FLR_FOUND_INIT;
    flr_coverage coverage = FLR_COVERAGE_INIT;
    flr_attribute attribute;
    flr_cursor *cursor = NULL;
    char json[2048];
    size_t needed = 0;
    for (uint8_t trace = 1; trace <= 10; trace++) {
        CHECK_OK(add(recorder, trace, "web", trace % 2 ? "odd" : "even", trace == 7 ? 2 : 0));
    }
    filter.errors_only = 1;
    CHECK_OK(flr_recorder_query_spans(recorder, &filter, &cursor));
    CHECK_EQ(flr_cursor_json(cursor, json, sizeof json, NULL), FLR_INVALID);
    CHECK_OK(flr_cursor_next(cursor, &found));
    CHECK_EQ(found.struct_size, sizeof found);
    CHECK_EQ(found.signal, FLR_SIGNAL_TRACES);
    CHECK_EQ(found.sequence, 6);
    CHECK_EQ(found.time_ns, 1000);
    CHECK_EQ(found.second_time_ns, 1007);
    CHECK_EQ(found.trace_id[15], 7);
    CHECK_EQ(found.span_id[7], 7);
    CHECK_EQ(found.code, 2);
    CHECK(is_text(found.service, "web"));
    CHECK(is_text(found.name, "odd"));
    CHECK(found.wire.len > 0);
    CHECK_OK(flr_cursor_attribute(cursor, "answer", 6, &attribute));
    CHECK_EQ(attribute.value_type, FLR_VALUE_INT);
    CHECK_EQ(attribute.integer, 47);
    CHECK_OK(flr_cursor_attribute(cursor, "service.name", 12, &attribute));
    CHECK(is_text(attribute.text, "web"));
    CHECK_EQ(flr_cursor_attribute(cursor, "missing", 7, &attribute), FLR_NOT_FOUND);
    CHECK_EQ(flr_cursor_json(cursor, json, 10, &needed), FLR_TRUNCATED);
    CHECK_OK(flr_cursor_json(cursor, json, sizeof json - 1, &needed));
    json[needed] = '\0';
    CHECK(strstr(json, "\"intValue\":\"47\"") != NULL);
    CHECK_EQ(flr_cursor_next(cursor, &found), FLR_END);
    flr_cursor_destroy(cursor);

    /* Newest first, limited, and continued. */
    filter.errors_only = 0;
    filter.name = FLR_TEXT("even");
    filter.limit = 2;
    CHECK_OK(flr_recorder_query_spans(recorder, &filter, &cursor));
    CHECK_OK(flr_cursor_next(cursor, &found));
    CHECK_EQ(found.sequence, 9);
    CHECK_OK(flr_cursor_next(cursor, &found));
    CHECK_EQ(found.sequence, 7);
    CHECK_EQ(flr_cursor_next(cursor, &found), FLR_END);
    CHECK_OK(flr_cursor_get_coverage(cursor, &coverage));
    CHECK(coverage.truncated);
    CHECK_EQ(coverage.evicted, 0);
    flr_cursor_destroy(cursor);
    filter.from_sequence = coverage.rest_from;
    filter.to_sequence = coverage.rest_to;
    CHECK_OK(flr_recorder_query_spans(recorder, &filter, &cursor));
    CHECK_OK(flr_cursor_next(cursor, &found));
    CHECK_EQ(found.sequence, 5);
    /* A cursor may outlive its recorder. */
    flr_recorder_destroy(recorder);
    CHECK_OK(flr_cursor_next(cursor, &found));
    CHECK_EQ(found.sequence, 3);
    flr_cursor_destroy(cursor);
    flr_cursor_destroy(NULL);
}

TEST(recorder_holds_logs_and_metrics) {
    flr_recorder *recorder = recorder_of(0);
    flr_log_entry log = FLR_LOG_ENTRY_INIT;
    flr_metric metric = FLR_METRIC_INIT;
    flr_filter filter = FLR_FILTER_INIT;
    flr_found found = FLR_FOUND_INIT;
    flr_cursor *cursor = NULL;
    const uint64_t counts[3] = {1, 2, 3};
    const double bounds[2] = {0.5, 1.0};
    log.severity = 17;
    log.body = FLR_TEXT("disk full");
    log.time_ns = 5;
    CHECK_OK(flr_recorder_add_log(recorder, &log));
    log.severity = 9;
    log.body = FLR_TEXT("all well");
    CHECK_OK(flr_recorder_add_log(recorder, &log));
    filter.min_severity = 17;
    CHECK_OK(flr_recorder_query_logs(recorder, &filter, &cursor));
    CHECK_OK(flr_cursor_next(cursor, &found));
    CHECK(is_text(found.body, "disk full"));
    CHECK(is_text(found.service, "unknown"));
    CHECK_EQ(flr_cursor_next(cursor, &found), FLR_END);
    flr_cursor_destroy(cursor);
    filter.min_severity = 0;
    filter.text = FLR_TEXT("well");
    CHECK_OK(flr_recorder_query_logs(recorder, &filter, &cursor));
    CHECK_EQ(count(cursor), 1);
    CHECK_EQ(flr_recorder_query_spans(recorder, &filter, &cursor), FLR_INVALID);
    CHECK(cursor == NULL);

    metric.name = FLR_TEXT("queue.length");
    metric.metric_type = FLR_METRIC_TYPE_GAUGE;
    metric.is_integer = 1;
    metric.integer = -3;
    CHECK_OK(flr_recorder_add_metric(recorder, &metric));
    metric.metric_type = FLR_METRIC_TYPE_HISTOGRAM;
    metric.name = FLR_TEXT("latency");
    metric.count = 6;
    metric.bucket_counts = counts;
    metric.bucket_count = 3;
    metric.bounds = bounds;
    metric.bound_count = 2;
    CHECK_OK(flr_recorder_add_metric(recorder, &metric));
    metric.bound_count = 1;
    CHECK_EQ(flr_recorder_add_metric(recorder, &metric), FLR_INVALID);
    metric.metric_type = 9;
    CHECK_EQ(flr_recorder_add_metric(recorder, &metric), FLR_INVALID);
    memset(&filter, 0, sizeof filter);
    filter.struct_size = sizeof filter;
    filter.metric_type = FLR_METRIC_TYPE_GAUGE;
    CHECK_OK(flr_recorder_query_metrics(recorder, &filter, &cursor));
    CHECK_OK(flr_cursor_next(cursor, &found));
    CHECK(found.has_number && found.is_integer);
    CHECK_EQ(found.integer, -3);
    CHECK_EQ(flr_cursor_next(cursor, &found), FLR_END);
    flr_cursor_destroy(cursor);
    flr_recorder_destroy(recorder);
}

struct sum {
    char bytes[8192];
    size_t len;
};

static int32_t collect(void *user_data, const void *data, size_t len) {
    struct sum *sum = (struct sum *)user_data;
    if (len > sizeof sum->bytes - sum->len) {
        return 1;
    }
    memcpy(sum->bytes + sum->len, data, len);
    sum->len += len;
    return 0;
}

TEST(recorder_takes_in_what_it_exports) {
    flr_recorder *recorder = recorder_of(0), *other = recorder_of(0);
    flr_recorder_stats stats = FLR_RECORDER_STATS_INIT;
    flr_cursor *cursor = NULL;
    struct sum sum;
    for (uint8_t trace = 1; trace <= 5; trace++) {
        CHECK_OK(add(recorder, trace, "web", "GET", 0));
    }
    for (int32_t form = FLR_EXPORT_OTLP_PROTOBUF; form <= FLR_EXPORT_NDJSON; form++) {
        sum.len = 0;
        CHECK_OK(flr_recorder_query_spans(recorder, NULL, &cursor));
        CHECK_OK(flr_cursor_export(cursor, form, collect, &sum));
        flr_cursor_destroy(cursor);
        CHECK_OK(flr_recorder_ingest_otlp(other, FLR_SIGNAL_TRACES, form, sum.bytes, sum.len));
    }
    CHECK_OK(flr_recorder_get_stats(other, FLR_SIGNAL_TRACES, &stats));
    CHECK_EQ(stats.count, 15);
    CHECK_EQ(stats.traces, 5);
    CHECK_EQ(flr_recorder_ingest_otlp(other, FLR_SIGNAL_TRACES, FLR_OTLP_PROTOBUF, "\xff", 1), FLR_INVALID);
    CHECK_EQ(flr_recorder_ingest_otlp(other, 3, FLR_OTLP_PROTOBUF, NULL, 0), FLR_INVALID);
    CHECK_EQ(flr_recorder_ingest_otlp(other, 0, 3, NULL, 0), FLR_INVALID);
    CHECK_EQ(flr_recorder_ingest_otlp(other, FLR_SIGNAL_TRACES, FLR_OTLP_NDJSON, "{}\n", 3), FLR_DROPPED);
    /* In JSON too, a record that cannot be read is refused alone. */
    const char *mixed = "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"good\"},{\"traceId\":\"no hex\"}]}]}]}";
    CHECK_EQ(flr_recorder_ingest_otlp(other, FLR_SIGNAL_TRACES, FLR_OTLP_JSON, mixed, strlen(mixed)), FLR_DROPPED);
    CHECK(strstr(flr_last_error(), "1 could not be read (the first: resourceSpans[0].scopeSpans[0].spans[1].traceId: ") != NULL);
    CHECK_EQ(flr_recorder_ingest_otlp(other, FLR_SIGNAL_TRACES, FLR_OTLP_JSON, mixed, strlen(mixed) - 1), FLR_INVALID);

    sum.len = 0;
    CHECK_OK(flr_recorder_query_spans(recorder, NULL, &cursor));
    CHECK_OK(flr_cursor_export(cursor, FLR_EXPORT_NDJSON, collect, &sum));
    flr_cursor_destroy(cursor);
    int lines = 0;
    for (size_t i = 0; i < sum.len; i++) {
        lines += sum.bytes[i] == '\n';
    }
    CHECK_EQ(lines, 5);
    sum.len = sizeof sum.bytes;
    CHECK_OK(flr_recorder_query_spans(recorder, NULL, &cursor));
    CHECK_EQ(flr_cursor_export(cursor, FLR_EXPORT_NDJSON, collect, &sum), FLR_CLOSED);
    flr_cursor_destroy(cursor);
    flr_recorder_destroy(recorder);
    flr_recorder_destroy(other);
}

TEST(recorder_says_what_is_wrong_with_a_request) {
    flr_recorder *recorder = recorder_of(0);
    flr_recorder_stats stats = FLR_RECORDER_STATS_INIT;
    const char *no_list = "{\"resourceLogs\":5}";
    CHECK_EQ(flr_recorder_ingest_otlp(recorder, FLR_SIGNAL_LOGS, FLR_OTLP_JSON, no_list, strlen(no_list)), FLR_INVALID);
    CHECK(strstr(flr_last_error(), "resourceLogs: 5 where OTLP has a list") != NULL);
    /* A log record with a trace id of four bytes, and one without any; of two bytes as JSON. */
    const char bytes[] = "\x0a\x0c\x12\x0a\x12\x06\x4a\x04" "abcd" "\x12\x00";
    CHECK_EQ(flr_recorder_ingest_otlp(recorder, FLR_SIGNAL_LOGS, FLR_OTLP_PROTOBUF, bytes, sizeof bytes - 1), FLR_DROPPED);
    CHECK(strstr(flr_last_error(), "resourceLogs[0].scopeLogs[0].logRecords[0].traceId: 4 bytes where OTLP has 16") != NULL);
    const char *text = "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"spanId\":\"00ff\"},{\"spanId\":\"\"}]}]}]}";
    CHECK_EQ(flr_recorder_ingest_otlp(recorder, FLR_SIGNAL_LOGS, FLR_OTLP_JSON, text, strlen(text)), FLR_DROPPED);
    CHECK(strstr(flr_last_error(), "logRecords[0].spanId: \"00ff\" where OTLP has 16 hexadecimal digits") != NULL);
    CHECK_OK(flr_recorder_get_stats(recorder, FLR_SIGNAL_LOGS, &stats));
    CHECK_EQ(stats.added, 2);
    /* Nor is an exemplar taken whose span has no such id. */
    flr_metric metric = FLR_METRIC_INIT;
    const flr_text exemplar = {"\x22\x02" "ab", 4};
    metric.metric_type = FLR_METRIC_TYPE_GAUGE;
    metric.exemplars = &exemplar;
    metric.exemplar_count = 1;
    CHECK_EQ(flr_recorder_add_metric(recorder, &metric), FLR_INVALID);
    CHECK(strstr(flr_last_error(), "exemplar") != NULL);
    flr_recorder_destroy(recorder);
}

TEST(recorder_reads_between_snapshots) {
    flr_recorder *recorder = recorder_of(4);
    flr_filter filter = FLR_FILTER_INIT;
    flr_found found = FLR_FOUND_INIT;
    flr_coverage coverage = FLR_COVERAGE_INIT;
    flr_cursor *cursor = NULL;
    char json[4096];
    CHECK_OK(add(recorder, 1, "web", "GET", 0));
    CHECK_OK(flr_recorder_snapshot(recorder, "before"));
    CHECK_OK(add(recorder, 2, "web", "GET", 0));
    CHECK_OK(add(recorder, 3, "web", "GET", 0));
    CHECK_OK(flr_recorder_snapshot(recorder, "after"));
    CHECK_OK(add(recorder, 4, "web", "GET", 0));
    filter.since = FLR_TEXT("before");
    filter.until = FLR_TEXT("after");
    CHECK_OK(flr_recorder_query_spans(recorder, &filter, &cursor));
    CHECK_EQ(count(cursor), 2);
    for (uint8_t trace = 5; trace <= 6; trace++) {
        CHECK_OK(add(recorder, trace, "web", "GET", 0));
    }
    CHECK_OK(flr_recorder_query_spans(recorder, &filter, &cursor));
    CHECK_OK(flr_cursor_next(cursor, &found));
    CHECK_EQ(found.sequence, 2);
    CHECK_EQ(flr_cursor_next(cursor, &found), FLR_END);
    CHECK_OK(flr_cursor_get_coverage(cursor, &coverage));
    CHECK_EQ(coverage.evicted, 1);
    CHECK_EQ(coverage.complete_since_sequence, 2);
    CHECK(coverage.complete_since_time_ns > 0);
    flr_cursor_destroy(cursor);
    CHECK_OK(flr_recorder_delete_snapshot(recorder, "after"));
    CHECK_EQ(flr_recorder_query_spans(recorder, &filter, &cursor), FLR_NOT_FOUND);
    CHECK_EQ(flr_recorder_delete_snapshot(recorder, "after"), FLR_NOT_FOUND);
    CHECK_EQ(flr_recorder_snapshot(recorder, ""), FLR_INVALID);
    CHECK_EQ(flr_recorder_snapshot(recorder, NULL), FLR_INVALID);
    CHECK_OK(flr_recorder_stats_json(recorder, json, sizeof json, NULL));
    CHECK(strncmp(json, "{", 1) == 0);
    flr_recorder_destroy(recorder);
}

TEST(recorder_ends_behind_the_last_number) {
    flr_recorder_options options = FLR_RECORDER_OPTIONS_INIT;
    flr_recorder *recorder = NULL;
    flr_filter filter = FLR_FILTER_INIT;
    flr_found found = FLR_FOUND_INIT;
    flr_coverage coverage = FLR_COVERAGE_INIT;
    flr_cursor *cursor = NULL;
    /* There are numbers enough behind the first that they never begin again at 0, which in a filter is the start. */
    options.traces.first_sequence = UINT64_MAX;
    CHECK_EQ(flr_recorder_create(&options, &recorder), FLR_INVALID);
    CHECK(strstr(flr_last_error(), "first sequence number") != NULL);
    options.traces.first_sequence = UINT64_MAX / 2;
    CHECK_OK(flr_recorder_create(&options, &recorder));
    CHECK_OK(add(recorder, 1, "web", "GET", 0));
    CHECK_OK(add(recorder, 2, "web", "GET", 0));
    for (filter.order = FLR_ANSWER_ORDER_NEWEST_FIRST; filter.order <= FLR_ANSWER_ORDER_OLDEST_FIRST; filter.order++) {
        filter.from_sequence = UINT64_MAX / 2 + 1;
        CHECK_OK(flr_recorder_query_spans(recorder, &filter, &cursor));
        CHECK_OK(flr_cursor_next(cursor, &found));
        CHECK_EQ(found.sequence, UINT64_MAX / 2 + 1);
        CHECK_EQ(flr_cursor_next(cursor, &found), FLR_END);
        flr_cursor_destroy(cursor);
        filter.from_sequence = UINT64_MAX;
        for (int again = 0; again < 2; again++) {
            CHECK_OK(flr_recorder_query_spans(recorder, &filter, &cursor));
            CHECK_EQ(flr_cursor_next(cursor, &found), FLR_END);
            CHECK_OK(flr_cursor_get_coverage(cursor, &coverage));
            flr_cursor_destroy(cursor);
            /* Continued, it has still ended. */
            filter.from_sequence = coverage.rest_from;
            filter.to_sequence = coverage.rest_to;
        }
        filter.to_sequence = 0;
    }
    flr_recorder_destroy(recorder);
}

struct evictions {
    int calls;
    int destroyed;
    uint64_t last;
    size_t bytes;
};

static void evicted(void *user_data, int32_t signal, uint64_t sequence, const void *wire, size_t len) {
    struct evictions *evictions = (struct evictions *)user_data;
    CHECK_EQ(signal, FLR_SIGNAL_TRACES);
    CHECK(wire != NULL);
    evictions->calls++;
    evictions->last = sequence;
    evictions->bytes += len;
}

static void destroyed(void *user_data) {
    ((struct evictions *)user_data)->destroyed++;
}

TEST(recorder_says_what_it_evicts) {
    flr_recorder *recorder = recorder_of(2);
    struct evictions first = {0, 0, 0, 0}, second = {0, 0, 0, 0};
    CHECK_OK(flr_recorder_on_evict(recorder, FLR_SIGNAL_TRACES, evicted, &first, destroyed));
    for (uint8_t trace = 1; trace <= 5; trace++) {
        CHECK_OK(add(recorder, trace, "web", "GET", 0));
    }
    CHECK_EQ(first.calls, 3);
    CHECK_EQ(first.last, 2);
    CHECK(first.bytes > 3 * 16);
    CHECK_OK(flr_recorder_on_evict(recorder, FLR_SIGNAL_TRACES, evicted, &second, destroyed));
    CHECK_EQ(first.destroyed, 1);
    flr_recorder_destroy(recorder);
    CHECK_EQ(second.destroyed, 1);
    CHECK_EQ(flr_recorder_on_evict(NULL, FLR_SIGNAL_TRACES, evicted, &first, destroyed), FLR_INVALID);
    CHECK_EQ(first.destroyed, 2);
}

struct nested {
    flr_recorder *recorder;
    int calls;
    int destroyed;
    int end_at;
};

/* Does all that a callback may do: no lock is held, so none of it may hang. */
static void evicted_and_busy(void *user_data, int32_t signal, uint64_t sequence, const void *wire, size_t len) {
    struct nested *nested = (struct nested *)user_data;
    flr_recorder_stats stats = FLR_RECORDER_STATS_INIT;
    flr_cursor *cursor = NULL;
    (void)sequence;
    CHECK_EQ(signal, FLR_SIGNAL_TRACES);
    CHECK(wire != NULL && len > 0);
    nested->calls++;
    CHECK_OK(add(nested->recorder, 9, "inside", "GET", 0));
    CHECK_OK(flr_recorder_query_spans(nested->recorder, NULL, &cursor));
    CHECK_EQ(count(cursor), 2);
    CHECK_OK(flr_recorder_get_stats(nested->recorder, FLR_SIGNAL_TRACES, &stats));
    CHECK_EQ(stats.count, 2);
    CHECK_OK(flr_recorder_snapshot(nested->recorder, "inside"));
    CHECK_OK(flr_recorder_expire(nested->recorder));
    if (nested->calls == nested->end_at) {
        CHECK_OK(flr_recorder_clear(nested->recorder, FLR_SIGNAL_TRACES));
        flr_recorder_destroy(nested->recorder);
        nested->recorder = NULL;
        CHECK_EQ(nested->destroyed, 0);
    }
}

static void nested_destroyed(void *user_data) {
    ((struct nested *)user_data)->destroyed++;
}

TEST(recorder_may_be_used_and_ended_where_it_says_what_it_evicts) {
    struct nested nested = {recorder_of(2), 0, 0, 3};
    flr_recorder_stats stats = FLR_RECORDER_STATS_INIT;
    CHECK_OK(flr_recorder_on_evict(nested.recorder, FLR_SIGNAL_TRACES, evicted_and_busy, &nested, nested_destroyed));
    CHECK_OK(add(nested.recorder, 1, "web", "GET", 0));
    CHECK_OK(add(nested.recorder, 2, "web", "GET", 0));
    CHECK_OK(add(nested.recorder, 3, "web", "GET", 0));
    CHECK_EQ(nested.calls, 1);
    CHECK_OK(flr_recorder_get_stats(nested.recorder, FLR_SIGNAL_TRACES, &stats));
    CHECK_EQ(stats.evicted, 2);
    CHECK_EQ(stats.unreported, 1);
    CHECK_OK(add(nested.recorder, 4, "web", "GET", 0));
    CHECK_OK(add(nested.recorder, 5, "web", "GET", 0));
    CHECK_EQ(nested.calls, 3);
    CHECK(nested.recorder == NULL);
    CHECK_EQ(nested.destroyed, 1);

    /* The same from the middle of a request. */
    struct sum sum;
    flr_recorder *source = recorder_of(0);
    flr_cursor *cursor = NULL;
    for (uint8_t trace = 1; trace <= 10; trace++) {
        CHECK_OK(add(source, trace, "web", "GET", 0));
    }
    sum.len = 0;
    CHECK_OK(flr_recorder_query_spans(source, NULL, &cursor));
    CHECK_OK(flr_cursor_export(cursor, FLR_EXPORT_OTLP_PROTOBUF, collect, &sum));
    flr_cursor_destroy(cursor);
    flr_recorder_destroy(source);
    nested.recorder = recorder_of(2);
    nested.calls = nested.destroyed = 0;
    nested.end_at = 8;
    CHECK_OK(flr_recorder_on_evict(nested.recorder, FLR_SIGNAL_TRACES, evicted_and_busy, &nested, nested_destroyed));
    CHECK_OK(flr_recorder_ingest_otlp(nested.recorder, FLR_SIGNAL_TRACES, FLR_OTLP_PROTOBUF, sum.bytes, sum.len));
    CHECK_EQ(nested.calls, 8);
    CHECK_EQ(nested.destroyed, 1);
}

TEST(recorder_refuses_what_it_cannot_use) {
    flr_recorder *recorder = recorder_of(0);
    flr_span span = FLR_SPAN_INIT;
    flr_filter filter = FLR_FILTER_INIT;
    flr_cursor *cursor = NULL;
    CHECK_EQ(flr_recorder_create(NULL, NULL), FLR_INVALID);
    CHECK_EQ(flr_recorder_add_span(recorder, NULL), FLR_INVALID);
    CHECK_EQ(flr_recorder_add_span(NULL, &span), FLR_INVALID);
    span.name.data = "\xff";
    span.name.len = 1;
    CHECK_EQ(flr_recorder_add_span(recorder, &span), FLR_INVALID);
    span.name.len = 0;
    span.status = 3;
    CHECK_EQ(flr_recorder_add_span(recorder, &span), FLR_INVALID);
    span.status = 0;
    span.attribute_count = 1;
    CHECK_EQ(flr_recorder_add_span(recorder, &span), FLR_INVALID);
    span.attribute_count = SIZE_MAX;
    span.attributes = (const flr_attribute *)(const void *)&filter;
    CHECK_EQ(flr_recorder_add_span(recorder, &span), FLR_INVALID);
    filter.order = 7;
    CHECK_EQ(flr_recorder_query_spans(recorder, &filter, &cursor), FLR_INVALID);
    filter.order = 0;
    filter.min_severity = 99;
    CHECK_EQ(flr_recorder_query_logs(recorder, &filter, &cursor), FLR_INVALID);

    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        span.attribute_count = 0;
        CHECK_EQ(flr_recorder_add_span(recorder, &span), FLR_FORKED);
        flr_recorder_destroy(recorder);
        _exit(0);
    }
    int status = 1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    flr_recorder_destroy(recorder);
}

TEST(recorder_limits_bytes_a_record_and_a_trace) {
    flr_recorder_options options = FLR_RECORDER_OPTIONS_INIT;
    flr_recorder *recorder = NULL;
    flr_span span = FLR_SPAN_INIT;
    flr_found found = FLR_FOUND_INIT;
    flr_cursor *cursor = NULL;
    char large[1000];
    memset(large, 'x', sizeof large);
    options.traces.max_record_bytes = 256;
    options.traces.max_per_trace = 2;
    CHECK_OK(flr_recorder_create(&options, &recorder));
    span.trace_id[0] = 1;
    span.name.data = large;
    span.name.len = sizeof large;
    CHECK_EQ(flr_recorder_add_span(recorder, &span), FLR_TRUNCATED);
    /* Said of this as of a buffer that is too small. */
    CHECK(strcmp(flr_status_text(FLR_TRUNCATED), "it is too large to fit whole") == 0);
    span.name.len = 10;
    CHECK_OK(flr_recorder_add_span(recorder, &span));
    CHECK_EQ(flr_recorder_add_span(recorder, &span), FLR_DROPPED);
    CHECK_OK(flr_recorder_query_spans(recorder, NULL, &cursor));
    CHECK_OK(flr_cursor_next(cursor, &found));
    CHECK_EQ(found.placeholder, 0);
    CHECK_OK(flr_cursor_next(cursor, &found));
    CHECK(found.placeholder);
    CHECK(found.name.len > 0 && found.name.len < sizeof large);
    flr_cursor_destroy(cursor);
    options.traces.max_record_bytes = 1;
    flr_recorder_destroy(recorder);
    CHECK_EQ(flr_recorder_create(&options, &recorder), FLR_INVALID);
    CHECK(recorder == NULL);
}
