#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char LINE[] = "03-17 16:13:38.936  1702 14638 D PowerManagerService: release:lock=189667585, flg=0x0, "
                           "tag=\"*launch*\", name=android\", ws=WorkSource{10113}, uid=1000, pid=1702";
static const char PATTERN[] = "Y-Y Y:Y:Y.Y  Y Y Y Y: Y:Y=Y, Y=Y, Y=\"X\", Y=Y\", Y=Y{X}, Y=Y, Y=Y";

TEST(normalise_line_gives_the_shape) {
    char dst[FLR_NORMALISE_BOUND(sizeof LINE)];
    size_t needed = 0;
    CHECK_OK(flr_normalise_line(LINE, strlen(LINE), dst, sizeof dst, &needed));
    CHECK_EQ(needed, strlen(PATTERN));
    CHECK(memcmp(dst, PATTERN, needed) == 0);
    CHECK_OK(flr_normalise_line(LINE, strlen(LINE), dst, sizeof dst, NULL));
    CHECK_OK(flr_normalise_line(NULL, 0, NULL, 0, &needed));
    CHECK_EQ(needed, 0);
    /* Exactly as much as it takes is enough here; one byte less is not. */
    CHECK_OK(flr_normalise_line("a b", 3, dst, 3, &needed));
    CHECK_EQ(flr_normalise_line("a b", 3, dst, 2, &needed), FLR_TRUNCATED);
    CHECK_EQ(needed, FLR_NORMALISE_BOUND(3));
    CHECK_OK(flr_normalise_line("()", 2, dst, sizeof dst, &needed));
    CHECK(needed == 3 && memcmp(dst, "(X)", 3) == 0);
    CHECK_OK(flr_normalise_line("\xff", 1, dst, sizeof dst, &needed));
    CHECK(needed == 3 && memcmp(dst, "\xef\xbf\xbd", 3) == 0);
}

TEST(normalise_line_goes_as_deep_as_the_line_is_long) {
    size_t half = 500000, needed = 0, room = FLR_NORMALISE_BOUND(2 * half);
    char *line = malloc(2 * half), *dst = malloc(room);
    CHECK(line && dst);
    memset(line, '(', half);
    memset(line + half, ')', half);
    CHECK_OK(flr_normalise_line(line, 2 * half, dst, room, &needed));
    CHECK(needed == 3 && memcmp(dst, "(X)", 3) == 0);
    CHECK_OK(flr_normalise_line(line, half, dst, room, &needed));
    CHECK_EQ(needed, half);
    free(line);
    free(dst);
}

TEST(pattern_ids_never_change) {
    CHECK(flr_pattern_id("", 0) == UINT64_C(0x2d06800538d394c2));
    CHECK(flr_pattern_id(NULL, 0) == flr_pattern_id("", 0));
    CHECK(flr_pattern_id("Y Y", 3) != flr_pattern_id("Y X", 3));
    CHECK(flr_pattern_id(NULL, 3) == 0);
}

TEST(normaliser_has_modes_and_rules) {
    flr_normaliser *normaliser = NULL;
    flr_normaliser_options options = FLR_NORMALISER_OPTIONS_INIT;
    const flr_normaliser_rule rules[] = {{"order", "ORD-[0-9]+"}, {"a-very-long-name", "!"}};
    char dst[512];
    size_t needed = 0;
    options.mode = FLR_NORMALISER_MODE_TYPED;
    options.rules = rules;
    options.rule_count = 2;
    CHECK_OK(flr_normaliser_create(&options, &normaliser));
    const char *line = "ORD-17 from 10.0.0.1!";
    const char *pattern = "<order> from <ip><a-very-long-name>";
    CHECK_OK(flr_normaliser_line(normaliser, line, strlen(line), dst, sizeof dst, &needed));
    CHECK_EQ(needed, strlen(pattern));
    CHECK(memcmp(dst, pattern, needed) == 0);
    CHECK_EQ(flr_normaliser_bound(normaliser, 10), 10 * strlen("<a-very-long-name>") + 64);
    flr_normaliser_destroy(normaliser);

    CHECK_OK(flr_normaliser_create(NULL, &normaliser));
    CHECK_OK(flr_normaliser_line(normaliser, "a 1", 3, dst, sizeof dst, &needed));
    CHECK(needed == 3 && memcmp(dst, "Y Y", 3) == 0);
    CHECK_EQ(flr_normaliser_bound(normaliser, 10), FLR_NORMALISE_BOUND(10));
    flr_normaliser_destroy(normaliser);
}

