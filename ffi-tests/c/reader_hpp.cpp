#include "check.h"

#include <flightring/flightring.hpp>

#include <string>
#include <unistd.h>

TEST(cpp_reader_is_a_range) {
    const std::string path = "/tmp/flrtest-range-" + std::to_string(getpid()) + ".log";
    FILE *file = std::fopen(path.c_str(), "wb");
    CHECK(file != nullptr);
    char block[512] = {0, 2, 0, 0, 12, 0, 0, 0, 2, 0, 0, 0, 'h', 'i', 2, 0, 0, 0, 'y', 'o'};
    CHECK_EQ(std::fwrite(block, 1, sizeof block, file), sizeof block);
    CHECK_EQ(std::fclose(file), 0);

    std::string seen;
    flightring::reader reader(path);
    for (const flightring::record &record : reader) {
        seen += record.text();
        seen += ';';
    }
    CHECK(seen == "hi;yo;");
    CHECK_EQ(reader.stats().records, 2);

    flightring::reader both(std::vector<std::string>{path, path});
    flightring::record record;
    CHECK_OK(both.next(record));
    CHECK(record.text() == "hi");
    std::remove(path.c_str());

    bool thrown = false;
    try {
        flightring::reader missing(path);
    } catch (const flightring::error &error) {
        thrown = error.status() == FLR_NOT_FOUND;
    }
    CHECK(thrown);
}
