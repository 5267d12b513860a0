#include "check.h"

#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Logs of the oldest format need no checksum, so they can be written here byte by byte. */
enum { BLOCK = 512 };

static void put32(unsigned char *at, uint32_t value) {
    for (int i = 0; i < 4; i++) {
        at[i] = (unsigned char)(value >> (8 * i));
    }
}

static void write_blocks(const char *path, const char *const *texts, size_t count) {
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    for (size_t i = 0; i < count; i++) {
        unsigned char block[BLOCK];
        size_t len = strlen(texts[i]);
        memset(block, 0x5A, sizeof block);
        put32(block, BLOCK);
        put32(block + 4, (uint32_t)(4 + len));
        put32(block + 8, (uint32_t)len);
        memcpy(block + 12, texts[i], len);
        CHECK_EQ(fwrite(block, 1, sizeof block, file), sizeof block);
    }
    CHECK_EQ(fclose(file), 0);
}

static void temp_path(char *path, size_t size, const char *name) {
    snprintf(path, size, "/tmp/flrtest-%s-%ld.log", name, (long)getpid());
    remove(path);
}

TEST(reader_gives_records_and_counts) {
    char path[128];
    const char *texts[] = {"one", "", "three"};
    flr_reader *reader = NULL;
    flr_record record = FLR_RECORD_INIT;
    flr_reader_stats stats = FLR_READER_STATS_INIT;
    temp_path(path, sizeof path, "records");
    write_blocks(path, texts, 3);
    CHECK_OK(flr_reader_open(path, NULL, &reader));
    for (size_t i = 0; i < 3; i++) {
        CHECK_OK(flr_reader_next(reader, &record));
        CHECK_EQ(record.len, strlen(texts[i]));
        CHECK(record.data != NULL);
        CHECK(memcmp(record.data, texts[i], record.len) == 0);
        CHECK_EQ(record.sequence, i);
        CHECK_EQ(record.is_marker, 0);
        CHECK_EQ(record.struct_size, sizeof record);
    }
    CHECK_EQ(flr_reader_next(reader, &record), FLR_END);
    CHECK_EQ(flr_reader_next(reader, &record), FLR_END);
    CHECK_OK(flr_reader_get_stats(reader, &stats));
    CHECK_EQ(stats.blocks, 3);
    CHECK_EQ(stats.records, 3);
    CHECK_EQ(stats.payload_bytes, 8);
    CHECK_EQ(stats.file_bytes, 3 * BLOCK);
    CHECK_EQ(stats.damages, 0);
    CHECK_EQ(stats.dialect, FLR_DIALECT_V1);
    flr_reader_destroy(reader);
    remove(path);
}

TEST(reader_says_what_a_marker_reports) {
    char path[128];
    static char large[1 << 20];
    flr_logger *logger = NULL;
    flr_logger_options logging = FLR_LOGGER_OPTIONS_INIT;
    flr_reader *reader = NULL;
    flr_record record = FLR_RECORD_INIT;
    uint64_t since = 0, until = 0;
    temp_path(path, sizeof path, "markers");
    logging.path = path;
    logging.buffer_size = 1 << 20;
    logging.drop_markers = FLR_DROP_MARKERS_ON;
    CHECK_OK(flr_logger_open(&logging, &logger));
    CHECK_EQ(flr_logger_write(logger, large, sizeof large), FLR_TOO_LARGE);
    CHECK_OK(flr_logger_flush(logger, -1));
    /* Within a second after the first report, so the second one comes with the end. */
    CHECK_EQ(flr_logger_write(logger, large, sizeof large), FLR_TOO_LARGE);
    CHECK_OK(flr_logger_flush(logger, -1));
    CHECK_OK(flr_logger_close(logger));
    flr_logger_destroy(logger);
    CHECK_OK(flr_reader_open(path, NULL, &reader));
    for (int i = 0; i < 2; i++) {
        CHECK_OK(flr_reader_next(reader, &record));
        CHECK(record.is_marker != 0);
        CHECK_EQ(record.dropped, 1);
        CHECK_EQ(record.drop_cause, FLR_DROP_CAUSE_TOO_LARGE);
        CHECK_EQ(record.shard, UINT32_MAX);
        CHECK(record.since_ns > since && record.since_ns <= record.time_ns);
        CHECK(i == 0 || record.since_ns <= until);
        since = record.since_ns;
        until = record.time_ns;
    }
    CHECK_EQ(flr_reader_next(reader, &record), FLR_END);
    flr_reader_destroy(reader);
    remove(path);
}