TEST(normaliser_refuses_misuse) {
    flr_normaliser *normaliser = (flr_normaliser *)1;
    flr_normaliser_options options = FLR_NORMALISER_OPTIONS_INIT;
    flr_normaliser_rule rule = {"x", "("};
    char dst[8];
    size_t needed = 77;
    CHECK_EQ(flr_normaliser_create(NULL, NULL), FLR_INVALID);
    options.mode = 99;
    CHECK_EQ(flr_normaliser_create(&options, &normaliser), FLR_INVALID);
    CHECK(normaliser == NULL);
    options.mode = FLR_NORMALISER_MODE_DIGITS;
    options.rule_count = 1;
    CHECK_EQ(flr_normaliser_create(&options, &normaliser), FLR_INVALID);
    options.rules = &rule;
    CHECK_EQ(flr_normaliser_create(&options, &normaliser), FLR_INVALID);
    CHECK(strstr(flr_last_error(), "rule `x`") != NULL);
    rule.expression = NULL;
    CHECK_EQ(flr_normaliser_create(&options, &normaliser), FLR_INVALID);
    rule.expression = "y";
    options.mode = FLR_NORMALISER_MODE_SHAPE;
    CHECK_EQ(flr_normaliser_create(&options, &normaliser), FLR_INVALID);
    options.struct_size = 0;
    CHECK_EQ(flr_normaliser_create(&options, &normaliser), FLR_INVALID);

    CHECK_EQ(flr_normaliser_line(NULL, "a", 1, dst, sizeof dst, &needed), FLR_INVALID);
    CHECK_EQ(flr_normaliser_bound(NULL, 1), 0);
    CHECK_EQ(flr_normalise_line(NULL, 1, dst, sizeof dst, &needed), FLR_INVALID);
    CHECK_EQ(flr_normalise_line("a", 1, NULL, 8, &needed), FLR_INVALID);
    CHECK_EQ(flr_normalise_line("a", SIZE_MAX, dst, sizeof dst, &needed), FLR_INVALID);
    CHECK_EQ(needed, 77);
    flr_normaliser_destroy(NULL);
    flr_pattern_counter_destroy(NULL);
}

static void put(const char *path, const char *text) {
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(text, 1, strlen(text), file) == strlen(text) && fclose(file) == 0);
}

static size_t get(const char *path, char *text, size_t cap) {
    FILE *file = fopen(path, "rb");
    CHECK(file);
    size_t len = fread(text, 1, cap - 1, file);
    text[len] = '\0';
    fclose(file);
    return len;
}

TEST(normalise_file_masks_and_summarises) {
    char dir[] = "/tmp/flrtest-XXXXXX", in[64], second[64], out[64], json[64], html[64], text[8192];
    CHECK(mkdtemp(dir));
    snprintf(in, sizeof in, "%s/in", dir);
    snprintf(second, sizeof second, "%s/second", dir);
    snprintf(out, sizeof out, "%s/out", dir);
    snprintf(json, sizeof json, "%s/json", dir);
    snprintf(html, sizeof html, "%s/html", dir);
    put(in, "get 1\r\nget 22\n");
    put(second, "put 3");
    const char *inputs[] = {in, second};
    flr_normalise_options options = FLR_NORMALISE_OPTIONS_INIT;
    flr_normalise_report report = FLR_NORMALISE_REPORT_INIT;
    options.mode = FLR_NORMALISER_MODE_DIGITS;
    options.inputs = inputs;
    options.input_count = 2;
    options.output = out;
    CHECK_OK(flr_normalise_file(&options, &report));
    CHECK_EQ(report.struct_size, sizeof report);
    CHECK_EQ(report.lines, 3);
    CHECK_EQ(report.bytes_in, 19);
    CHECK_EQ(report.patterns, 0);
    get(out, text, sizeof text);
    CHECK(strcmp(text, "get #\r\nget #\nput #") == 0);

    options.output = NULL;
    options.summary_json = json;
    options.summary_html = html;
    options.workers = 3;
    options.max_patterns = 2;
    CHECK_OK(flr_normalise_file(&options, &report));
    CHECK_EQ(report.patterns, 2);
    CHECK_EQ(report.other_lines, 1);
    get(json, text, sizeof text);
    CHECK(strstr(text, "\"lines\": 3") && strstr(text, "\"pattern\": \"get #\""));
    CHECK(get(html, text, sizeof text) > 1000);
    CHECK_OK(flr_normalise_file(&options, NULL));

    /* What goes wrong has a status, and a message with the place. */
    options.output = in;
    CHECK_EQ(flr_normalise_file(&options, &report), FLR_INVALID);
    CHECK(get(in, text, sizeof text) == 14);
    options.output = "/dev/full";
    CHECK_EQ(flr_normalise_file(&options, &report), FLR_IO);
    CHECK(strstr(flr_last_error(), "/dev/full") && strstr(flr_last_error(), "in:1"));
    options.output = NULL;
    inputs[1] = "/no/such/file";
    CHECK_EQ(flr_normalise_file(&options, &report), FLR_NOT_FOUND);
    inputs[1] = NULL;
    CHECK_EQ(flr_normalise_file(&options, &report), FLR_INVALID);
    put(second, "\x1f\x8b\x08 damaged");
    inputs[1] = second;
    CHECK_EQ(flr_normalise_file(&options, &report), FLR_CORRUPT);
    CHECK(strstr(flr_last_error(), "second:1"));
    options.input_count = 0;
    CHECK_EQ(flr_normalise_file(&options, &report), FLR_INVALID);
    CHECK_EQ(flr_normalise_file(NULL, &report), FLR_INVALID);
    const char *files[] = {in, second, out, json, html};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        unlink(files[i]);
    }
    CHECK(rmdir(dir) == 0);
}

