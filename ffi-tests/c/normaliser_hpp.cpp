#include "check.h"

#include <flightring/flightring.hpp>

#include <string>

TEST(cpp_normaliser_and_counter) {
    flightring::normaliser_config config;
    flightring::normaliser typed(config);
    CHECK(typed.line("took 12ms from 10.0.0.1") == "took <num>ms from <ip>");
    std::string pattern;
    typed.line("", pattern);
    CHECK(pattern.empty());
    CHECK(flightring::pattern_id("a") == flr_pattern_id("a", 1));

    config.rules = {{"order", "ORD-[0-9]+"}};
    flightring::normaliser ruled(config);
    CHECK(ruled.line("ORD-1 7") == "<order> <num>");
    flightring::normaliser moved(std::move(ruled));
    CHECK(moved.line("ORD-1") == "<order>");

    config.rules = {{"bad", "("}};
    bool refused = false;
    try {
        flightring::normaliser bad(config);
    } catch (const flightring::error &error) {
        refused = error.status() == FLR_INVALID && std::string(error.what()).find("`bad`") != std::string::npos;
    }
    CHECK(refused);

    flightring::pattern_counter counter;
    std::string lines;
    for (int i = 0; i < 200; i++) {
        lines += std::string(static_cast<std::size_t>(i), 'x') + " 1\n";
    }
    counter.feed(lines);
    CHECK_EQ(counter.stats().lines, 200);
    CHECK(counter.top_json(200).size() > 4096);

    flr_hub *hub = nullptr;
    flr_monitor *monitor = nullptr;
    CHECK_OK(flr_hub_create(&hub));
    CHECK_OK(flr_hub_open(hub, "m", nullptr, &monitor));
    flightring::count_patterns(monitor);
    std::size_t needed = 0;
    CHECK_EQ(flr_monitor_patterns_json(monitor, 1, nullptr, 0, &needed), FLR_TRUNCATED);
    CHECK_EQ(needed, 2);
    flr_monitor_release(monitor);
    flr_hub_destroy(hub);
}
