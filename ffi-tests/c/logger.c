#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A folder of its own for each test. */
static const char *log_path(char *path, size_t size) {
    char folder[] = "/tmp/flrtest-logger-XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, size, "%s/x.log", folder);
    return path;
}

static void remove_log(const char *path) {
    char folder[128];
    unlink(path);
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    CHECK_EQ(rmdir(folder), 0);
}

static uint32_t u32_at(const unsigned char *at) {
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* Walks blocks and records as a reader of the oldest format does, but leaves the logger's own markers out; returns how many
   records there are, and hands the n-th one out. */
static uint64_t walk(const char *path, uint64_t nth, char *text, size_t size) {
    struct stat found;
    FILE *file = fopen(path, "rb");
    uint64_t records = 0;
    CHECK(file != NULL && fstat(fileno(file), &found) == 0);
    unsigned char *bytes = malloc((size_t)found.st_size + 1);
    CHECK(bytes != NULL);
    CHECK_EQ(fread(bytes, 1, (size_t)found.st_size, file), found.st_size);
    fclose(file);
    for (size_t at = 0; at < (size_t)found.st_size;) {
        size_t capacity = u32_at(bytes + at), valid = u32_at(bytes + at + 4), record = at + 8;
        CHECK(capacity >= 512 && at + capacity <= (size_t)found.st_size);
        while (record < at + 8 + valid) {
            size_t length = u32_at(bytes + record);
            /* The record kind in the block's trailer: 4 is a marker. */
            if (bytes[at + capacity - 64 + 5] != 4 && records++ == nth && text != NULL) {
                snprintf(text, size, "%.*s", (int)length, (const char *)bytes + record + 4);
            }
            record += 4 + length;
        }
        CHECK_EQ(record, at + 8 + valid);
        at += capacity;
    }
    free(bytes);
    return records;
}

TEST(logger_writes_reads_and_counts) {
    char path[64], text[64], json[4096];
    size_t needed = 0;
    flr_logger *logger = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    flr_logger_stats stats = FLR_LOGGER_STATS_INIT;
    flr_logger_shard_stats shard = FLR_LOGGER_SHARD_STATS_INIT;
    options.path = log_path(path, sizeof path);
    CHECK_OK(flr_logger_open(&options, &logger));
    CHECK_OK(flr_logger_write(logger, "one", 3));
    CHECK_OK(flr_logger_write(logger, NULL, 0));
    CHECK_OK(flr_logger_log(logger, FLR_LEVEL_WARN, "three", 5));
    CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "%s is %d", "four", 4));
    CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "plain"));
    CHECK_OK(flr_logger_flush(logger, 20000));
    CHECK_EQ(walk(path, 3, text, sizeof text), 5);
    CHECK(strcmp(text, "four is 4") == 0);
    CHECK_OK(flr_logger_get_shard_stats(logger, 0, &shard));
    CHECK_EQ(shard.writes, 5);
    CHECK_EQ(shard.capacity, 8 << 20);
    CHECK_EQ(flr_logger_get_shard_stats(logger, 9, &shard), FLR_NOT_FOUND);
    CHECK_OK(flr_logger_close(logger));
    CHECK_OK(flr_logger_close(logger));
    CHECK_EQ(flr_logger_write(logger, "late", 4), FLR_CLOSED);
    CHECK_OK(flr_logger_get_stats(logger, &stats));
    CHECK_EQ(stats.struct_size, sizeof stats);
    CHECK_EQ(stats.offered, 6);
    CHECK_EQ(stats.accepted, 5);
    CHECK_EQ(stats.dropped, 1);
    CHECK_EQ(stats.dropped_closed, 1);
    CHECK_EQ(stats.written, 5);
    CHECK_EQ(stats.in_memory, 0);
    CHECK_EQ(flr_logger_stats_json(logger, NULL, 0, &needed), FLR_TRUNCATED);
    CHECK(needed > 0 && needed < sizeof json);
    CHECK_OK(flr_logger_stats_json(logger, json, sizeof json, &needed));
    json[needed] = '\0';
    CHECK(strstr(json, "\"accepted\":5,") != NULL);
    flr_logger_destroy(logger);
    remove_log(path);
}

