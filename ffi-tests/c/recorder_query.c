/* Queries that need more than one name or attribute, whole traces, and what is held. */
#include "check.h"

static flr_recorder *shop(void) {
    static const char *const names[] = {"GET /", "charge", "SELECT", "GET /"};
    static const char *const services[] = {"web", "pay", "db", "web"};
    flr_recorder *recorder = NULL;
    CHECK_OK(flr_recorder_create(NULL, &recorder));
    for (uint8_t i = 0; i < 4; i++) {
        flr_span span = FLR_SPAN_INIT;
        flr_attribute attributes[2];
        attributes[0] = flr_attribute_text("tier", i % 2 ? "back" : "front");
        attributes[1] = flr_attribute_int("shard", i / 2);
        span.trace_id[0] = 9;
        span.span_id[0] = (uint8_t)(i + 1);
        span.parent_id[0] = i; /* each within the one before */
        span.name = FLR_TEXT(names[i]);
        span.service = FLR_TEXT(services[i]);
        span.start_ns = 100u + i;
        span.end_ns = 200;
        span.attributes = attributes;
        span.attribute_count = 2;
        CHECK_OK(flr_recorder_add_span(recorder, &span));
    }
    return recorder;
}

static int matching(const flr_recorder *recorder, const flr_filter *filter) {
    flr_found found = FLR_FOUND_INIT;
    flr_cursor *cursor = NULL;
    int records = 0;
    CHECK_OK(flr_recorder_query_spans(recorder, filter, &cursor));
    while (flr_cursor_next(cursor, &found) == FLR_OK) {
        records++;
    }
    flr_cursor_destroy(cursor);
    return records;
}

TEST(recorder_filters_by_several_names) {
    flr_recorder *recorder = shop();
    flr_filter filter = FLR_FILTER_INIT;
    flr_text names[2];
    flr_cursor *cursor = NULL;
    names[0] = FLR_TEXT("SELECT");
    names[1] = FLR_TEXT("GET /");
    filter.names = names;
    filter.name_count = 2;
    CHECK_EQ(matching(recorder, &filter), 3);
    filter.name = FLR_TEXT("charge");
    CHECK_EQ(matching(recorder, &filter), 4);
    filter.name_count = 0;
    CHECK_EQ(matching(recorder, &filter), 1);
    /* A filter that is meant to name something must not ask for everything. */
    filter.name_count = 1;
    names[0] = FLR_TEXT("");
    CHECK_EQ(flr_recorder_query_spans(recorder, &filter, &cursor), FLR_INVALID);
    filter.names = NULL;
    CHECK_EQ(flr_recorder_query_spans(recorder, &filter, &cursor), FLR_INVALID);
    flr_recorder_destroy(recorder);
}

TEST(recorder_refuses_a_value_of_no_attribute) {
    flr_recorder *recorder = shop();
    flr_filter filter = FLR_FILTER_INIT;
    flr_cursor *cursor = NULL;
    filter.attribute_value = FLR_TEXT("back");
    CHECK_EQ(flr_recorder_query_spans(recorder, &filter, &cursor), FLR_INVALID);
    filter.attribute_key = FLR_TEXT("tier");
    CHECK_EQ(matching(recorder, &filter), 2);
    flr_recorder_destroy(recorder);
}

TEST(recorder_filters_by_several_attributes) {
    flr_recorder *recorder = shop();
    flr_filter filter = FLR_FILTER_INIT;
    flr_attribute_filter wanted[2];
    flr_cursor *cursor = NULL;
    wanted[0].key = FLR_TEXT("tier");
    wanted[0].value = FLR_TEXT("front");
    wanted[1].key = FLR_TEXT("shard");
    wanted[1].value = FLR_TEXT("1");
    filter.attributes = wanted;
    filter.attribute_count = 2;
    CHECK_EQ(matching(recorder, &filter), 1);
    wanted[1].value.data = NULL;
    wanted[1].value.len = 0;
    CHECK_EQ(matching(recorder, &filter), 2);
    filter.attribute_key = FLR_TEXT("service.name");
    filter.attribute_value = FLR_TEXT("db");
    CHECK_EQ(matching(recorder, &filter), 1);
    filter.attribute_value = FLR_TEXT("nobody");
    CHECK_EQ(matching(recorder, &filter), 0);
    wanted[0].key = FLR_TEXT("");
    CHECK_EQ(flr_recorder_query_spans(recorder, &filter, &cursor), FLR_INVALID);
    flr_recorder_destroy(recorder);
}

TEST(recorder_shows_a_whole_trace) {
    flr_recorder *recorder = shop();
    uint8_t trace[16] = {9};
    char json[8192];
    size_t needed = 0;
    const char *at = json;
    flr_log_entry log = FLR_LOG_ENTRY_INIT;
    memcpy(log.trace_id, trace, sizeof trace);
    log.body = FLR_TEXT("slow");
    CHECK_OK(flr_recorder_add_log(recorder, &log));
    CHECK_OK(flr_recorder_trace_json(recorder, trace, json, sizeof json - 1, &needed));
    json[needed] = 0;
    CHECK(strstr(json, "\"traceId\":\"09000000000000000000000000000000\"") != NULL);
    CHECK(strstr(json, "\"logs\":1") != NULL);
    for (int depth = 0; depth < 4; depth++) {
        char expected[32];
        snprintf(expected, sizeof expected, "\"depth\":%d", depth);
        at = strstr(at, expected);
        CHECK(at != NULL);
    }
    CHECK_EQ(flr_recorder_trace_json(recorder, trace, json, 10, &needed), FLR_TRUNCATED);
    CHECK(needed > 10);
    trace[0] = 1;
    CHECK_OK(flr_recorder_trace_json(recorder, trace, json, sizeof json - 1, &needed));
    json[needed] = 0;
    CHECK(strstr(json, "\"spans\":[]") != NULL);
    CHECK_EQ(flr_recorder_trace_json(recorder, NULL, json, sizeof json, &needed), FLR_INVALID);
    CHECK_EQ(flr_recorder_trace_json(NULL, trace, json, sizeof json, &needed), FLR_INVALID);
    flr_recorder_destroy(recorder);
}

