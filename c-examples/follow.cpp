// Follows two subsystems of a service: one reader that pulls lines, and one callback that counts everything. A reader that
// leaves and comes back goes on where it was, with nothing doubled and nothing missing unseen.
#include <flightring/flightring.hpp>

#include <atomic>
#include <iostream>
#include <string>
#include <thread>

int main() {
    flightring::hub hub;

    // Everything that the subsystems write comes together in "all".
    flightring::monitor all = hub.open("all");
    flr_monitor_options options = FLR_MONITOR_OPTIONS_INIT;
    options.sink = FLR_SINK_MONITOR;
    options.sink_monitor = all.get();
    options.time_format = "stampmilli";
    options.prefix = "worker";
    flightring::monitor worker = hub.open("worker", options);
    options.prefix = "cleaner";
    flightring::monitor cleaner = hub.open("cleaner", options);

    std::atomic<std::uint64_t> bytes{0}, missed{0};
    flightring::subscription counter =
        all.subscribe(FLR_FROM_OLDEST, [&](const flightring::event &event) {
            bytes += event.len;
            missed += event.skipped;
            return true; // go on
        });

    std::thread busy([&] {
        for (int i = 1; i <= 1000; i++) {
            (void)worker.log(FLR_LEVEL_INFO, "job " + std::to_string(i) + " done");
        }
    });
    (void)cleaner.log(FLR_LEVEL_WARN, "nothing to clean");

    // Reads two lines and leaves, remembering where it was.
    flr_follower_options from = FLR_FOLLOWER_OPTIONS_INIT;
    from.by_line = 1;
    for (int visit = 0; visit < 3; visit++) {
        flightring::follower lines = all.follow(from);
        for (int i = 0; i < 2; i++) {
            if (auto line = lines.next()) {
                std::cout << line->text() << '\n';
                from.from_offset = line->offset + line->len + 1; // behind its line feed
            }
        }
        std::cout << "  ... away at offset " << from.from_offset << '\n';
    }

    busy.join();
    while (bytes + missed < all.stats().total) {
        std::this_thread::yield();
    }
    counter.cancel();
    std::cout << "the callback got " << bytes << " bytes and missed " << missed << '\n';
    return bytes + missed == all.stats().total ? 0 : 1;
}