TEST(logger_text_of_any_length_is_formatted_whole) {
    char path[64], *text = malloc(100001), *found = malloc(100001);
    flr_logger *logger = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    static const size_t lengths[] = {0, 1, 255, 256, 257, 4095, 4096, 65000};
    const uint64_t count = sizeof lengths / sizeof *lengths;
    options.path = log_path(path, sizeof path);
    options.buffer_size = 1 << 20;
    options.shards = 4;
    CHECK(text != NULL && found != NULL);
    CHECK_OK(flr_logger_open(&options, &logger));
    memset(text, 'x', 100000);
    for (uint64_t i = 0; i < count; i++) {
        CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "%.*s", (int)lengths[i], text));
    }
    CHECK_EQ(FLR_LOG(logger, FLR_LEVEL_INFO, "%200000s", ""), FLR_TOO_LARGE);
    CHECK_OK(flr_logger_close(logger));
    for (uint64_t i = 0; i < count; i++) {
        CHECK_EQ(walk(path, i, found, 100001), count);
        CHECK_EQ(strlen(found), lengths[i]);
    }
    flr_logger_destroy(logger);
    remove_log(path);
    free(text);
    free(found);
}

TEST(logger_filtered_levels_evaluate_nothing) {
    char path[64];
    int evaluated = 0;
    flr_logger *logger = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    flr_logger_stats stats = FLR_LOGGER_STATS_INIT;
    options.path = log_path(path, sizeof path);
    options.level = FLR_LEVEL_WARN;
    options.kind = FLR_RECORD_KIND_EVENT;
    CHECK_OK(flr_logger_open(&options, &logger));
    CHECK_EQ(flr_logger_enabled(logger, FLR_LEVEL_INFO), 0);
    CHECK_EQ(flr_logger_enabled(logger, FLR_LEVEL_WARN), 1);
    CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "%d", ++evaluated));
    CHECK_OK(flr_logger_log(logger, FLR_LEVEL_DEBUG, "x", 1));
    CHECK_EQ(evaluated, 0);
    CHECK_OK(flr_logger_set_level(logger, FLR_LEVEL_DEBUG));
    CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "%d", ++evaluated));
    CHECK_EQ(evaluated, 1);
    CHECK_OK(flr_logger_get_stats(logger, &stats));
    CHECK_EQ(stats.offered, 1);
    flr_logger_destroy(logger);
    remove_log(path);
}

TEST(logger_records_are_filled_in_place) {
    char path[64], text[16];
    flr_logger *logger = NULL;
    flr_logger_slot slot = FLR_LOGGER_SLOT_INIT;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    options.path = log_path(path, sizeof path);
    CHECK_OK(flr_logger_open(&options, &logger));
    CHECK_EQ(flr_logger_commit(logger, &slot, 0), FLR_INVALID);
    CHECK_OK(flr_logger_cancel(logger, &slot));
    CHECK_OK(flr_logger_reserve(logger, FLR_LEVEL_NONE, 8, &slot));
    CHECK(slot.capacity >= 8);
    CHECK_EQ(flr_logger_reserve(logger, FLR_LEVEL_NONE, 8, &slot), FLR_INVALID);
    CHECK_EQ(flr_logger_write(logger, "meanwhile", 9), FLR_DROPPED);
    memcpy(slot.data, "in place", 8);
    CHECK_OK(flr_logger_commit(logger, &slot, 8));
    CHECK_EQ(flr_logger_commit(logger, &slot, 8), FLR_INVALID);
    CHECK_OK(flr_logger_reserve(logger, FLR_LEVEL_NONE, 8, &slot));
    CHECK_EQ(flr_logger_commit(logger, &slot, slot.capacity + 1), FLR_TOO_LARGE);
    CHECK_OK(flr_logger_reserve(logger, FLR_LEVEL_NONE, 8, &slot));
    CHECK_OK(flr_logger_cancel(logger, &slot));
    CHECK_OK(flr_logger_write(logger, "after", 5));
    CHECK_OK(flr_logger_close(logger));
    CHECK_EQ(walk(path, 0, text, sizeof text), 2);
    CHECK(strcmp(text, "in place") == 0);
    flr_logger_destroy(logger);
    remove_log(path);
}

