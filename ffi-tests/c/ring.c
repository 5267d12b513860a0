#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

static void expect_history(const flr_ring *ring, const char *expected) {
    char held[64];
    size_t needed = 0;
    CHECK_OK(flr_ring_history(ring, held, sizeof held, &needed));
    CHECK_EQ(needed, strlen(expected));
    CHECK(memcmp(held, expected, needed) == 0);
    CHECK_EQ(flr_ring_len(ring), needed);
}

TEST(ring_keeps_the_newest_bytes) {
    flr_ring *ring = NULL;
    CHECK_OK(flr_ring_create(5, &ring));
    CHECK_EQ(flr_ring_capacity(ring), 5);
    expect_history(ring, "");
    CHECK_OK(flr_ring_write(ring, "abc", 3));
    expect_history(ring, "abc");
    CHECK_OK(flr_ring_write(ring, "defg", 4));
    expect_history(ring, "cdefg");
    CHECK_OK(flr_ring_write(ring, NULL, 0));
    expect_history(ring, "cdefg");
    CHECK_OK(flr_ring_write(ring, "longer than five", 16));
    expect_history(ring, " five");
    CHECK_OK(flr_ring_clear(ring));
    expect_history(ring, "");
    flr_ring_destroy(ring);
}

TEST(ring_history_reports_what_it_could_not_fit) {
    flr_ring *ring = NULL;
    char held[3] = {'-', '-', '-'};
    size_t needed = 0;
    CHECK_OK(flr_ring_create(8, &ring));
    CHECK_OK(flr_ring_history(ring, NULL, 0, &needed));
    CHECK_EQ(needed, 0);
    CHECK_OK(flr_ring_write(ring, "abcd", 4));
    CHECK_EQ(flr_ring_history(ring, NULL, 0, &needed), FLR_TRUNCATED);
    CHECK_EQ(needed, 4);
    CHECK_EQ(flr_ring_history(ring, held, 2, &needed), FLR_TRUNCATED);
    CHECK(memcmp(held, "ab-", 3) == 0);
    flr_ring_destroy(ring);
}

TEST(ring_misuse_is_a_status) {
    flr_ring *ring = (flr_ring *)(uintptr_t)1;
    size_t needed = 77;
    CHECK_EQ(flr_ring_create(16, NULL), FLR_INVALID);
    CHECK_EQ(flr_ring_create(0, &ring), FLR_INVALID);
    CHECK(ring == NULL);
    CHECK_EQ(flr_ring_create(SIZE_MAX, &ring), FLR_TOO_LARGE);
    CHECK_EQ(flr_ring_create(SIZE_MAX / 2, &ring), FLR_NO_MEMORY);
    CHECK(ring == NULL);

    CHECK_EQ(flr_ring_write(NULL, "x", 1), FLR_INVALID);
    CHECK(strstr(flr_last_error(), "NULL") != NULL);
    CHECK_EQ(flr_ring_history(NULL, NULL, 0, &needed), FLR_INVALID);
    CHECK_EQ(flr_ring_clear(NULL), FLR_INVALID);
    CHECK_EQ(flr_ring_len(NULL), 0);
    CHECK_EQ(flr_ring_capacity(NULL), 0);
    flr_ring_destroy(NULL);

    CHECK_OK(flr_ring_create(16, &ring));
    CHECK_EQ(flr_ring_write(ring, NULL, 1), FLR_INVALID);
    CHECK_EQ(flr_ring_write(ring, "x", (size_t)-1), FLR_INVALID);
    CHECK(strstr(flr_last_error(), "negative") != NULL);
    CHECK_EQ(flr_ring_history(ring, NULL, 4, &needed), FLR_INVALID);
    CHECK_EQ(flr_ring_history(ring, NULL, 0, NULL), FLR_INVALID);
    CHECK_EQ(needed, 77);
    CHECK_EQ(flr_ring_len(ring), 0);
    flr_ring_destroy(ring);
}

TEST(ring_of_the_parent_is_refused_in_a_forked_child) {
    flr_ring *ring = NULL;
    CHECK_OK(flr_ring_create(16, &ring));
    CHECK_OK(flr_ring_write(ring, "parent", 6));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        size_t needed = 0;
        flr_ring *own = NULL;
        CHECK_EQ(flr_ring_write(ring, "x", 1), FLR_FORKED);
        CHECK_EQ(flr_ring_history(ring, NULL, 0, &needed), FLR_FORKED);
        CHECK_EQ(flr_ring_clear(ring), FLR_FORKED);
        CHECK_EQ(flr_ring_len(ring), 0);
        flr_ring_destroy(ring);
        CHECK_OK(flr_ring_create(16, &own));
        CHECK_OK(flr_ring_write(own, "child", 5));
        flr_ring_destroy(own);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    CHECK_OK(flr_ring_write(ring, "!", 1));
    expect_history(ring, "parent!");
    flr_ring_destroy(ring);
}
