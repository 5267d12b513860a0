#include "check.h"

#include <flightring/flightring.hpp>

#include <atomic>
#include <string>

TEST(cpp_monitor_follows_lines_of_a_hub) {
    flightring::hub hub;
    flightring::monitor monitor = hub.open("worker");
    CHECK_OK(monitor.write(FLR_STREAM_STDOUT, "one\ntw"));
    CHECK_OK(monitor.write(FLR_STREAM_STDERR, "oops\n"));
    CHECK_OK(monitor.write(FLR_STREAM_STDOUT, "o\n"));
    CHECK_OK(monitor.log(FLR_LEVEL_ERROR, "own"));
    CHECK(monitor.history() == "one\ntwoops\no\n[ERROR] own\n");

    flr_follower_options options = FLR_FOLLOWER_OPTIONS_INIT;
    options.by_line = 1;
    flightring::follower lines = monitor.follow(options);
    std::string seen;
    while (auto line = lines.next(std::chrono::milliseconds(0))) {
        seen.append(line->text()).append("|");
    }
    CHECK(seen == "one|oops|two|[ERROR] own|");
    CHECK(!lines.ended());

    CHECK(hub.names() == std::vector<std::string>{"worker"});
    CHECK(hub.find("worker").has_value());
    CHECK(!hub.find("nobody").has_value());
    CHECK(hub.remove("worker"));
    CHECK(!hub.remove("worker"));
    CHECK(!lines.next().has_value());
    CHECK(lines.ended());
    CHECK_EQ(monitor.stats().lines, 4);
    CHECK(monitor.name() == "worker");
}

TEST(cpp_subscription_gets_everything_and_can_stop_itself) {
    flightring::monitor monitor("alone");
    std::atomic<int> events{0};
    flightring::subscription subscription =
        monitor.subscribe(FLR_FROM_OLDEST, [&events](const flightring::event &event) {
            CHECK(event.text() == "first" || event.text() == "second");
            return ++events < 2;
        });
    CHECK_OK(monitor.write(FLR_STREAM_STDOUT, "first"));
    while (events == 0) {
    }
    CHECK_OK(monitor.write(FLR_STREAM_STDERR, "second"));
    while (events == 1) {
    }
    CHECK_OK(monitor.write(FLR_STREAM_STDOUT, "third"));
    subscription.cancel();
    CHECK_EQ(events.load(), 2);
    bool refused = false;
    try {
        (void)monitor.subscribe(1000, [](const flightring::event &) { return true; });
    } catch (const std::out_of_range &) {
        refused = true;
    }
    CHECK(refused);
}
