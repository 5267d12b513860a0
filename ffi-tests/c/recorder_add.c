#include "check.h"

/* The JSON of the newest record; NUL-terminated. */
static void newest(flr_recorder *recorder, int32_t signal, char *json, size_t cap) {
    flr_found found = FLR_FOUND_INIT;
    flr_cursor *cursor = NULL;
    size_t needed = 0;
    if (signal == FLR_SIGNAL_TRACES) {
        CHECK_OK(flr_recorder_query_spans(recorder, NULL, &cursor));
    } else {
        CHECK_OK(flr_recorder_query_metrics(recorder, NULL, &cursor));
    }
    CHECK_OK(flr_cursor_next(cursor, &found));
    CHECK_EQ(found.signal, signal);
    CHECK_OK(flr_cursor_json(cursor, json, cap - 1, &needed));
    json[needed] = '\0';
    flr_cursor_destroy(cursor);
}

static void has(const char *json, const char *part) {
    if (strstr(json, part) == NULL) {
        fprintf(stderr, "%s is not in %s\n", part, json);
    }
    CHECK(strstr(json, part) != NULL);
}

TEST(recorder_takes_every_type_of_metric) {
    static const uint64_t positive[3] = {1, 2, 300}, negative[1] = {7};
    static const flr_quantile quantiles[2] = {{0.5, 10.25}, {0.99, 80.0}};
    /* An Exemplar message: as_double (field 3) 1.5, trace id (field 5). */
    static const unsigned char exemplar[] = {0x19, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f, 0x2a, 16, 0xab, 0xcd, 0, 0,
                                             0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x11};
    flr_recorder *recorder = NULL;
    flr_metric metric = FLR_METRIC_INIT;
    flr_text exemplars[2];
    char json[4096];
    CHECK_OK(flr_recorder_create(NULL, &recorder));
    exemplars[0] = flr_text_of_bytes(exemplar, sizeof exemplar);
    exemplars[1] = exemplars[0];
    metric.name = FLR_TEXT("size");
    metric.time_ns = 7;

    metric.metric_type = FLR_METRIC_TYPE_EXPONENTIAL_HISTOGRAM;
    metric.temporality = FLR_TEMPORALITY_DELTA;
    metric.count = 311;
    metric.value = 12.5;
    metric.scale = -2;
    metric.zero_count = 1;
    metric.positive_offset = -3;
    metric.bucket_counts = positive;
    metric.bucket_count = 3;
    metric.negative_offset = 4;
    metric.negative_counts = negative;
    metric.negative_count = 1;
    metric.exemplars = exemplars;
    metric.exemplar_count = 2;
    CHECK_OK(flr_recorder_add_metric(recorder, &metric));
    newest(recorder, FLR_SIGNAL_METRICS, json, sizeof json);
    has(json, "\"type\":\"exponential_histogram\"");
    has(json, "\"count\":\"311\"");
    has(json, "\"scale\":-2");
    has(json, "\"zeroCount\":\"1\"");
    has(json, "\"aggregationTemporality\":1");
    has(json, "\"bucketCounts\":[\"1\",\"2\",\"300\"]");
    has(json, "\"offset\":-3");
    has(json, "\"bucketCounts\":[\"7\"]");
    has(json, "\"offset\":4");
    has(json, "\"traceId\":\"abcd0000000000000000000000000011\"");
    has(json, "\"asDouble\":1.5");

    metric.exemplar_count = 0;
    metric.metric_type = FLR_METRIC_TYPE_SUMMARY;
    metric.quantiles = quantiles;
    metric.quantile_count = 2;
    CHECK_OK(flr_recorder_add_metric(recorder, &metric));
    newest(recorder, FLR_SIGNAL_METRICS, json, sizeof json);
    has(json, "\"type\":\"summary\"");
    has(json, "\"sum\":12.5");
    has(json, "{\"quantile\":0.5,\"value\":10.25}");
    has(json, "{\"quantile\":0.99,\"value\":80.0}");

    metric.metric_type = FLR_METRIC_TYPE_GAUGE;
    metric.exemplar_count = 1;
    CHECK_OK(flr_recorder_add_metric(recorder, &metric));
    newest(recorder, FLR_SIGNAL_METRICS, json, sizeof json);
    has(json, "\"type\":\"gauge\"");
    has(json, "\"traceId\":\"abcd0000000000000000000000000011\"");

    exemplars[0].len = sizeof exemplar - 1;
    CHECK_EQ(flr_recorder_add_metric(recorder, &metric), FLR_INVALID);
    exemplars[0].data = NULL;
    CHECK_EQ(flr_recorder_add_metric(recorder, &metric), FLR_INVALID);
    metric.exemplars = NULL;
    CHECK_EQ(flr_recorder_add_metric(recorder, &metric), FLR_INVALID);
    metric.exemplar_count = 0;
    metric.quantiles = NULL;
    CHECK_EQ(flr_recorder_add_metric(recorder, &metric), FLR_INVALID);
    metric.quantile_count = 0;
    metric.negative_counts = NULL;
    CHECK_EQ(flr_recorder_add_metric(recorder, &metric), FLR_INVALID);
    metric.negative_count = 0;
    metric.metric_type = 6;
    CHECK_EQ(flr_recorder_add_metric(recorder, &metric), FLR_INVALID);
    flr_recorder_destroy(recorder);
}