TEST(recorder_says_what_is_held) {
    flr_recorder *recorder = shop();
    char json[1024];
    size_t needed = 0;
    CHECK_OK(flr_recorder_summary_json(recorder, FLR_SIGNAL_TRACES, json, sizeof json - 1, &needed));
    json[needed] = 0;
    CHECK(strstr(json, "\"services\":{\"db\":1,\"pay\":1,\"web\":2}") != NULL);
    CHECK(strstr(json, "\"names\":{\"GET /\":2,\"SELECT\":1,\"charge\":1}") != NULL);
    CHECK(strstr(json, "\"classes\":{\"unset\":4}") != NULL);
    CHECK_OK(flr_recorder_clear(recorder, FLR_SIGNAL_TRACES));
    CHECK_OK(flr_recorder_summary_json(recorder, FLR_SIGNAL_TRACES, json, sizeof json - 1, &needed));
    json[needed] = 0;
    CHECK(strstr(json, "\"services\":{}") != NULL);
    CHECK_EQ(flr_recorder_summary_json(recorder, 3, json, sizeof json, &needed), FLR_INVALID);
    CHECK_EQ(flr_recorder_summary_json(NULL, FLR_SIGNAL_TRACES, json, sizeof json, &needed), FLR_INVALID);
    flr_recorder_destroy(recorder);
}

TEST(recorder_answers_end_where_they_are_read_in_parts) {
    flr_recorder *recorder = shop();
    for (int32_t order = 0; order < 2; order++) {
        flr_filter filter = FLR_FILTER_INIT;
        filter.order = order;
        filter.limit = 2;
        int pages = 0, records = 0, got;
        do {
            flr_cursor *cursor = NULL;
            flr_found found = FLR_FOUND_INIT;
            flr_coverage coverage = FLR_COVERAGE_INIT;
            got = 0;
            CHECK_OK(flr_recorder_query_spans(recorder, &filter, &cursor));
            while (flr_cursor_next(cursor, &found) == FLR_OK) {
                got++;
            }
            CHECK_OK(flr_cursor_get_coverage(cursor, &coverage));
            flr_cursor_destroy(cursor);
            filter.from_sequence = coverage.rest_from;
            filter.to_sequence = coverage.rest_to;
            records += got;
            /* Record 0 is the last of the newest first: what follows it is nothing, not everything again. */
            CHECK(++pages < 10);
        } while (got > 0);
        CHECK_EQ(records, 4);
    }
    flr_recorder_destroy(recorder);
}

struct parts {
    flr_recorder *into;
    char *bytes;
    size_t len, largest, count, most;
};

static int32_t take_part(void *user_data, const void *data, size_t len) {
    struct parts *parts = user_data;
    parts->bytes = realloc(parts->bytes, parts->len + len);
    CHECK(parts->bytes != NULL);
    memcpy(parts->bytes + parts->len, data, len);
    parts->len += len;
    parts->largest = len > parts->largest ? len : parts->largest;
    return ++parts->count == parts->most;
}

/* However much is exported, it comes in parts of moderate size, and can be stopped after any of them. */
TEST(recorder_exports_in_parts) {
    static char text[20000];
    flr_recorder *recorder = NULL;
    memset(text, 'x', sizeof text);
    CHECK_OK(flr_recorder_create(NULL, &recorder));
    for (int i = 0; i < 200; i++) {
        flr_log_entry entry = FLR_LOG_ENTRY_INIT;
        entry.body.data = text;
        entry.body.len = sizeof text;
        CHECK_OK(flr_recorder_add_log(recorder, &entry));
    }
    for (int32_t form = FLR_EXPORT_OTLP_PROTOBUF; form <= FLR_EXPORT_NDJSON; form++) {
        flr_cursor *cursor = NULL;
        flr_recorder_stats stats = FLR_RECORDER_STATS_INIT;
        struct parts parts = {NULL, NULL, 0, 0, 0, 0};
        CHECK_OK(flr_recorder_query_logs(recorder, NULL, &cursor));
        CHECK_OK(flr_cursor_export(cursor, form, take_part, &parts));
        flr_cursor_destroy(cursor);
        CHECK(parts.count >= 10 && parts.largest <= 400000);
        CHECK_OK(flr_recorder_create(NULL, &parts.into));
        CHECK_OK(flr_recorder_ingest_otlp(parts.into, FLR_SIGNAL_LOGS, form, parts.bytes, parts.len));
        CHECK_OK(flr_recorder_get_stats(parts.into, FLR_SIGNAL_LOGS, &stats));
        CHECK_EQ(stats.count, 200);
        flr_recorder_destroy(parts.into);
        parts.count = 0;
        parts.most = 2;
        CHECK_OK(flr_recorder_query_logs(recorder, NULL, &cursor));
        CHECK_EQ(flr_cursor_export(cursor, form, take_part, &parts), FLR_CLOSED);
        CHECK_EQ(parts.count, 2);
        flr_cursor_destroy(cursor);
        free(parts.bytes);
    }
    flr_recorder_destroy(recorder);
}
