#include "check.h"

#include <flightring/flightring.hpp>

#include <filesystem>
#include <string>
#include <unistd.h>

TEST(logger_hpp_wraps_the_noun) {
    const auto folder = std::filesystem::temp_directory_path() / ("flrtest-hpp-" + std::to_string(getpid()));
    std::filesystem::create_directory(folder);
    const std::string path = folder / "x.log";
    {
        flightring::logger log(path);
        CHECK_OK(log.write("one"));
        CHECK_OK(log.log(FLR_LEVEL_INFO, "two"));
        CHECK_OK(FLR_LOG(log.get(), FLR_LEVEL_INFO, "%s", "three"));
        CHECK(log.enabled(FLR_LEVEL_TRACE));
        log.set_level(FLR_LEVEL_ERROR);
        CHECK(!log.enabled(FLR_LEVEL_INFO));
        CHECK_OK(log.flush(std::chrono::seconds(20)));
        CHECK_EQ(log.stats().written, 3);
        CHECK_EQ(log.shard_stats(0).writes, 3);
        CHECK(log.stats_json().find("\"accepted\":3") != std::string::npos);

        std::uint64_t told = 0;
        flightring::watch watch = log.watch(std::chrono::hours(1), [&](const flr_logger_stats &stats) { told = stats.written; });
        log.watch(std::chrono::milliseconds(1), [](const flr_logger_stats &) {}).cancel();
        flightring::logger moved = std::move(log);
        CHECK_OK(moved.close());
        CHECK_EQ(told, 3);
        CHECK_EQ(moved.write("late"), FLR_CLOSED);
    }
    {
        flightring::logger_set set(folder.string());
        CHECK_OK(set.log("named").write("four"));
        CHECK_OK(set.log("named").write("five"));
        CHECK_OK(set.close());
        CHECK_EQ(set.stats().written, 2);
    }
    bool thrown = false;
    try {
        flightring::logger nowhere("/nowhere/at/all/x.log");
    } catch (const flightring::error &error) {
        thrown = error.status() == FLR_NOT_FOUND;
    }
    CHECK(thrown);
    std::filesystem::remove_all(folder);
}
