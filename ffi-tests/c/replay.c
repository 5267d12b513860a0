#include "check.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(replay_reads_by_absolute_offset) {
    flr_replay *replay = NULL;
    flr_replay_span span = FLR_REPLAY_SPAN_INIT;
    char dst[64];
    CHECK_OK(flr_replay_create(8, &replay));
    CHECK_OK(flr_replay_read(replay, 0, dst, sizeof dst, &span));
    CHECK_EQ(span.len, 0);

    CHECK_OK(flr_replay_write(replay, "hello ", 6));
    CHECK_OK(flr_replay_write(replay, "world", 5));
    CHECK_EQ(flr_replay_total(replay), 11);
    CHECK_EQ(flr_replay_oldest(replay), 3);

    CHECK_OK(flr_replay_read(replay, 0, dst, sizeof dst, &span));
    CHECK_EQ(span.struct_size, sizeof span);
    CHECK_EQ(span.start, 3);
    CHECK_EQ(span.len, 8);
    CHECK_EQ(span.skipped, 3);
    CHECK_EQ(span.total, 11);
    CHECK(memcmp(dst, "lo world", 8) == 0);

    CHECK_OK(flr_replay_read(replay, 6, dst, 2, &span));
    CHECK_EQ(span.start, 6);
    CHECK_EQ(span.len, 2);
    CHECK_EQ(span.skipped, 0);
    CHECK(memcmp(dst, "wo", 2) == 0);

    CHECK_OK(flr_replay_read(replay, 11, dst, sizeof dst, &span));
    CHECK_EQ(span.len, 0);
    CHECK_EQ(flr_replay_read(replay, 12, dst, sizeof dst, &span), FLR_FUTURE);
    CHECK_EQ(span.total, 11);
    CHECK_EQ(span.len, 0);
    CHECK_EQ(flr_replay_wait(replay, 12, 0), FLR_FUTURE);
    flr_replay_destroy(replay);
}

TEST(replay_ends_after_close_and_drain) {
    flr_replay *replay = NULL;
    flr_replay_span span = FLR_REPLAY_SPAN_INIT;
    char dst[8];
    CHECK_OK(flr_replay_create(0, &replay));
    CHECK_OK(flr_replay_write(replay, "last", 4));
    CHECK_OK(flr_replay_close(replay));
    CHECK_OK(flr_replay_close(replay));
    CHECK_EQ(flr_replay_write(replay, "late", 4), FLR_CLOSED);
    CHECK_OK(flr_replay_wait(replay, 0, -1));
    CHECK_OK(flr_replay_read(replay, 0, dst, sizeof dst, &span));
    CHECK_EQ(span.len, 4);
    CHECK_EQ(flr_replay_read(replay, 4, dst, sizeof dst, &span), FLR_END);
    CHECK_EQ(flr_replay_wait(replay, 4, -1), FLR_END);
    flr_replay_destroy(replay);
}

TEST(replay_offsets_go_on_after_clear) {
    flr_replay *replay = NULL;
    flr_replay_span span = FLR_REPLAY_SPAN_INIT;
    char dst[8];
    CHECK_OK(flr_replay_create(64, &replay));
    CHECK_OK(flr_replay_write(replay, "before", 6));
    CHECK_OK(flr_replay_clear(replay));
    CHECK_EQ(flr_replay_oldest(replay), 6);
    CHECK_OK(flr_replay_write(replay, "after", 5));
    CHECK_OK(flr_replay_read(replay, 2, dst, sizeof dst, &span));
    CHECK_EQ(span.skipped, 4);
    CHECK_EQ(span.start, 6);
    CHECK(memcmp(dst, "after", 5) == 0);
    flr_replay_destroy(replay);
}

