/* What a service meets on a bad day: no space left, saturation, files that are not logs. */
#include "check.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t decode(const char *path) {
    flr_reader *reader = NULL;
    flr_record record = FLR_RECORD_INIT;
    uint64_t records = 0;
    CHECK_OK(flr_reader_open(path, NULL, &reader));
    flr_status status;
    while ((status = flr_reader_next(reader, &record)) == FLR_OK) {
        records++;
    }
    CHECK_EQ(status, FLR_END);
    flr_reader_destroy(reader);
    return records;
}

static void expect_conservation(const flr_logger_stats *stats) {
    CHECK_EQ(stats->offered, stats->accepted + stats->dropped);
    CHECK_EQ(stats->accepted, stats->written + stats->in_memory);
}

/* In a process of its own, which alone sees the small file system. Exit code 77: it may not mount one. */
static void fill_a_small_disk(const char *folder) {
    char path[128];
    flr_logger *logger = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    flr_logger_stats stats = FLR_LOGGER_STATS_INIT;
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, "") != 0 ||
        mount("none", folder, "tmpfs", 0, "size=1m") != 0) {
        _exit(77);
    }
    snprintf(path, sizeof path, "%s/x.log", folder);
    options.path = path;
    options.buffer_size = 1 << 20;
    options.shards = 2;
    CHECK_OK(flr_logger_open(&options, &logger));
    char record[100];
    memset(record, 'r', sizeof record);
    for (int i = 0; i < 100000; i++) {
        flr_status status = flr_logger_write(logger, record, sizeof record);
        CHECK(status == FLR_OK || status == FLR_DROPPED);
    }
    flr_status closed = flr_logger_close(logger);
    CHECK_EQ(closed, FLR_IO);
    CHECK(strlen(flr_last_error()) > 0);
    CHECK_EQ(flr_logger_close(logger), FLR_IO);
    CHECK_OK(flr_logger_get_stats(logger, &stats));
    expect_conservation(&stats);
    CHECK_EQ(stats.offered, 100000);
    CHECK(stats.written > 0 && stats.in_memory > 0 && stats.dropped > 0 && stats.flush_errors > 0);
    CHECK_EQ(stats.last_errno, 28 /* ENOSPC */);
    CHECK_EQ(decode(path), stats.written);
    flr_logger_destroy(logger);
    _exit(0);
}

TEST(faults_on_a_full_disk_every_record_is_accounted_for) {
    char folder[] = "/tmp/flrtest-full-XXXXXX";
    CHECK(mkdtemp(folder) != NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        fill_a_small_disk(folder);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        fprintf(stderr, "skipped: this user may not mount a small file system\n");
    } else {
        CHECK_EQ(WEXITSTATUS(status), 0);
    }
    rmdir(folder);
}

enum { PER_THREAD = 4000 };

struct job {
    const flr_logger *logger;
    uint64_t accepted, dropped;
};

static void *saturate(void *argument) {
    struct job *job = argument;
    char record[200];
    memset(record, 's', sizeof record);
    for (size_t i = 0; i < PER_THREAD; i++) {
        flr_status status = flr_logger_write(job->logger, record, i % sizeof record);
        CHECK(status == FLR_OK || status == FLR_DROPPED);
        job->accepted += status == FLR_OK;
        job->dropped += status == FLR_DROPPED;
    }
    return NULL;
}

static void saturate_with(size_t threads) {
    char path[] = "/tmp/flrtest-saturated-XXXXXX";
    flr_logger *logger = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    flr_logger_stats stats = FLR_LOGGER_STATS_INIT;
    pthread_t ids[50];
    struct job jobs[50] = {{NULL, 0, 0}};
    uint64_t accepted = 0, dropped = 0;
    CHECK(mkstemp(path) >= 0);
    options.path = path;
    options.buffer_size = 8 * 64 * 1024;
    CHECK_OK(flr_logger_open(&options, &logger));
    for (size_t i = 0; i < threads; i++) {
        jobs[i].logger = logger;
        CHECK_EQ(pthread_create(&ids[i], NULL, saturate, &jobs[i]), 0);
    }
    for (size_t i = 0; i < threads; i++) {
        CHECK_EQ(pthread_join(ids[i], NULL), 0);
        accepted += jobs[i].accepted;
        dropped += jobs[i].dropped;
    }
    CHECK_OK(flr_logger_close(logger));
    CHECK_OK(flr_logger_get_stats(logger, &stats));
    expect_conservation(&stats);
    CHECK_EQ(stats.accepted, accepted);
    CHECK_EQ(stats.dropped, dropped);
    CHECK_EQ(stats.in_memory, 0);
    CHECK_EQ(decode(path), accepted);
    flr_logger_destroy(logger);
    unlink(path);
}

TEST(faults_saturated_by_8_threads_nothing_is_lost_uncounted) {
    saturate_with(8);
}

TEST(faults_saturated_by_50_threads_nothing_is_lost_uncounted) {
    saturate_with(50);
}

/* Noise, half of it dressed up as a block. The reader may find nothing or report damage; it must end. */
TEST(faults_files_of_noise_end_the_reader_not_the_process) {
    char path[] = "/tmp/flrtest-noise-XXXXXX";
    static unsigned char noise[32 * 1024];
    uint64_t state = 0x9E3779B97F4A7C15u;
    CHECK(mkstemp(path) >= 0);
    for (int round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof noise; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            noise[i] = (unsigned char)(state >> 32);
        }
        if (round % 2 == 0) {
            noise[0] = 0;
            noise[1] = (unsigned char)(2 * (1 + round % 7));
            noise[2] = noise[3] = noise[6] = noise[7] = 0;
        }
        size_t len = (size_t)(state % sizeof noise);
        FILE *file = fopen(path, "wb");
        CHECK(file != NULL);
        CHECK_EQ(fwrite(noise, 1, len, file), len);
        CHECK_EQ(fclose(file), 0);

        flr_reader *reader = NULL;
        flr_record record = FLR_RECORD_INIT;
        flr_reader_stats stats = FLR_READER_STATS_INIT;
        CHECK_OK(flr_reader_open(path, NULL, &reader));
        size_t calls = 0, bytes = 0;
        flr_status status;
        while ((status = flr_reader_next(reader, &record)) != FLR_END) {
            CHECK(status == FLR_OK || status == FLR_CORRUPT);
            bytes += record.len;
            CHECK(++calls <= sizeof noise);
        }
        CHECK(bytes <= len);
        CHECK_OK(flr_reader_get_stats(reader, &stats));
        flr_reader_destroy(reader);
    }
    unlink(path);
}
