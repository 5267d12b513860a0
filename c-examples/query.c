/* Keeps the newest log records, marks a moment, and asks what went wrong since. */
#include <flightring/flightring.h>

#include <stdio.h>
#include <stdlib.h>

static void must(flr_status status) {
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", flr_status_text(status), flr_last_error());
        exit(1);
    }
}

static void log_event(flr_recorder *recorder, int severity, const char *service, const char *message, int port) {
    flr_attribute attribute = flr_attribute_int("port", port);
    flr_log_entry log = FLR_LOG_ENTRY_INIT;
    log.severity = severity;
    log.service = FLR_TEXT(service);
    log.body = FLR_TEXT(message);
    log.attributes = &attribute;
    log.attribute_count = 1;
    must(flr_recorder_add_log(recorder, &log));
}

int main(void) {
    flr_recorder_options options = FLR_RECORDER_OPTIONS_INIT;
    flr_recorder *recorder = NULL;
    flr_filter filter = FLR_FILTER_INIT;
    flr_cursor *answer = NULL;
    flr_found found = FLR_FOUND_INIT;
    flr_coverage coverage = FLR_COVERAGE_INIT;
    int errors = 0;

    options.logs.capacity = 100;
    must(flr_recorder_create(&options, &recorder));
    log_event(recorder, 17, "api", "an old trouble", 80);
    must(flr_recorder_snapshot(recorder, "deploy"));
    for (int i = 0; i < 120; i++) {
        log_event(recorder, 9, "api", "request served", 80);
    }
    log_event(recorder, 17, "billing", "connection refused", 5432);

    filter.since = FLR_TEXT("deploy");
    filter.min_severity = 17;
    must(flr_recorder_query_logs(recorder, &filter, &answer));
    while (flr_cursor_next(answer, &found) == FLR_OK) {
        flr_attribute port;
        must(flr_cursor_attribute(answer, "port", 4, &port));
        printf("%.*s: %.*s (port %lld)\n", (int)found.service.len, found.service.data, (int)found.body.len,
               found.body.data, (long long)port.integer);
        errors++;
    }
    must(flr_cursor_get_coverage(answer, &coverage));
    printf("%llu of the records since the deploy are evicted\n", (unsigned long long)coverage.evicted);

    flr_cursor_destroy(answer);
    flr_recorder_destroy(recorder);
    return errors == 1 && coverage.evicted == 21 ? 0 : 1;
}