TEST(logger_misuse_is_a_status) {
    char path[64], folder[64];
    flr_logger *logger = (flr_logger *)(uintptr_t)1, *second = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    flr_logger_stats stats = FLR_LOGGER_STATS_INIT;
    flr_logger_slot slot = FLR_LOGGER_SLOT_INIT;
    CHECK_EQ(flr_logger_open(&options, NULL), FLR_INVALID);
    CHECK_EQ(flr_logger_open(NULL, &logger), FLR_INVALID);
    CHECK(logger == NULL);
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_INVALID);
    CHECK(strstr(flr_last_error(), "path") != NULL);
    options.path = "";
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_INVALID);
    options.path = "/nowhere/at/all/x.log";
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_NOT_FOUND);
    CHECK_EQ(flr_last_errno(), ENOENT);
    options.path = log_path(path, sizeof path);
    snprintf(folder, sizeof folder, "%s", path);
    *strrchr(folder, '/') = '\0';
    options.path = folder;
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_INVALID);
    CHECK(strstr(flr_last_error(), "is a directory") != NULL);

    options.path = path;
    options.shards = 100;
    options.buffer_size = 100 * 65536 - 1;
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_INVALID);
    CHECK(strstr(flr_last_error(), "at least 6553600 bytes") != NULL);
    options.buffer_size = UINT64_MAX;
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_INVALID);
    options.buffer_size = 0;
    options.shards = 0;
    options.kind = 9;
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_INVALID);
    options.kind = 0;
    options.level = -1;
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_INVALID);
    options.level = 0;
    options.overflow = 3;
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_INVALID);
    options.overflow = 0;
    options.sync = 77;
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_INVALID);
    options.sync = 0;

    CHECK_OK(flr_logger_open(&options, &logger));
    CHECK_EQ(flr_logger_open(&options, &second), FLR_BUSY);
    CHECK(second == NULL);
    CHECK_EQ(flr_logger_write(NULL, "x", 1), FLR_INVALID);
    CHECK_EQ(flr_logger_write(logger, NULL, 1), FLR_INVALID);
    CHECK_EQ(flr_logger_write(logger, "x", SIZE_MAX), FLR_INVALID);
    CHECK_EQ(flr_logger_log(logger, 99, "x", 1), FLR_INVALID);
    CHECK_EQ(flr_logger_log(NULL, 1, "x", 1), FLR_INVALID);
    CHECK_EQ(FLR_LOG((flr_logger *)NULL, FLR_LEVEL_INFO, "x"), FLR_INVALID);
    CHECK_EQ(FLR_LOG(logger, 99, "x"), FLR_INVALID);
    CHECK_EQ(flr_logger_enabled(NULL, 1), 1);
    CHECK_EQ(flr_logger_set_level(NULL, 1), FLR_INVALID);
    CHECK_EQ(flr_logger_flush(NULL, 0), FLR_INVALID);
    CHECK_EQ(flr_logger_get_stats(NULL, &stats), FLR_INVALID);
    CHECK_EQ(flr_logger_get_stats(logger, NULL), FLR_INVALID);
    CHECK_EQ(flr_logger_get_shard_stats(logger, 0, NULL), FLR_INVALID);
    CHECK_EQ(flr_logger_stats_json(logger, NULL, 1, NULL), FLR_INVALID);
    CHECK_EQ(flr_logger_reserve(logger, 0, 1, NULL), FLR_INVALID);
    CHECK_EQ(flr_logger_reserve(NULL, 0, 1, &slot), FLR_INVALID);
    CHECK_EQ(flr_logger_reserve(logger, 0, SIZE_MAX, &slot), FLR_TOO_LARGE);
    slot.struct_size = 0;
    CHECK_EQ(flr_logger_reserve(logger, 0, 1, &slot), FLR_INVALID);
    CHECK_EQ(flr_logger_close(NULL), FLR_INVALID);
    flr_logger_destroy(NULL);
    CHECK_OK(flr_logger_get_stats(logger, &stats));
    CHECK_EQ(stats.offered, stats.dropped_too_large);
    flr_logger_destroy(logger);
    remove_log(path);
}

