// Records the work of two requests as spans, and shows the slow part of the one that failed.
#include <flightring/flightring.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

namespace {

void handle(flightring::recorder &recorder, std::uint8_t number) {
    const std::uint8_t trace_id[16] = {number, 0xf1, 0x19};
    flightring::span request(recorder, "shop", "POST /orders", trace_id, 1);
    request.attribute("order.items", number);
    {
        flightring::span stock(request, "check stock", 2);
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    flightring::span payment(request, "charge card", 3);
    std::this_thread::sleep_for(std::chrono::milliseconds(3 * number));
    if (number == 2) {
        payment.error("the bank did not answer");
        request.error("no payment");
    }
}

} // namespace

int main() {
    flightring::recorder recorder;
    handle(recorder, 1);
    handle(recorder, 2);

    flr_filter failed = FLR_FILTER_INIT;
    failed.errors_only = 1;
    failed.name = flightring::text("POST /orders");
    flr_filter same_trace = FLR_FILTER_INIT;
    same_trace.order = FLR_ANSWER_ORDER_OLDEST_FIRST;
    auto requests = recorder.spans(failed);
    for (const flr_found &request : requests) {
        std::copy(request.trace_id, request.trace_id + 16, same_trace.trace_id);
        auto spans = recorder.spans(same_trace);
        for (const flr_found &span : spans) {
            const auto name = flightring::view(span.name);
            std::printf("%-14.*s %6.1f ms%s\n", static_cast<int>(name.size()), name.data(),
                        static_cast<double>(span.second_time_ns - span.time_ns) / 1e6,
                        span.code == 2 ? "  FAILED" : "");
        }
    }
    return recorder.stats(FLR_SIGNAL_TRACES).count == 6 ? 0 : 1;
}