TEST(recorder_keeps_lists_in_attributes) {
    flr_recorder *recorder = NULL;
    flr_span span = FLR_SPAN_INIT;
    flr_attribute inner[2], outer[3], attributes[2], endless;
    char json[4096];
    CHECK_OK(flr_recorder_create(NULL, &recorder));
    inner[0] = flr_attribute_text("host", "a");
    inner[1] = flr_attribute_int("port", 8080);
    outer[0] = flr_attribute_int("", 1);
    outer[1] = flr_attribute_map("", inner, 2);
    outer[2] = flr_attribute_list("", NULL, 0);
    attributes[0] = flr_attribute_list("peers", outer, 3);
    attributes[1] = flr_attribute_map("first", inner, 2);
    span.attributes = attributes;
    span.attribute_count = 2;
    CHECK_OK(flr_recorder_add_span(recorder, &span));
    newest(recorder, FLR_SIGNAL_TRACES, json, sizeof json);
    has(json, "{\"key\":\"peers\",\"value\":{\"arrayValue\":{\"values\":[{\"intValue\":\"1\"},{\"kvlistValue\":{\"values\":["
              "{\"key\":\"host\",\"value\":{\"stringValue\":\"a\"}},{\"key\":\"port\",\"value\":{\"intValue\":\"8080\"}}]}},"
              "{\"arrayValue\":{\"values\":[]}}]}}}");
    has(json, "{\"key\":\"first\",\"value\":{\"kvlistValue\":");

    attributes[0].text.data = NULL;
    CHECK_EQ(flr_recorder_add_span(recorder, &span), FLR_INVALID);
    attributes[0].text.len = SIZE_MAX;
    CHECK_EQ(flr_recorder_add_span(recorder, &span), FLR_INVALID);
    attributes[0].text.data = json + 1;
    CHECK_EQ(flr_recorder_add_span(recorder, &span), FLR_INVALID);
    /* A list that holds itself has an end, too. */
    endless = flr_attribute_list("again", &endless, 1);
    span.attributes = &endless;
    span.attribute_count = 1;
    CHECK_EQ(flr_recorder_add_span(recorder, &span), FLR_INVALID);
    inner[0].value_type = 7;
    span.attributes = attributes + 1;
    CHECK_EQ(flr_recorder_add_span(recorder, &span), FLR_INVALID);
    flr_recorder_destroy(recorder);
}