enum { THREADS = 12, EACH = 2000 };

static void *work(void *logger) {
    for (int i = 0; i < EACH; i++) {
        CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "record %d of a thread", i));
    }
    return NULL;
}

TEST(logger_threads_share_it) {
    char path[64];
    pthread_t threads[THREADS];
    flr_logger *logger = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    options.path = log_path(path, sizeof path);
    options.overflow = FLR_OVERFLOW_BLOCK;
    options.buffer_size = 512 * 1024;
    CHECK_OK(flr_logger_open(&options, &logger));
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, work, logger), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    CHECK_OK(flr_logger_close(logger));
    CHECK_EQ(walk(path, 0, NULL, 0), THREADS * EACH);
    flr_logger_destroy(logger);
    remove_log(path);
}

TEST(logger_in_a_forked_child_leaves_the_parents_alone) {
    char path[64];
    int result = 0;
    flr_logger *logger = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    options.path = log_path(path, sizeof path);
    CHECK_OK(flr_logger_open(&options, &logger));
    CHECK_OK(flr_logger_write(logger, "parent", 6));
    pid_t child = fork();
    if (child == 0) {
        char own[80];
        flr_logger *mine = NULL;
        flr_logger_stats stats = FLR_LOGGER_STATS_INIT;
        CHECK_EQ(flr_logger_write(logger, "child", 5), FLR_FORKED);
        CHECK_EQ(FLR_LOG(logger, FLR_LEVEL_INFO, "child"), FLR_FORKED);
        CHECK_EQ(flr_logger_flush(logger, 1000), FLR_FORKED);
        CHECK_EQ(flr_logger_get_stats(logger, &stats), FLR_FORKED);
        CHECK_EQ(flr_logger_close(logger), FLR_FORKED);
        flr_logger_destroy(logger);
        snprintf(own, sizeof own, "%s.child", path);
        options.path = own;
        CHECK_OK(flr_logger_open(&options, &mine));
        CHECK_OK(flr_logger_write(mine, "own", 3));
        CHECK_OK(flr_logger_close(mine));
        flr_logger_destroy(mine);
        CHECK_EQ(walk(own, 0, NULL, 0), 1);
        unlink(own);
        _exit(0);
    }
    CHECK_EQ(waitpid(child, &result, 0), child);
    CHECK(WIFEXITED(result) && WEXITSTATUS(result) == 0);
    CHECK_OK(flr_logger_write(logger, "parent", 6));
    CHECK_OK(flr_logger_close(logger));
    CHECK_EQ(walk(path, 0, NULL, 0), 2);
    flr_logger_destroy(logger);
    remove_log(path);
}

static flr_logger *interrupted;
static volatile sig_atomic_t handled;
static int interrupts_end;

static void on_signal(int number) {
    (void)number;
    flr_status status = flr_logger_write(interrupted, "from the handler", 16);
    CHECK(status == FLR_OK || status == FLR_DROPPED);
    handled = handled + 1;
}

