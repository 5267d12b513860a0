#include "check.h"

#include <flightring/flightring.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

TEST(cpp_server_shows_a_hub) {
    flightring::hub hub;
    flr_server_options options = FLR_SERVER_OPTIONS_INIT;
    options.hub = hub.get();
    flightring::server server(options);
    CHECK(server.url() == "http://127.0.0.1:" + std::to_string(server.port()) + "/");
    flightring::server moved = std::move(server);
    CHECK_EQ(moved.stats().port, moved.port());
    char folder[] = "/tmp/flr-server-XXXXXX";
    CHECK(mkdtemp(folder) != nullptr);
    const std::string path = std::string(folder) + "/a.log";
    {
        flightring::logger log(path);
        moved.add_logger("a", log);
        CHECK(moved.remove_logger("a"));
        moved.add_logger("a", log);
    }
    CHECK(std::remove(path.c_str()) == 0 && std::remove(folder) == 0);
    CHECK(!moved.remove_logger("none"));
    moved.stop();
    options.address = "nowhere";
    bool thrown = false;
    try {
        flightring::server refused(options);
    } catch (const flightring::error &error) {
        thrown = error.status() == FLR_INVALID;
    }
    CHECK(thrown);
}
