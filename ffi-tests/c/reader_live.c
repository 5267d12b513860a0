/* Logs that are followed while loggers write and rotate them. */
#include "check.h"

#include <dirent.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

/* A folder for one test, and a log in it. */
static void make_folder(char *folder, size_t size) {
    snprintf(folder, size, "/tmp/flrtest-live-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
}

static void remove_folder(const char *folder) {
    DIR *entries = opendir(folder);
    CHECK(entries != NULL);
    for (struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (entry->d_name[0] != '.') {
            CHECK_EQ(remove(path), 0);
        }
    }
    CHECK_EQ(closedir(entries), 0);
    CHECK_EQ(rmdir(folder), 0);
}

static flr_logger *open_log(const char *path, uint32_t flush_interval_ms) {
    flr_logger *logger = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    options.path = path;
    options.kind = FLR_RECORD_KIND_EVENT;
    options.buffer_size = 4 << 20;
    options.overflow = FLR_OVERFLOW_BLOCK;
    options.flush_interval_ms = flush_interval_ms;
    CHECK_OK(flr_logger_open(&options, &logger));
    return logger;
}

/* Waits for the next record of a reader that follows. */
static void next_record(flr_reader *reader, flr_record *record) {
    const struct timespec pause = {0, 2000000};
    for (int i = 0; i < 30000; i++) {
        flr_status status = flr_reader_next(reader, record);
        if (status == FLR_OK) {
            return;
        }
        CHECK_EQ(status, FLR_TIMEOUT);
        nanosleep(&pause, NULL);
    }
    CHECK(!"a record came within a minute");
}

static void expect(flr_reader *reader, uint32_t file, const char *text) {
    flr_record record = FLR_RECORD_INIT;
    next_record(reader, &record);
    CHECK(record.len == strlen(text) && memcmp(record.data, text, record.len) == 0);
    CHECK_EQ(record.file, file);
}

/* A record that reaches its file after a later one of another file still comes before it. */
TEST(reader_holds_records_of_live_files_for_earlier_ones) {
    char folder[64], a[128], b[128];
    const char *paths[] = {a, b};
    flr_reader *reader = NULL;
    flr_reader_options options = FLR_READER_OPTIONS_INIT;
    flr_reader_stats stats = FLR_READER_STATS_INIT;
    FILE *file = NULL;
    flr_record record = FLR_RECORD_INIT;
    make_folder(folder, sizeof folder);
    snprintf(a, sizeof a, "%s/a.log", folder);
    snprintf(b, sizeof b, "%s/b.log", folder);
    flr_logger *first = open_log(a, 600000), *second = open_log(b, 600000);
    options.follow = 1;
    options.order = FLR_ORDER_TIME;
    options.hold_ms = 3000;
    CHECK_OK(flr_reader_open_files(paths, 2, &options, &reader));
    CHECK_EQ(flr_reader_next(reader, &record), FLR_TIMEOUT);

    CHECK_OK(FLR_LOG(second, FLR_LEVEL_INFO, "one"));
    CHECK_OK(FLR_LOG(first, FLR_LEVEL_INFO, "two"));
    CHECK_OK(flr_logger_flush(first, 60000));
    CHECK_EQ(flr_reader_next(reader, &record), FLR_TIMEOUT);
    CHECK_OK(FLR_LOG(first, FLR_LEVEL_INFO, "three"));
    CHECK_OK(FLR_LOG(second, FLR_LEVEL_INFO, "four"));
    CHECK_OK(flr_logger_rotate(first));
    CHECK_OK(FLR_LOG(first, FLR_LEVEL_INFO, "five"));
    CHECK_OK(flr_logger_flush(first, 60000));
    CHECK_OK(flr_logger_flush(second, 60000));
    expect(reader, 1, "one");
    expect(reader, 0, "two");
    expect(reader, 0, "three");
    expect(reader, 1, "four");
    expect(reader, 0, "five");
    CHECK_OK(flr_reader_get_stats(reader, &stats));
    CHECK_EQ(stats.late, 0);
    CHECK_EQ(stats.rotations, 1);
    CHECK_EQ(stats.damages, 0);
    CHECK_EQ(stats.records, 5);
    flr_reader_destroy(reader);

    /* Records that no hold waited for are late, and said to be. */
    options.hold_ms = 1;
    options.window = 1;
    CHECK_OK(flr_reader_open_files(paths, 2, &options, &reader));
    expect(reader, 0, "five");
    expect(reader, 1, "one");
    expect(reader, 1, "four");
    CHECK_OK(flr_reader_get_stats(reader, &stats));
    CHECK_EQ(stats.late, 2);
    flr_reader_destroy(reader);

    options.reserved = 1;
    CHECK_EQ(flr_reader_open_files(paths, 2, &options, &reader), FLR_INVALID);
    options.reserved = 0;
    flr_logger_destroy(first);
    flr_logger_destroy(second);

    /* What is compressed does not grow. */
    file = fopen(paths[1], "wb");
    CHECK(file != NULL);
    CHECK_EQ(fwrite("\x1f\x8b\x08\0\0\0\0\0", 1, 8, file), 8);
    CHECK_EQ(fclose(file), 0);
    CHECK_EQ(flr_reader_open_files(paths, 2, &options, &reader), FLR_INVALID);
    CHECK(strstr(flr_last_error(), "is compressed") != NULL);
    remove_folder(folder);
}

enum { LOGS = 2, WRITERS = 2, RECORDS = 3000, FILES_OF_FIRST = 10 };

struct writer {
    flr_logger *logger;
    int rotates, number;
};

static void *write_live(void *argument) {
    const struct writer *writer = argument;
    const struct timespec pause = {0, 1000000};
    for (int i = 0; i < RECORDS; i++) {
        CHECK_OK(FLR_LOG(writer->logger, FLR_LEVEL_INFO, "%d %d", writer->number, i));
        if (writer->rotates && i % (RECORDS / FILES_OF_FIRST) == 0) {
            CHECK_OK(flr_logger_rotate(writer->logger));
        }
        if (i % 10 == 0) {
            nanosleep(&pause, NULL);
        }
    }
    return NULL;
}

/* Follows logs while they are written from several threads, one of them being rotated. Returns the reader's statistics. */
static flr_reader_stats follow_writers(int32_t order, uint32_t hold_ms, size_t logs) {
    char folder[64], names[LOGS][128];
    const char *paths[LOGS];
    flr_logger *loggers[LOGS];
    pthread_t threads[LOGS * WRITERS];
    struct writer writers[LOGS * WRITERS];
    int next[LOGS * WRITERS] = {0};
    uint64_t reached[LOGS + 1] = {0};
    flr_reader *reader = NULL;
    flr_reader_options options = FLR_READER_OPTIONS_INIT;
    flr_reader_stats stats = FLR_READER_STATS_INIT;
    make_folder(folder, sizeof folder);
    for (size_t i = 0; i < logs; i++) {
        snprintf(names[i], sizeof names[i], "%s/%zu.log", folder, i);
        paths[i] = names[i];
        loggers[i] = open_log(paths[i], i == 0 ? 20 : 150);
    }
    options.follow = 1;
    options.order = order;
    options.hold_ms = hold_ms;
    CHECK_OK(flr_reader_open_files(paths, logs, &options, &reader));
    for (size_t i = 0; i < logs * WRITERS; i++) {
        writers[i] = (struct writer){loggers[i / WRITERS], i == 0, (int)i};
        CHECK_EQ(pthread_create(&threads[i], NULL, write_live, &writers[i]), 0);
    }
    for (size_t i = 0; i < logs * WRITERS * RECORDS; i++) {
        flr_record record = FLR_RECORD_INIT;
        char text[32] = "";
        unsigned number = 0;
        int count = -1;
        next_record(reader, &record);
        CHECK(record.len < sizeof text);
        memcpy(text, record.data, record.len);
        CHECK_EQ(sscanf(text, "%u %d", &number, &count), 2);
        CHECK(number < logs * WRITERS);
        CHECK_EQ(record.file, number / WRITERS);
        CHECK_EQ(count, next[number]); /* each thread's records in their order, and all of them */
        next[number]++;
        if (order != FLR_ORDER_FILE) {
            uint64_t key = order == FLR_ORDER_TIME ? record.time_ns : record.sequence;
            CHECK(key >= reached[LOGS]);
            reached[LOGS] = key;
        } else {
            CHECK(record.sequence >= reached[record.file]);
            reached[record.file] = record.sequence;
        }
    }
    for (size_t i = 0; i < logs * WRITERS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_OK(flr_reader_get_stats(reader, &stats));
    CHECK_EQ(stats.records, logs * WRITERS * RECORDS);
    CHECK_EQ(stats.damages, 0);
    CHECK_EQ(stats.late, 0);
    CHECK(stats.rotations >= FILES_OF_FIRST - 1);
    flr_reader_destroy(reader);
    for (size_t i = 0; i < logs; i++) {
        CHECK_OK(flr_logger_close(loggers[i]));
        flr_logger_destroy(loggers[i]);
    }
    remove_folder(folder);
    return stats;
}

TEST(reader_follows_live_logs_by_time) {
    follow_writers(FLR_ORDER_TIME, 3000, 2);
}

TEST(reader_follows_a_live_log_by_time_and_by_sequence) {
    follow_writers(FLR_ORDER_TIME, 3000, 1);
    follow_writers(FLR_ORDER_SEQUENCE, 1, 1);
}

TEST(reader_follows_live_logs_as_their_records_are_found) {
    follow_writers(FLR_ORDER_FILE, 0, 2);
}

/* Files that came and went between two looks are found; what was deleted is reported. */
TEST(reader_finds_files_that_were_rotated_away_meanwhile) {
    char folder[64], path[128];
    flr_reader *reader = NULL;
    flr_reader_options options = FLR_READER_OPTIONS_INIT;
    flr_reader_stats stats = FLR_READER_STATS_INIT;
    flr_record record = FLR_RECORD_INIT;
    make_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/a.log", folder);
    flr_logger *logger = open_log(path, 0);
    options.follow = 1;
    options.report_damage = 1;
    CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "-1"));
    CHECK_OK(flr_logger_flush(logger, 60000));
    CHECK_OK(flr_reader_open(path, &options, &reader));
    expect(reader, 0, "-1");
    for (int i = 0; i < 20; i++) {
        CHECK_OK(flr_logger_rotate(logger));
        CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "%d", i));
        CHECK_OK(flr_logger_flush(logger, 60000));
    }
    for (int i = 0; i < 20; i++) {
        char text[16];
        snprintf(text, sizeof text, "%d", i);
        expect(reader, 0, text);
    }
    CHECK_EQ(flr_reader_next(reader, &record), FLR_TIMEOUT);
    CHECK_OK(flr_reader_get_stats(reader, &stats));
    CHECK_EQ(stats.rotations, 20);
    CHECK_EQ(stats.damages, 0);

    CHECK_OK(flr_logger_rotate(logger));
    CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "lost"));
    CHECK_OK(flr_logger_flush(logger, 60000));
    CHECK_EQ(remove(path), 0);
    CHECK_OK(flr_logger_rotate(logger)); /* the path names nothing: it is opened anew */
    CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "after"));
    CHECK_OK(flr_logger_flush(logger, 60000));
    CHECK_EQ(flr_reader_next(reader, &record), FLR_CORRUPT);
    CHECK(strstr(flr_last_error(), "1 blocks with 1 records are missing") != NULL);
    expect(reader, 0, "after");
    flr_reader_destroy(reader);
    flr_logger_destroy(logger);
    remove_folder(folder);
}