/* Signals that come while one is pending are lost, so how many it takes depends on how busy the machine is. */
static void *interrupt(void *thread) {
    for (int i = 0; i < 20000 && handled < 500; i++) {
        pthread_kill(*(pthread_t *)thread, SIGUSR2);
        usleep(20);
    }
    __atomic_store_n(&interrupts_end, 1, __ATOMIC_RELEASE);
    return NULL;
}

/* A handler interrupts calls of its own thread at random points; what it may not log is counted, and nothing is torn. */
TEST(logger_signal_handlers_may_log) {
    char path[64];
    struct sigaction action, before;
    pthread_t self = pthread_self(), other;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    flr_logger_stats stats = FLR_LOGGER_STATS_INIT;
    uint64_t own = 0;
    options.path = log_path(path, sizeof path);
    CHECK_OK(flr_logger_open(&options, &interrupted));
    CHECK_OK(flr_logger_write(interrupted, "first", 5));
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    CHECK_EQ(sigaction(SIGUSR2, &action, &before), 0);
    CHECK_EQ(pthread_create(&other, NULL, interrupt, &self), 0);
    while (!__atomic_load_n(&interrupts_end, __ATOMIC_ACQUIRE)) {
        flr_status status = flr_logger_write(interrupted, "from the thread", 15);
        CHECK(status == FLR_OK || status == FLR_DROPPED);
        own++;
    }
    pthread_join(other, NULL);
    CHECK(handled > 0);
    CHECK_EQ(sigaction(SIGUSR2, &before, NULL), 0);
    CHECK_OK(flr_logger_close(interrupted));
    CHECK_OK(flr_logger_get_stats(interrupted, &stats));
    CHECK_EQ(stats.offered, 1 + own + (uint64_t)handled);
    CHECK_EQ(stats.offered, stats.accepted + stats.dropped);
    CHECK_EQ(walk(path, 0, NULL, 0), stats.accepted);
    flr_logger_destroy(interrupted);
    remove_log(path);
}

TEST(logger_says_that_it_set_a_torn_end_aside) {
    char path[128], command[512];
    flr_logger *logger = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    flr_logger_stats stats = FLR_LOGGER_STATS_INIT;
    options.path = log_path(path, sizeof path);
    for (uint64_t torn = 0; torn < 2; torn++) {
        CHECK_OK(flr_logger_open(&options, &logger));
        CHECK_OK(flr_logger_get_stats(logger, &stats));
        CHECK_EQ(stats.set_aside_bytes, 100 * torn);
        CHECK_OK(flr_logger_write(logger, "one", 3));
        CHECK_OK(flr_logger_close(logger));
        flr_logger_destroy(logger);
        if (!torn) {
            FILE *file = fopen(path, "ab");
            CHECK(file != NULL);
            for (int i = 0; i < 100; i++) {
                CHECK_EQ(fputc(7, file), 7);
            }
            CHECK_EQ(fclose(file), 0);
        }
    }
    CHECK_EQ(walk(path, 1, command, sizeof command), 2);
    snprintf(command, sizeof command, "ls %s.damaged-* > /dev/null && rm %s.damaged-*", path, path);
    CHECK_EQ(system(command), 0);
    remove_log(path);
}

TEST(logger_staging_brings_back_what_a_killed_process_logged) {
    char path[64], text[32];
    int result = 0;
    flr_logger *logger = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    flr_logger_stats stats = FLR_LOGGER_STATS_INIT;
    flr_recover_report report = FLR_RECOVER_REPORT_INIT;
    options.path = log_path(path, sizeof path);
    options.staging = FLR_STAGING_SHARED;
    options.buffer_size = 1 << 20;
    for (int by_open = 0; by_open < 2; by_open++) {
        pid_t child = fork();
        if (child == 0) {
            CHECK_OK(flr_logger_open(&options, &logger));
            for (int i = 0; i < 1000; i++) {
                CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "record %d", i));
            }
            kill(getpid(), SIGKILL);
        }
        CHECK_EQ(waitpid(child, &result, 0), child);
        CHECK(WIFSIGNALED(result) && WTERMSIG(result) == SIGKILL);
        if (by_open) {
            CHECK_OK(flr_logger_open(&options, &logger));
            CHECK_OK(flr_logger_get_stats(logger, &stats));
            CHECK_EQ(stats.staged, 1);
            CHECK_EQ(stats.recovered, 1000);
            flr_logger_destroy(logger);
        } else {
            CHECK_OK(flr_log_recover(path, &report));
            CHECK_EQ(report.recovered, 1000);
            CHECK_EQ(report.set_aside_bytes, 0);
        }
        CHECK_EQ(walk(path, 999, text, sizeof text), by_open ? 2000 : 1000);
        CHECK(strcmp(text, "record 999") == 0);
    }
    options.staging = 7;
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_INVALID);
    remove_log(path);
}