TEST(replay_misuse_is_a_status) {
    flr_replay *replay = (flr_replay *)(uintptr_t)1;
    flr_replay_span span = FLR_REPLAY_SPAN_INIT;
    char dst[8];
    CHECK_EQ(flr_replay_create(1, NULL), FLR_INVALID);
    CHECK_EQ(flr_replay_create(SIZE_MAX, &replay), FLR_TOO_LARGE);
    CHECK(replay == NULL);
    CHECK_EQ(flr_replay_write(NULL, "x", 1), FLR_INVALID);
    CHECK_EQ(flr_replay_read(NULL, 0, dst, 1, &span), FLR_INVALID);
    CHECK_EQ(flr_replay_wait(NULL, 0, 0), FLR_INVALID);
    CHECK_EQ(flr_replay_close(NULL), FLR_INVALID);
    CHECK_EQ(flr_replay_clear(NULL), FLR_INVALID);
    CHECK_EQ(flr_replay_total(NULL), 0);
    CHECK_EQ(flr_replay_oldest(NULL), 0);
    flr_replay_destroy(NULL);

    /* A huge capacity is a promise; the memory is asked for by the first write. */
    CHECK_OK(flr_replay_create(SIZE_MAX / 4, &replay));
    CHECK_EQ(flr_replay_write(replay, "x", 1), FLR_NO_MEMORY);
    CHECK_EQ(flr_replay_total(replay), 0);
    flr_replay_destroy(replay);

    CHECK_OK(flr_replay_create(16, &replay));
    CHECK_OK(flr_replay_write(replay, NULL, 0));
    CHECK_EQ(flr_replay_write(replay, NULL, 3), FLR_INVALID);
    CHECK_OK(flr_replay_write(replay, "abc", 3));
    CHECK_EQ(flr_replay_read(replay, 0, dst, 8, NULL), FLR_INVALID);
    CHECK_EQ(flr_replay_read(replay, 0, NULL, 8, &span), FLR_INVALID);
    CHECK_OK(flr_replay_read(replay, 0, NULL, 0, &span));
    CHECK_EQ(span.len, 0);
    CHECK_EQ(span.total, 3);
    memset(&span, 0, sizeof span);
    CHECK_EQ(flr_replay_read(replay, 0, dst, 8, &span), FLR_INVALID);
    CHECK(strstr(flr_last_error(), "struct_size is 0") != NULL);
    CHECK_EQ(flr_replay_wait(replay, 3, 0), FLR_TIMEOUT);
    flr_replay_destroy(replay);
}

/* A caller that was compiled when the struct ended before `total`. */
TEST(replay_span_of_an_older_caller) {
    flr_replay *replay = NULL;
    flr_replay_span span = FLR_REPLAY_SPAN_INIT;
    char dst[8];
    span.struct_size = (uint32_t)offsetof(flr_replay_span, total);
    span.total = 77;
    CHECK_OK(flr_replay_create(16, &replay));
    CHECK_OK(flr_replay_write(replay, "abc", 3));
    CHECK_OK(flr_replay_read(replay, 1, dst, sizeof dst, &span));
    CHECK_EQ(span.len, 2);
    CHECK_EQ(span.total, 77);
    flr_replay_destroy(replay);
}

/* One writer and several followers: every byte's value is its offset, so a wrong, doubled or missing byte shows. */
enum { WRITTEN = 1 << 20 };

static void *follow(void *argument) {
    const flr_replay *replay = argument;
    uint64_t offset = 0, received = 0, skipped = 0;
    unsigned char dst[3000];
    for (;;) {
        flr_replay_span span = FLR_REPLAY_SPAN_INIT;
        flr_status status = flr_replay_read(replay, offset, dst, sizeof dst, &span);
        if (status == FLR_END) {
            break;
        }
        CHECK_OK(status);
        CHECK_EQ(span.start, offset + span.skipped);
        for (uint64_t i = 0; i < span.len; i++) {
            CHECK_EQ(dst[i], (unsigned char)((span.start + i) % 251));
        }
        offset = span.start + span.len;
        received += span.len;
        skipped += span.skipped;
        if (span.len == 0) {
            status = flr_replay_wait(replay, offset, -1);
            CHECK(status == FLR_OK || status == FLR_END);
        }
    }
    CHECK_EQ(received + skipped, WRITTEN);
    return NULL;
}

TEST(replay_followers_see_every_byte_or_its_absence) {
    flr_replay *replay = NULL;
    pthread_t followers[4];
    CHECK_OK(flr_replay_create(64 * 1024, &replay));
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_create(&followers[i], NULL, follow, replay), 0);
    }
    unsigned char chunk[777];
    for (uint64_t at = 0; at < WRITTEN;) {
        size_t len = sizeof chunk;
        if (len > WRITTEN - at) {
            len = (size_t)(WRITTEN - at);
        }
        for (size_t i = 0; i < len; i++) {
            chunk[i] = (unsigned char)((at + i) % 251);
        }
        CHECK_OK(flr_replay_write(replay, chunk, len));
        at += len;
    }
    CHECK_OK(flr_replay_close(replay));
    for (int i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(followers[i], NULL), 0);
    }
    flr_replay_destroy(replay);
}

TEST(replay_of_the_parent_is_refused_in_a_forked_child) {
    flr_replay *replay = NULL;
    flr_replay_span span = FLR_REPLAY_SPAN_INIT;
    CHECK_OK(flr_replay_create(64, &replay));
    CHECK_OK(flr_replay_write(replay, "parent", 6));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_EQ(flr_replay_write(replay, "x", 1), FLR_FORKED);
        CHECK_EQ(flr_replay_read(replay, 0, NULL, 0, &span), FLR_FORKED);
        CHECK_EQ(flr_replay_wait(replay, 0, -1), FLR_FORKED);
        CHECK_EQ(flr_replay_close(replay), FLR_FORKED);
        flr_replay_destroy(replay);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    CHECK_EQ(flr_replay_total(replay), 6);
    flr_replay_destroy(replay);
}
