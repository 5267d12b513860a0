/* Spans into a recorder and traces out of it, as a program in C does that; `recorder.rs` times it. */

#include <flightring/flightring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES 100
#define PAYLOAD 400

struct bench {
    flr_recorder *recorder;
    uint64_t random, n;
    size_t services;
    char (*service)[32], name[NAMES][32], payload[PAYLOAD];
};

struct bench *flrbench_open(uint64_t capacity, size_t services);
int flrbench_insert(struct bench *bench, uint64_t count);
size_t flrbench_by_trace(struct bench *bench, const uint8_t trace[16]);
void flrbench_close(struct bench *bench);

struct bench *flrbench_open(uint64_t capacity, size_t services) {
    flr_recorder_options options = FLR_RECORDER_OPTIONS_INIT;
    struct bench *bench = (struct bench *)calloc(1, sizeof *bench);
    bench->service = (char(*)[32])calloc(services, sizeof *bench->service);
    bench->services = services;
    bench->random = 42;
    for (size_t i = 0; i < services; i++) {
        snprintf(bench->service[i], sizeof bench->service[i], "service-%04zu", i);
    }
    for (size_t i = 0; i < NAMES; i++) {
        snprintf(bench->name[i], sizeof bench->name[i], "operation-%03zu", i);
    }
    memset(bench->payload, 'p', PAYLOAD);
    options.traces.capacity = capacity;
    if (flr_recorder_create(&options, &bench->recorder) != FLR_OK) {
        abort();
    }
    return bench;
}

static void put_u64(uint8_t to[8], uint64_t value) {
    for (int i = 0; i < 8; i++) {
        to[i] = (uint8_t)(value >> (56 - 8 * i));
    }
}

/* Sixteen traces are open at a time, with eight spans each. Of their numbers both halves are scattered. */
static void put_trace(uint8_t to[16], uint64_t n) {
    uint64_t trace = n / 128 * 16 + n % 16 + 1;
    put_u64(to, trace * 0x9e3779b97f4a7c15u);
    put_u64(to + 8, trace * 0xf39cc0605cedc835u);
}

int flrbench_insert(struct bench *bench, uint64_t count) {
    for (; count > 0; count--) {
        flr_attribute attribute = {{"payload", 7}, {bench->payload, PAYLOAD}, 0, 0, FLR_VALUE_TEXT};
        flr_span span = FLR_SPAN_INIT;
        bench->random = bench->random * 6364136223846793005u + 1442695040888963407u;
        size_t pick = (size_t)(bench->random >> 33);
        put_trace(span.trace_id, bench->n);
        put_u64(span.span_id, bench->n);
        span.service.data = bench->service[pick % bench->services];
        span.service.len = 12;
        span.name.data = bench->name[pick / 1024 % NAMES];
        span.name.len = 13;
        span.start_ns = 1700000000000000000u + bench->n * 1000;
        span.end_ns = span.start_ns + 1000;
        span.attributes = &attribute;
        span.attribute_count = 1;
        bench->n++;
        flr_status status = flr_recorder_add_span(bench->recorder, &span);
        if (status != FLR_OK) {
            return status;
        }
    }
    return FLR_OK;
}

size_t flrbench_by_trace(struct bench *bench, const uint8_t trace[16]) {
    flr_filter filter = FLR_FILTER_INIT;
    flr_found found = FLR_FOUND_INIT;
    flr_cursor *cursor = NULL;
    size_t bytes = 0;
    memcpy(filter.trace_id, trace, sizeof filter.trace_id);
    if (flr_recorder_query_spans(bench->recorder, &filter, &cursor) != FLR_OK) {
        return 0;
    }
    while (flr_cursor_next(cursor, &found) == FLR_OK) {
        bytes += found.wire.len;
    }
    flr_cursor_destroy(cursor);
    return bytes;
}

void flrbench_close(struct bench *bench) {
    flr_recorder_destroy(bench->recorder);
    free(bench->service);
    free(bench);
}