static void on_sealed(void *user_data, const char *path) {
    CHECK_EQ(walk(path, 0, NULL, 0), 1);
    unlink(path);
    __atomic_add_fetch((int *)user_data, 1, __ATOMIC_SEQ_CST);
}

static void on_destroy(void *user_data) {
    __atomic_add_fetch((int *)user_data, 100, __ATOMIC_SEQ_CST);
}

TEST(logger_rotates_and_tells_of_finished_files) {
    char path[64];
    int calls = 0;
    flr_logger *logger = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    options.path = "/nowhere/at/all/x.log";
    options.sealed = on_sealed;
    options.sealed_user_data = &calls;
    options.sealed_destroy = on_destroy;
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_NOT_FOUND);
    CHECK_EQ(calls, 100);
    CHECK_EQ(flr_logger_open(&options, NULL), FLR_INVALID);
    CHECK_EQ(calls, 200);
    options.path = log_path(path, sizeof path);
    CHECK_OK(flr_logger_open(&options, &logger));
    for (int i = 0; i < 3; i++) {
        CHECK_OK(flr_logger_write(logger, "record", 6));
        CHECK_OK(flr_logger_rotate(logger));
    }
    CHECK_OK(flr_logger_close(logger));
    /* All three were told of, and nobody needs the user data any more. */
    CHECK_EQ(calls, 303);
    CHECK_EQ(flr_logger_rotate(logger), FLR_CLOSED);
    CHECK_EQ(flr_logger_rotate(NULL), FLR_INVALID);
    flr_logger_destroy(logger);
    CHECK_EQ(calls, 303);
    options.rotate_schedule = 4;
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_INVALID);
    CHECK_EQ(calls, 403);
    remove_log(path);
}

static char compressed[128];
static void on_compressed(void *user_data, const char *path) {
    (void)user_data;
    snprintf(compressed, sizeof compressed, "%s", path);
}

TEST(logger_compresses_finished_files) {
    char path[64];
    flr_logger *logger = NULL;
    flr_reader *reader = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    flr_logger_stats stats = FLR_LOGGER_STATS_INIT;
    flr_record record = FLR_RECORD_INIT;
    options.path = log_path(path, sizeof path);
    options.sealed = on_compressed;
    options.compress_finished = 1;
    CHECK_OK(flr_logger_open(&options, &logger));
    for (int i = 0; i < 1000; i++) {
        CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "record %d", i));
    }
    CHECK_OK(flr_logger_rotate(logger));
    while (stats.files_compressed == 0) {
        CHECK_OK(flr_logger_get_stats(logger, &stats));
        CHECK_EQ(stats.last_errno, 0);
        CHECK_EQ(stats.files_finished, 1);
        usleep(1000);
    }
    CHECK_OK(flr_logger_close(logger));
    flr_logger_destroy(logger);
    CHECK(strlen(compressed) > 4 && strcmp(compressed + strlen(compressed) - 4, ".zst") == 0);
    CHECK_OK(flr_reader_open(compressed, NULL, &reader));
    for (int i = 0; i < 1000; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "record %d", i);
        CHECK_OK(flr_reader_next(reader, &record));
        CHECK(record.len == strlen(expected) && memcmp(record.data, expected, record.len) == 0);
    }
    CHECK_EQ(flr_reader_next(reader, &record), FLR_END);
    flr_reader_destroy(reader);
    options.reserved = 1;
    CHECK_EQ(flr_logger_open(&options, &logger), FLR_INVALID);
    unlink(compressed);
    remove_log(path);
}