TEST(reader_skips_and_reports_damage) {
    char path[128];
    const char *texts[] = {"one", "two", "three"};
    flr_reader *reader = NULL;
    flr_reader_options options = FLR_READER_OPTIONS_INIT;
    flr_record record = FLR_RECORD_INIT;
    flr_reader_stats stats = FLR_READER_STATS_INIT;
    temp_path(path, sizeof path, "damage");
    write_blocks(path, texts, 3);
    FILE *file = fopen(path, "r+b");
    CHECK(file != NULL);
    CHECK_EQ(fseek(file, BLOCK, SEEK_SET), 0);
    CHECK_EQ(fwrite("garbage!", 1, 8, file), 8);
    CHECK_EQ(fclose(file), 0);

    CHECK_OK(flr_reader_open(path, &options, &reader));
    CHECK_OK(flr_reader_next(reader, &record));
    CHECK_OK(flr_reader_next(reader, &record));
    CHECK(record.len == 5 && memcmp(record.data, "three", 5) == 0);
    CHECK_EQ(flr_reader_next(reader, &record), FLR_END);
    CHECK_OK(flr_reader_get_stats(reader, &stats));
    CHECK_EQ(stats.damages, 1);
    CHECK_EQ(stats.skipped_bytes, BLOCK);
    flr_reader_destroy(reader);

    options.report_damage = 1;
    CHECK_OK(flr_reader_open(path, &options, &reader));
    CHECK_OK(flr_reader_next(reader, &record));
    CHECK_EQ(flr_reader_next(reader, &record), FLR_CORRUPT);
    CHECK(strstr(flr_last_error(), "offset 512, 512 bytes") != NULL);
    CHECK_OK(flr_reader_next(reader, &record));
    CHECK_EQ(flr_reader_next(reader, &record), FLR_END);
    flr_reader_destroy(reader);
    remove(path);
}

TEST(reader_follows_a_log_that_grows_and_rotates) {
    char path[128], old[140];
    const char *first[] = {"one"}, *more[] = {"one", "two"}, *next[] = {"three"};
    flr_reader *reader = NULL;
    flr_reader_options options = FLR_READER_OPTIONS_INIT;
    flr_record record = FLR_RECORD_INIT;
    flr_reader_stats stats = FLR_READER_STATS_INIT;
    temp_path(path, sizeof path, "follow");
    snprintf(old, sizeof old, "%s.1", path);
    write_blocks(path, first, 1);
    options.follow = 1;
    CHECK_OK(flr_reader_open(path, &options, &reader));
    CHECK_OK(flr_reader_next(reader, &record));
    CHECK_EQ(flr_reader_next(reader, &record), FLR_TIMEOUT);
    write_blocks(path, more, 2);
    CHECK_OK(flr_reader_next(reader, &record));
    CHECK(memcmp(record.data, "two", 3) == 0);
    CHECK_EQ(rename(path, old), 0);
    write_blocks(path, next, 1);
    CHECK_OK(flr_reader_next(reader, &record));
    CHECK(memcmp(record.data, "three", 5) == 0);
    CHECK_EQ(flr_reader_next(reader, &record), FLR_TIMEOUT);
    CHECK_OK(flr_reader_get_stats(reader, &stats));
    CHECK_EQ(stats.rotations, 1);
    CHECK_EQ(stats.records, 3);
    flr_reader_destroy(reader);
    remove(path);
    remove(old);
}

