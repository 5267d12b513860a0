#include "check.h"

#include <flightring/flightring.hpp>

#include <type_traits>
#include <utility>

static_assert(!std::is_copy_constructible_v<flightring::ring>);
static_assert(std::is_nothrow_move_constructible_v<flightring::ring>);

TEST(cpp_ring_owns_its_handle_and_moves) {
    flightring::ring first(4);
    CHECK_OK(first.write("abcdef"));
    CHECK(first.history() == "cdef");
    flightring::ring second(std::move(first));
    CHECK(first.get() == nullptr);
    CHECK_EQ(second.size(), 4);
    CHECK_EQ(second.capacity(), 4);
    second.clear();
    CHECK(second.history().empty());
    CHECK_EQ(first.write("x"), FLR_INVALID);
}

TEST(cpp_errors_are_exceptions_with_status_and_message) {
    try {
        flightring::ring impossible(0);
        CHECK(!"a ring of 0 bytes was made");
    } catch (const flightring::error &e) {
        CHECK_EQ(e.status(), FLR_INVALID);
        CHECK_EQ(e.os_errno(), 0);
        CHECK(std::string_view(e.what()).find("capacity is 0") != std::string_view::npos);
    }
}