TEST(logger_set_names_logs_in_a_folder) {
    char folder[] = "/tmp/flrtest-set-XXXXXX", path[64], names[64];
    size_t needed = 0;
    flr_logger_set *set = (flr_logger_set *)(uintptr_t)1;
    flr_logger *first = NULL, *again = NULL, *second = NULL;
    flr_logger_options each = FLR_LOGGER_OPTIONS_INIT;
    flr_logger_set_options options = FLR_LOGGER_SET_OPTIONS_INIT;
    flr_logger_stats stats = FLR_LOGGER_STATS_INIT;
    CHECK(mkdtemp(folder) != NULL);
    CHECK_EQ(flr_logger_set_open(&options, NULL), FLR_INVALID);
    CHECK_EQ(flr_logger_set_open(&options, &set), FLR_INVALID);
    CHECK(set == NULL);
    options.folder = folder;
    options.budget = 100;
    CHECK_EQ(flr_logger_set_open(&options, &set), FLR_INVALID);
    options.budget = 1 << 20;
    options.most_logs = 2;
    options.each = &each;
    each.kind = 99;
    CHECK_EQ(flr_logger_set_open(&options, &set), FLR_INVALID);
    each.kind = FLR_RECORD_KIND_RAW;
    each.overflow = FLR_OVERFLOW_BLOCK;
    CHECK_OK(flr_logger_set_open(&options, &set));
    CHECK_EQ(flr_logger_set_get(NULL, "x", &first), FLR_INVALID);
    CHECK_EQ(flr_logger_set_get(set, NULL, &first), FLR_INVALID);
    CHECK_EQ(flr_logger_set_get(set, "", &first), FLR_INVALID);
    CHECK_EQ(flr_logger_set_get(set, "x", NULL), FLR_INVALID);
    CHECK_OK(flr_logger_set_get(set, "a/b", &first));
    CHECK_OK(flr_logger_set_get(set, "a:b", &again));
    CHECK_OK(flr_logger_set_get(set, "c", &second));
    CHECK_OK(FLR_LOG(first, FLR_LEVEL_INFO, "one"));
    CHECK_OK(FLR_LOG(again, FLR_LEVEL_INFO, "two"));
    CHECK_OK(FLR_LOG(second, FLR_LEVEL_INFO, "three"));
    CHECK_OK(flr_logger_set_list(set, names, sizeof names, &needed));
    CHECK(needed == 6 && memcmp(names, "a_b\nc\n", 6) == 0);
    CHECK_EQ(flr_logger_set_list(set, names, 3, &needed), FLR_TRUNCATED);
    flr_logger_destroy(again);
    CHECK_OK(flr_logger_write(first, "still open", 10));
    CHECK_OK(flr_logger_set_close(set));
    CHECK_OK(flr_logger_set_close(set));
    CHECK_EQ(flr_logger_write(first, "late", 4), FLR_CLOSED);
    CHECK_OK(flr_logger_set_get_stats(set, &stats));
    CHECK_EQ(stats.written, 4);
    CHECK_EQ(stats.dropped_closed, 1);
    flr_logger_set_destroy(set);
    flr_logger_destroy(first);
    flr_logger_destroy(second);
    flr_logger_set_destroy(NULL);
    snprintf(path, sizeof path, "%s/c.log", folder);
    CHECK_EQ(walk(path, 0, NULL, 0), 1);
    unlink(path);
    snprintf(path, sizeof path, "%s/a_b.log", folder);
    CHECK_EQ(walk(path, 0, NULL, 0), 3);
    remove_log(path);
}