TEST(reader_takes_several_files_and_chooses) {
    char a[128], b[128];
    const char *first[] = {"a one", "a two"}, *second[] = {"b one"};
    const char *paths[] = {a, b};
    flr_reader *reader = NULL;
    flr_reader_options options = FLR_READER_OPTIONS_INIT;
    flr_record record = FLR_RECORD_INIT;
    temp_path(a, sizeof a, "many-a");
    temp_path(b, sizeof b, "many-b");
    write_blocks(a, first, 2);
    write_blocks(b, second, 1);
    options.text = "one";
    CHECK_OK(flr_reader_open_files(paths, 2, &options, &reader));
    CHECK_OK(flr_reader_next(reader, &record));
    CHECK(record.len == 5 && memcmp(record.data, "a one", 5) == 0);
    CHECK_OK(flr_reader_next(reader, &record));
    CHECK(record.len == 5 && memcmp(record.data, "b one", 5) == 0);
    CHECK_EQ(flr_reader_next(reader, &record), FLR_END);
    flr_reader_destroy(reader);
    remove(a);
    remove(b);
}

/* What was logged comes back: by every thread, in its order, with its level. */
enum { THREADS = 4, EACH = 5000 };

static void *log_many(void *argument) {
    flr_logger *logger = argument;
    for (int i = 0; i < EACH; i++) {
        FLR_LOG(logger, i % 2 ? FLR_LEVEL_INFO : FLR_LEVEL_ERROR, "%d", i);
    }
    return NULL;
}

TEST(reader_gives_back_what_the_logger_took) {
    char path[128];
    flr_logger *logger = NULL;
    flr_logger_options options = FLR_LOGGER_OPTIONS_INIT;
    flr_logger_stats logged = FLR_LOGGER_STATS_INIT;
    flr_reader *reader = NULL;
    flr_reader_options how = FLR_READER_OPTIONS_INIT;
    flr_reader_stats stats = FLR_READER_STATS_INIT;
    flr_record record = FLR_RECORD_INIT;
    pthread_t threads[THREADS];
    temp_path(path, sizeof path, "logged");
    options.path = path;
    options.kind = FLR_RECORD_KIND_EVENT;
    CHECK_OK(flr_logger_open(&options, &logger));
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_create(&threads[i], NULL, log_many, logger), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    CHECK_OK(flr_logger_close(logger));
    CHECK_OK(flr_logger_get_stats(logger, &logged));
    flr_logger_destroy(logger);
    CHECK_EQ(logged.accepted, THREADS * EACH);

    how.order = FLR_ORDER_TIME;
    CHECK_OK(flr_reader_open(path, &how, &reader));
    uint64_t time = 0, records = 0;
    struct { uint32_t thread; int next; } seen[THREADS] = {{0, 0}};
    while (flr_reader_next(reader, &record) == FLR_OK) {
        char text[16] = {0};
        CHECK(record.len < sizeof text);
        memcpy(text, record.data, record.len);
        int i = 0;
        while (seen[i].thread != 0 && seen[i].thread != record.thread) {
            i++;
            CHECK(i < THREADS);
        }
        seen[i].thread = record.thread;
        CHECK_EQ(atoi(text), seen[i].next);
        CHECK_EQ(record.level, seen[i].next % 2 ? FLR_LEVEL_INFO : FLR_LEVEL_ERROR);
        seen[i].next++;
        CHECK(record.time_ns >= time);
        time = record.time_ns;
        records++;
    }
    CHECK_EQ(records, logged.accepted);
    CHECK_OK(flr_reader_get_stats(reader, &stats));
    CHECK_EQ(stats.records, logged.accepted);
    CHECK_EQ(stats.damages, 0);
    CHECK_EQ(stats.late, 0);
    flr_reader_destroy(reader);

    how.level = FLR_LEVEL_WARN;
    how.order = FLR_ORDER_FILE;
    CHECK_OK(flr_reader_open(path, &how, &reader));
    for (records = 0; flr_reader_next(reader, &record) == FLR_OK; records++) {
    }
    CHECK_EQ(records, logged.accepted / 2);
    flr_reader_destroy(reader);
    remove(path);
}