static void copy_and_cut(const char *from, const char *to) {
    static char bytes[1 << 16];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    CHECK(in != NULL && out != NULL);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, in)) > 0;) {
        CHECK_EQ(fwrite(bytes, 1, n, out), n);
    }
    CHECK_EQ(fclose(in), 0);
    CHECK_EQ(fclose(out), 0);
    CHECK_EQ(truncate(from, 0), 0);
}

/* What logrotate does with `copytruncate`: both files are sound, and a reader that follows goes on. */
TEST(reader_follows_a_log_that_is_copied_and_cut) {
    char folder[64], path[128], copy[140];
    flr_reader *reader = NULL;
    flr_reader_options options = FLR_READER_OPTIONS_INIT;
    flr_reader_stats stats = FLR_READER_STATS_INIT;
    flr_record record = FLR_RECORD_INIT;
    make_folder(folder, sizeof folder);
    snprintf(path, sizeof path, "%s/a.log", folder);
    snprintf(copy, sizeof copy, "%s.1", path);
    flr_logger *logger = open_log(path, 0);
    CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "one"));
    CHECK_OK(flr_logger_flush(logger, 60000));
    CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "two"));
    CHECK_OK(flr_logger_flush(logger, 60000));
    options.follow = 1;
    options.report_damage = 1;
    CHECK_OK(flr_reader_open(path, &options, &reader));
    expect(reader, 0, "one");
    expect(reader, 0, "two");
    copy_and_cut(path, copy);
    CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "three"));
    CHECK_OK(flr_logger_flush(logger, 60000));
    expect(reader, 0, "three");
    CHECK_OK(FLR_LOG(logger, FLR_LEVEL_INFO, "four"));
    CHECK_OK(flr_logger_close(logger));
    flr_logger_destroy(logger);
    expect(reader, 0, "four");
    CHECK_EQ(flr_reader_next(reader, &record), FLR_TIMEOUT);
    flr_reader_destroy(reader);

    const char *paths[] = {copy, path};
    options.follow = 0;
    CHECK_OK(flr_reader_open_files(paths, 2, &options, &reader));
    expect(reader, 0, "one");
    expect(reader, 0, "two");
    expect(reader, 1, "three");
    expect(reader, 1, "four");
    CHECK_EQ(flr_reader_next(reader, &record), FLR_END);
    CHECK_OK(flr_reader_get_stats(reader, &stats));
    CHECK_EQ(stats.damages, 0);
    flr_reader_destroy(reader);
    remove_folder(folder);
}