static void *feed(void *counter) {
    for (int i = 0; i < 500; i++) {
        CHECK_OK(flr_pattern_counter_feed(counter, "job 1 done\njob 22 done\n", 23));
    }
    return NULL;
}

TEST(pattern_counter_counts_from_several_threads) {
    flr_pattern_counter *counter = NULL;
    flr_normaliser_options options = FLR_NORMALISER_OPTIONS_INIT;
    flr_pattern_counter_stats stats = FLR_PATTERN_COUNTER_STATS_INIT;
    pthread_t threads[4];
    char text[256];
    size_t needed = 0;
    options.mode = FLR_NORMALISER_MODE_TYPED;
    options.max_patterns = 1;
    CHECK_OK(flr_pattern_counter_create(&options, &counter));
    for (size_t i = 0; i < 4; i++) {
        CHECK(pthread_create(&threads[i], NULL, feed, counter) == 0);
    }
    for (size_t i = 0; i < 4; i++) {
        CHECK(pthread_join(threads[i], NULL) == 0);
    }
    CHECK_OK(flr_pattern_counter_feed(counter, "other", 5));
    CHECK_OK(flr_pattern_counter_feed(counter, "\n", 1));
    CHECK_OK(flr_pattern_counter_get_stats(counter, &stats));
    CHECK_EQ(stats.lines, 4001);
    CHECK_EQ(stats.patterns, 1);
    CHECK_EQ(stats.other_lines, 1);
    CHECK_EQ(flr_pattern_counter_top_json(counter, 5, NULL, 0, &needed), FLR_TRUNCATED);
    CHECK(needed < sizeof text);
    CHECK_OK(flr_pattern_counter_top_json(counter, 5, text, sizeof text, &needed));
    text[needed] = '\0';
    CHECK(strstr(text, "\"count\":4000") && strstr(text, "\"pattern\":\"job <num> done\""));

    CHECK_EQ(flr_pattern_counter_feed(NULL, "x", 1), FLR_INVALID);
    CHECK_EQ(flr_pattern_counter_feed(counter, NULL, 1), FLR_INVALID);
    CHECK_EQ(flr_pattern_counter_get_stats(counter, NULL), FLR_INVALID);
    CHECK_EQ(flr_pattern_counter_top_json(NULL, 1, text, sizeof text, &needed), FLR_INVALID);

    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_EQ(flr_pattern_counter_feed(counter, "x\n", 2), FLR_FORKED);
        flr_pattern_counter_destroy(counter);
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    flr_pattern_counter_destroy(counter);
}

TEST(monitor_counts_patterns) {
    flr_hub *hub = NULL;
    flr_monitor *monitor = NULL;
    flr_normaliser_options options = FLR_NORMALISER_OPTIONS_INIT;
    char text[512];
    size_t needed = 0;
    options.mode = FLR_NORMALISER_MODE_TYPED;
    CHECK_OK(flr_hub_create(&hub));
    CHECK_OK(flr_hub_open(hub, "worker", NULL, &monitor));
    CHECK_EQ(flr_monitor_patterns_json(monitor, 5, text, sizeof text, &needed), FLR_END);
    CHECK_OK(flr_monitor_count_patterns(monitor, &options));
    CHECK_OK(flr_monitor_count_patterns(monitor, NULL));
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "get 1\nget 2\nput 3\n", 18));
    /* Another thread counts. */
    for (int i = 0; i < 2000; i++) {
        CHECK_OK(flr_monitor_patterns_json(monitor, 1, text, sizeof text, &needed));
        text[needed] = '\0';
        if (strstr(text, "\"count\":2")) {
            break;
        }
        usleep(5000);
    }
    CHECK(strstr(text, "\"count\":2") && strstr(text, "\"pattern\":\"get <num>\""));
    CHECK_EQ(flr_monitor_patterns_json(monitor, 1, NULL, 0, &needed), FLR_TRUNCATED);
    CHECK_EQ(flr_monitor_count_patterns(NULL, NULL), FLR_INVALID);
    CHECK_EQ(flr_monitor_patterns_json(NULL, 1, text, sizeof text, &needed), FLR_INVALID);
    flr_monitor_release(monitor);
    flr_hub_destroy(hub);
}
