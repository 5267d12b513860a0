#include "check.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *watch_log(char *path, size_t size) {
    char folder[] = "/tmp/flrtest-watch-XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, size, "%s/x.log", folder);
    return path;
}

static void remove_watch_log(const char *path) {
    char folder[128];
    unlink(path);
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    CHECK_EQ(rmdir(folder), 0);
}

struct seen {
    flr_logger *logger;
    flr_watch *own;
    int calls, destroyed, end_own;
    uint64_t accepted;
};

static void on_stats(void *user_data, const flr_logger_stats *stats) {
    struct seen *seen = user_data;
    CHECK_EQ(__atomic_load_n(&seen->destroyed, __ATOMIC_SEQ_CST), 0);
    CHECK_EQ(stats->struct_size, sizeof *stats);
    CHECK_EQ(stats->offered, stats->accepted + stats->dropped);
    __atomic_store_n(&seen->accepted, stats->accepted, __ATOMIC_SEQ_CST);
    if (seen->logger != NULL) {
        flr_logger_stats inside = FLR_LOGGER_STATS_INIT;
        CHECK_OK(flr_logger_get_stats(seen->logger, &inside));
        CHECK_EQ(flr_logger_flush(seen->logger, -1), FLR_TIMEOUT);
        CHECK_EQ(flr_logger_rotate(seen->logger), FLR_CLOSED);
        CHECK_EQ(flr_logger_close(seen->logger), FLR_BUSY);
    }
    if (seen->end_own) {
        flr_watch *own = __atomic_exchange_n(&seen->own, NULL, __ATOMIC_SEQ_CST);
        flr_watch_destroy(own);
    }
    __atomic_add_fetch(&seen->calls, 1, __ATOMIC_SEQ_CST);
}

static void on_end(void *user_data) {
    __atomic_add_fetch(&((struct seen *)user_data)->destroyed, 1, __ATOMIC_SEQ_CST);
}

static void wait_for(int *value, int least) {
    while (__atomic_load_n(value, __ATOMIC_SEQ_CST) < least) {
        usleep(1000);
    }
}

TEST(logger_watch_tells_numbers_until_it_is_ended) {
    char path[64];
    flr_logger *logger = NULL;
    flr_watch *watch = (flr_watch *)(uintptr_t)1, *until_close = NULL, *itself = NULL;
    struct seen a = {0}, b = {0}, c = {0}, refused = {0};
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    options.path = watch_log(path, sizeof path);
    CHECK_OK(flr_logger_open(&options, &logger));
    /* The user data is ended whatever is wrong. */
    CHECK_EQ(flr_logger_watch(NULL, 1, on_stats, &refused, on_end, &watch), FLR_INVALID);
    CHECK(watch == NULL);
    CHECK_EQ(flr_logger_watch(logger, 1, NULL, &refused, on_end, &watch), FLR_INVALID);
    CHECK_EQ(flr_logger_watch(logger, 1, on_stats, &refused, on_end, NULL), FLR_INVALID);
    CHECK_EQ(refused.destroyed, 3);
    flr_watch_destroy(NULL);

    a.logger = logger;
    CHECK_OK(flr_logger_watch(logger, 1, on_stats, &a, on_end, &watch));
    wait_for(&a.calls, 3);
    flr_watch_destroy(watch);
    CHECK_EQ(a.destroyed, 1);
    int calls = a.calls;

    /* One that is told nothing before the end, and one that ends itself. */
    CHECK_OK(flr_logger_watch(logger, UINT32_MAX, on_stats, &b, on_end, &until_close));
    CHECK_OK(flr_logger_watch(logger, 1, on_stats, &c, NULL, &itself));
    flr_watch_destroy(itself);
    c.end_own = 1;
    CHECK_OK(flr_logger_watch(logger, UINT32_MAX, on_stats, &c, on_end, &c.own));
    CHECK_OK(flr_logger_write(logger, "one", 3));
    CHECK_OK(flr_logger_close(logger));
    CHECK_EQ(a.calls, calls);
    CHECK_EQ(b.calls, 1);
    CHECK_EQ(b.accepted, 1);
    CHECK_EQ(b.destroyed, 1);
    CHECK_EQ(c.accepted, 1);
    CHECK_EQ(c.destroyed, 1);
    CHECK(c.own == NULL);
    CHECK_EQ(flr_logger_watch(logger, 1, on_stats, &refused, on_end, &watch), FLR_CLOSED);
    CHECK_EQ(refused.destroyed, 4);
    flr_logger_destroy(logger);
    flr_watch_destroy(until_close);
    CHECK_EQ(b.destroyed, 1);
    remove_watch_log(path);
}

static void destroy_logger(void *user_data, const flr_logger_stats *stats) {
    flr_logger **logger = user_data;
    (void)stats;
    flr_logger_destroy(__atomic_exchange_n(logger, NULL, __ATOMIC_SEQ_CST));
}