TEST(reader_misuse_is_a_status) {
    char path[128];
    const char *texts[] = {"one"};
    const char *paths[] = {path, NULL};
    flr_reader *reader = (flr_reader *)(uintptr_t)1;
    flr_reader_options options = FLR_READER_OPTIONS_INIT;
    flr_record record = FLR_RECORD_INIT;
    flr_reader_stats stats = FLR_READER_STATS_INIT;
    temp_path(path, sizeof path, "misuse");
    CHECK_EQ(flr_reader_open(path, NULL, &reader), FLR_NOT_FOUND);
    CHECK(reader == NULL);
    CHECK(strstr(flr_last_error(), path) != NULL);
    CHECK_EQ(flr_reader_open("/tmp", NULL, &reader), FLR_IO);
    write_blocks(path, texts, 1);
    CHECK_EQ(flr_reader_open(path, NULL, NULL), FLR_INVALID);
    CHECK_EQ(flr_reader_open(NULL, NULL, &reader), FLR_INVALID);
    CHECK_EQ(flr_reader_open_files(paths, 0, NULL, &reader), FLR_INVALID);
    CHECK_EQ(flr_reader_open_files(NULL, 1, NULL, &reader), FLR_INVALID);
    CHECK_EQ(flr_reader_open_files(paths, 2, NULL, &reader), FLR_INVALID);
    options.dialect = 99;
    CHECK_EQ(flr_reader_open(path, &options, &reader), FLR_INVALID);
    options.dialect = FLR_DIALECT_AUTO;
    options.order = -1;
    CHECK_EQ(flr_reader_open(path, &options, &reader), FLR_INVALID);
    options.order = FLR_ORDER_FILE;
    options.reserved = 1;
    CHECK_EQ(flr_reader_open(path, &options, &reader), FLR_INVALID);
    options.reserved = 0;
    options.level = 300;
    CHECK_EQ(flr_reader_open(path, &options, &reader), FLR_INVALID);
    options.level = 0;
    options.max_block_mib = 5000;
    CHECK_EQ(flr_reader_open(path, &options, &reader), FLR_INVALID);
    CHECK_EQ(flr_reader_next(NULL, &record), FLR_INVALID);
    CHECK_EQ(flr_reader_get_stats(NULL, &stats), FLR_INVALID);
    flr_reader_destroy(NULL);
    CHECK_OK(flr_reader_open(path, NULL, &reader));
    CHECK_EQ(flr_reader_next(reader, NULL), FLR_INVALID);
    CHECK_EQ(flr_reader_get_stats(reader, NULL), FLR_INVALID);
    record.struct_size = 0;
    CHECK_EQ(flr_reader_next(reader, &record), FLR_INVALID);
    record.struct_size = sizeof record;
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_EQ(flr_reader_next(reader, &record), FLR_FORKED);
        flr_reader_destroy(reader);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    CHECK_OK(flr_reader_next(reader, &record));
    flr_reader_destroy(reader);
    remove(path);
}

TEST(log_recover_sets_a_torn_end_aside) {
    char path[128];
    const char *texts[] = {"one", "two"};
    flr_recover_report report = FLR_RECOVER_REPORT_INIT;
    struct stat info;
    temp_path(path, sizeof path, "recover");
    CHECK_EQ(flr_log_recover(path, &report), FLR_NOT_FOUND);
    CHECK_EQ(flr_log_recover(NULL, &report), FLR_INVALID);
    write_blocks(path, texts, 2);
    CHECK_EQ(flr_log_recover(path, NULL), FLR_INVALID);
    CHECK_EQ(truncate(path, 2 * BLOCK - 100), 0);
    CHECK_OK(flr_log_recover(path, &report));
    CHECK_EQ(report.sound_bytes, BLOCK);
    CHECK_EQ(report.set_aside_bytes, BLOCK - 100);
    CHECK_EQ(stat(path, &info), 0);
    CHECK_EQ(info.st_size, BLOCK);
    CHECK_OK(flr_log_recover(path, &report));
    CHECK_EQ(report.set_aside_bytes, 0);

    FILE *file = fopen(path, "wb");
    CHECK(file != NULL);
    CHECK(fputs("no log at all", file) >= 0);
    CHECK_EQ(fclose(file), 0);
    CHECK_EQ(flr_log_recover(path, &report), FLR_INVALID);
    char command[300];
    snprintf(command, sizeof command, "rm -f %s %s.damaged-*", path, path);
    CHECK_EQ(system(command), 0);
}
