#include "check.h"

#include <flightring/flightring.hpp>

#include <string>

TEST(cpp_spans_are_recorded_by_their_scope) {
    flightring::recorder recorder;
    const std::uint8_t trace[16] = {1, 2, 3};
    {
        flightring::span request(recorder, "web", "GET /users", trace, 1);
        request.attribute("http.route", "/users");
        {
            flightring::span query(request, "SELECT", 2);
            query.attribute("rows", 3).error("timed out");
        }
        CHECK_EQ(recorder.stats(FLR_SIGNAL_TRACES).count, 1);
        CHECK_OK(request.end());
        CHECK_EQ(request.end(), FLR_CLOSED);
    }
    std::string names;
    auto spans = recorder.spans();
    for (const flr_found &span : spans) {
        names += std::string(flightring::view(span.name)) + ";";
        CHECK(span.second_time_ns >= span.time_ns);
        CHECK(flightring::view(span.service) == "web");
    }
    CHECK(names == "GET /users;SELECT;");
    CHECK_EQ(spans.coverage().evicted, 0);

    CHECK(recorder.trace_json(trace).find("\"depth\":1") != std::string::npos);
    CHECK(recorder.summary_json(FLR_SIGNAL_TRACES).find("\"services\":{\"web\":2}") != std::string::npos);

    flr_filter filter = FLR_FILTER_INIT;
    filter.errors_only = 1;
    auto failed = recorder.spans(filter);
    flr_found found = FLR_FOUND_INIT;
    flr_attribute rows;
    CHECK(failed.next(found));
    CHECK_EQ(found.parent_id[7], 1);
    CHECK(failed.attribute("rows", rows));
    CHECK_EQ(rows.integer, 3);
    CHECK(!failed.attribute("none", rows));
    CHECK(failed.json().find("timed out") != std::string::npos);
    CHECK(!failed.next(found));

    flightring::recorder copy;
    CHECK_OK(copy.ingest_otlp(FLR_SIGNAL_TRACES, FLR_OTLP_JSON, recorder.spans().exported(FLR_EXPORT_OTLP_JSON)));
    CHECK_EQ(copy.stats(FLR_SIGNAL_TRACES).count, 2);
    copy.snapshot("here");
    copy.clear(FLR_SIGNAL_TRACES);
    bool thrown = false;
    try {
        copy.ingest_otlp(FLR_SIGNAL_TRACES, FLR_OTLP_JSON, "no JSON");
    } catch (const flightring::error &error) {
        thrown = error.status() == FLR_INVALID;
    }
    CHECK(thrown);
}