static int ends;
static void count_end(void *user_data) {
    (void)user_data;
    __atomic_add_fetch(&ends, 1, __ATOMIC_SEQ_CST);
}

TEST(logger_may_be_destroyed_in_its_watch) {
    char path[64];
    static flr_logger *logger;
    flr_watch *watch = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    options.path = watch_log(path, sizeof path);
    CHECK_OK(flr_logger_open(&options, &logger));
    CHECK_OK(flr_logger_watch(logger, 1, destroy_logger, &logger, count_end, &watch));
    wait_for(&ends, 1);
    flr_watch_destroy(watch);
    CHECK(logger == NULL);
    remove_watch_log(path);
}

TEST(logger_watch_is_left_alone_in_a_child) {
    char path[64];
    int result = 0;
    flr_logger *logger = NULL;
    flr_watch *watch = NULL, *other = NULL;
    struct seen seen = {0}, refused = {0};
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    options.path = watch_log(path, sizeof path);
    CHECK_OK(flr_logger_open(&options, &logger));
    CHECK_OK(flr_logger_watch(logger, 1, on_stats, &seen, on_end, &watch));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_EQ(flr_logger_watch(logger, 1, on_stats, &refused, on_end, &other), FLR_FORKED);
        CHECK_EQ(refused.destroyed, 1);
        flr_watch_destroy(watch);
        CHECK_EQ(seen.destroyed, 0);
        flr_logger_destroy(logger);
        _exit(7);
    }
    CHECK_EQ(waitpid(child, &result, 0), child);
    CHECK(WIFEXITED(result) && WEXITSTATUS(result) == 7);
    flr_watch_destroy(watch);
    flr_logger_destroy(logger);
    CHECK_EQ(seen.destroyed, 1);
    remove_watch_log(path);
}

TEST(logger_statistics_say_what_there_is) {
    char path[64], *large = calloc(1, 1 << 20);
    flr_logger *logger = NULL;
    flr_logger_stats stats = FLR_LOGGER_STATS_INIT;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    options.path = watch_log(path, sizeof path);
    options.buffer_size = 1 << 20;
    options.shards = 2;
    options.staging = FLR_STAGING_SHARED;
    options.staging_folder = "/nowhere/at/all";
    options.no_stats_file = 1;
    CHECK(large != NULL);
    CHECK_OK(flr_logger_open(&options, &logger));
    CHECK_OK(flr_logger_get_stats(logger, &stats));
    CHECK_EQ(stats.staged, 0);
    CHECK_EQ(stats.staging_errno, 2);
    CHECK_EQ(stats.last_errno, 2);
    CHECK_EQ(stats.flush_errors, 0);
    CHECK(stats.largest_record > 0 && stats.largest_record <= 1 << 20);
    CHECK_OK(flr_logger_write(logger, large, stats.largest_record));
    CHECK_EQ(flr_logger_write(logger, large, stats.largest_record + 1), FLR_TOO_LARGE);
    CHECK_OK(flr_logger_close(logger));
    CHECK_OK(flr_logger_get_stats(logger, &stats));
    CHECK_EQ(stats.written, 1);
    CHECK_EQ(stats.dropped_too_large, 1);
    CHECK_EQ(stats.memory_resident, 0);
    flr_logger_destroy(logger);
    remove_watch_log(path);
    free(large);
}

TEST(logger_takes_times_from_the_counter_or_says_so) {
    char path[64];
    flr_logger *logger = NULL;
    flr_reader *reader = NULL;
    flr_logger_stats stats = FLR_LOGGER_STATS_INIT;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    flr_record record = FLR_RECORD_INIT;
    struct timespec before, after;
    options.path = watch_log(path, sizeof path);
    options.kind = FLR_RECORD_KIND_TIMED;
    options.time_source = FLR_TIME_SOURCE_TSC;
    CHECK_OK(flr_logger_open(&options, &logger));
    CHECK_OK(flr_logger_get_stats(logger, &stats));
    CHECK(stats.time_source == FLR_TIME_SOURCE_TSC || stats.time_source == FLR_TIME_SOURCE_REALTIME);
    clock_gettime(CLOCK_REALTIME, &before);
    CHECK_OK(flr_logger_write(logger, "now", 3));
    clock_gettime(CLOCK_REALTIME, &after);
    CHECK_OK(flr_logger_close(logger));
    flr_logger_destroy(logger);
    CHECK_OK(flr_reader_open(path, NULL, &reader));
    CHECK_OK(flr_reader_next(reader, &record));
    /* Generous: a clock may be slewed, and a machine stopped, at any moment. */
    CHECK(record.time_ns / 1000000000 + 2 >= (uint64_t)before.tv_sec);
    CHECK(record.time_ns / 1000000000 <= (uint64_t)after.tv_sec + 2);
    flr_reader_destroy(reader);
    options.time_source = 3;
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_INVALID);
    remove_watch_log(path);
}
