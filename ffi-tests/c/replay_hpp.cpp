#include "check.h"

#include <flightring/flightring.hpp>

#include <string>

TEST(cpp_replay_buffer_resumes_where_a_reader_left) {
    flightring::replay_buffer buffer(1024);
    CHECK_OK(buffer.write("first "));
    char dst[64];
    auto span = buffer.read(0, dst, 3);
    std::string seen(dst, span.len);
    CHECK_OK(buffer.write("second"));
    while ((span = buffer.read(span.next(), dst, 4)).len > 0) {
        seen.append(dst, span.len);
    }
    CHECK(seen == "first second");
    CHECK_EQ(buffer.wait(span.next(), std::chrono::milliseconds(0)), FLR_TIMEOUT);
    buffer.close();
    CHECK_EQ(buffer.read(span.next(), dst, 4).status, FLR_END);
    CHECK_EQ(buffer.read(1000, dst, 4).status, FLR_FUTURE);
    CHECK_EQ(buffer.oldest(), 0);
    buffer.clear();
    CHECK_EQ(buffer.oldest(), buffer.total());
}
