#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int destroyed;
static int calls;

static void count_destroy(void *user_data) {
    __atomic_fetch_add((int *)user_data, 1, __ATOMIC_SEQ_CST);
}

static flr_monitor *make(uint64_t capacity) {
    flr_monitor_options options = FLR_MONITOR_OPTIONS_INIT;
    flr_monitor *monitor = NULL;
    options.capacity = capacity;
    CHECK_OK(flr_monitor_create("test", &options, &monitor));
    return monitor;
}

TEST(hub_opens_finds_lists_and_removes) {
    flr_hub *hub = NULL;
    flr_monitor *a = NULL, *again = NULL, *b = NULL;
    char names[16];
    size_t needed = 77;
    CHECK_OK(flr_hub_create(&hub));
    CHECK_OK(flr_hub_list(hub, NULL, 0, &needed));
    CHECK_EQ(needed, 0);
    CHECK_OK(flr_hub_open(hub, "beta/1", NULL, &b));
    CHECK_OK(flr_hub_open(hub, "alpha", NULL, &a));
    CHECK_OK(flr_hub_find(hub, "alpha", &again));
    CHECK(strcmp(flr_monitor_name(again), "alpha") == 0);
    CHECK_OK(flr_monitor_write(a, FLR_STREAM_STDOUT, "x", 1));
    CHECK_OK(flr_monitor_history(again, names, sizeof names, &needed));
    CHECK_EQ(needed, 1);
    CHECK_OK(flr_hub_list(hub, names, sizeof names, &needed));
    CHECK_EQ(needed, 13);
    CHECK(memcmp(names, "alpha\0beta/1", 13) == 0);
    memset(names, '#', sizeof names);
    CHECK_EQ(flr_hub_list(hub, names, 8, &needed), FLR_TRUNCATED);
    CHECK(memcmp(names, "alpha\0##", 8) == 0);
    CHECK_OK(flr_hub_remove(hub, "alpha"));
    CHECK_EQ(flr_hub_remove(hub, "alpha"), FLR_NOT_FOUND);
    CHECK(strstr(flr_last_error(), "\"alpha\"") != NULL);
    flr_monitor_release(again);
    CHECK_EQ(flr_hub_find(hub, "alpha", &again), FLR_NOT_FOUND);
    CHECK(again == NULL);
    CHECK_EQ(flr_monitor_write(a, FLR_STREAM_STDOUT, "x", 1), FLR_CLOSED);
    flr_hub_destroy(hub);
    CHECK_EQ(flr_monitor_write(b, FLR_STREAM_STDOUT, "x", 1), FLR_CLOSED);
    flr_monitor_release(a);
    flr_monitor_release(b);
}

TEST(monitor_keeps_streams_apart) {
    flr_monitor *monitor = make(0);
    flr_replay_span span = FLR_REPLAY_SPAN_INIT;
    flr_monitor_stats stats = FLR_MONITOR_STATS_INIT;
    char dst[64];
    size_t needed = 0;
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "out1\n", 5));
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDERR, "err\n", 4));
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "out2\n", 5));
    CHECK_OK(flr_monitor_log(monitor, FLR_LEVEL_WARN, "careful", 7));
    CHECK_OK(FLR_MONITOR_LOG(monitor, FLR_LEVEL_DEBUG, "%s", "left out"));
    CHECK_OK(flr_monitor_set_level(monitor, FLR_LEVEL_DEBUG));
    CHECK_OK(FLR_MONITOR_LOG(monitor, FLR_LEVEL_DEBUG, "%d of %d", 1, 2));
    CHECK_OK(flr_monitor_history(monitor, dst, sizeof dst, &needed));
    const char *all = "out1\nerr\nout2\n[WARN] careful\n[DEBUG] 1 of 2\n";
    CHECK_EQ(needed, strlen(all));
    CHECK(memcmp(dst, all, needed) == 0);
    CHECK_EQ(flr_monitor_history(monitor, dst, 4, &needed), FLR_TRUNCATED);
    CHECK_EQ(needed, strlen(all));
    CHECK(memcmp(dst, "f 2\n", 4) == 0);
    CHECK_OK(flr_monitor_read(monitor, FLR_STREAM_STDOUT, 2, dst, sizeof dst, &span));
    CHECK_EQ(span.start, 2);
    CHECK_EQ(span.len, 8);
    CHECK_EQ(span.total, 10);
    CHECK(memcmp(dst, "t1\nout2\n", 8) == 0);
    CHECK_OK(flr_monitor_read(monitor, FLR_STREAM_ALL, 5, dst, 4, &span));
    CHECK(memcmp(dst, "err\n", 4) == 0);
    CHECK_EQ(flr_monitor_read(monitor, FLR_STREAM_STDERR, 5, dst, 4, &span), FLR_FUTURE);
    CHECK_EQ(span.total, 4);
    CHECK_OK(flr_monitor_get_stats(monitor, &stats));
    CHECK_EQ(stats.total, strlen(all));
    CHECK_EQ(stats.stdout_total, 10);
    CHECK_EQ(stats.stderr_total, 4);
    CHECK_EQ(stats.log_total, strlen(all) - 14);
    CHECK_EQ(stats.lines, 5);
    CHECK_EQ(stats.capacity, 1 << 20);
    CHECK(stats.last_write_ns > UINT64_C(1600000000000000000));
    CHECK_OK(flr_monitor_stop(monitor));
    CHECK_OK(flr_monitor_get_stats(monitor, &stats));
    CHECK_EQ(stats.allocated, 0);
    CHECK_EQ(stats.process_state, FLR_PROCESS_STATE_STOPPED);
    CHECK_EQ(stats.total, stats.oldest);
    /* Longer than the formatting buffer. */
    char text[2000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    CHECK_OK(FLR_MONITOR_LOG(monitor, FLR_LEVEL_ERROR, "%s", text));
    CHECK_OK(flr_monitor_history(monitor, text, sizeof text, &needed) == FLR_TRUNCATED ? FLR_OK : -1);
    CHECK_EQ(needed, 1999 + strlen("[ERROR] \n"));
    CHECK_OK(flr_monitor_close(monitor));
    CHECK_OK(flr_monitor_close(monitor));
    CHECK_EQ(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "x", 1), FLR_CLOSED);
    flr_monitor_release(monitor);
}

static int32_t picky_sink(void *user_data, int32_t stream, const void *data, size_t len) {
    (void)user_data;
    CHECK_EQ(stream, FLR_STREAM_STDERR);
    calls++;
    return len == 3 && memcmp(data, "bad", 3) == 0 ? ENOSPC : 0;
}

TEST(monitor_sinks_come_first) {
    flr_monitor_options options = FLR_MONITOR_OPTIONS_INIT;
    flr_monitor *first = NULL, *second = NULL;
    size_t needed = 0;
    int ended = 0;
    calls = 0;
    options.sink = FLR_SINK_CALLBACK;
    options.sink_callback = picky_sink;
    options.sink_user_data = &ended;
    options.sink_destroy = count_destroy;
    CHECK_OK(flr_monitor_create("second", &options, &second));
    options = (flr_monitor_options)FLR_MONITOR_OPTIONS_INIT;
    options.sink = FLR_SINK_MONITOR;
    options.sink_monitor = second;
    CHECK_OK(flr_monitor_create("first", &options, &first));
    CHECK_OK(flr_monitor_write(first, FLR_STREAM_STDERR, "good", 4));
    CHECK_EQ(flr_monitor_write(first, FLR_STREAM_STDERR, "bad", 3), FLR_IO);
    CHECK_EQ(flr_last_errno(), ENOSPC);
    CHECK_OK(flr_monitor_history(first, NULL, 0, &needed) == FLR_TRUNCATED ? FLR_OK : -1);
    CHECK_EQ(needed, 4);
    CHECK_EQ(calls, 2);
    flr_monitor_release(second);
    CHECK_EQ(ended, 0);
    flr_monitor_release(first);
    CHECK_EQ(ended, 1);

    /* The user data of options that are refused is ended, too. */
    options = (flr_monitor_options)FLR_MONITOR_OPTIONS_INIT;
    options.sink_user_data = &ended;
    options.sink_destroy = count_destroy;
    options.sink = FLR_SINK_CALLBACK;
    CHECK_EQ(flr_monitor_create("x", &options, &first), FLR_INVALID);
    CHECK_EQ(ended, 2);
    options.sink = 99;
    CHECK_EQ(flr_monitor_create("x", &options, &first), FLR_INVALID);
    CHECK_EQ(ended, 3);
    options.sink = FLR_SINK_FD;
    options.sink_fd = -1;
    CHECK_EQ(flr_monitor_create("x", &options, &first), FLR_INVALID);
    options.sink_fd = 1 << 20;
    CHECK_EQ(flr_monitor_create("x", &options, &first), FLR_IO);
    CHECK_EQ(ended, 5);
    CHECK(first == NULL);
}

/* In a process of its own, where the signal has its default action: to end it. */
TEST(a_sink_without_a_reader_is_a_status_and_no_signal) {
    pid_t child = fork();
    int status = 0;
    CHECK(child >= 0);
    if (child == 0) {
        flr_monitor_options options = FLR_MONITOR_OPTIONS_INIT;
        flr_monitor *monitor = NULL;
        sigset_t set;
        int ends[2];
        int right;
        signal(SIGPIPE, SIG_DFL);
        sigemptyset(&set);
        sigaddset(&set, SIGPIPE);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        right = pipe2(ends, O_CLOEXEC) == 0;
        options.sink = FLR_SINK_FD;
        options.sink_fd = ends[1];
        right = right && flr_monitor_create("broken", &options, &monitor) == FLR_OK;
        close(ends[0]);
        right = right && flr_monitor_write(monitor, FLR_STREAM_STDOUT, "x", 1) == FLR_IO;
        right = right && flr_last_errno() == EPIPE;
        /* And the signal is not only put off. */
        right = right && sigpending(&set) == 0 && !sigismember(&set, SIGPIPE);
        right = right && pthread_sigmask(SIG_BLOCK, NULL, &set) == 0 && !sigismember(&set, SIGPIPE);
        _exit(right ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

TEST(monitor_pumps_a_child_to_its_last_byte) {
    flr_hub *hub = NULL;
    flr_monitor *monitor = NULL;
    flr_monitor_stats stats = FLR_MONITOR_STATS_INIT;
    flr_replay_span span = FLR_REPLAY_SPAN_INIT;
    int out[2], err[2];
    char dst[64];
    CHECK_OK(flr_hub_create(&hub));
    CHECK_OK(flr_hub_open(hub, "child", NULL, &monitor));
    CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
    CHECK_EQ(pipe2(err, O_CLOEXEC), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(out[1], 1);
        dup2(err[1], 2);
        execl("/bin/sh", "sh", "-c", "printf out; printf err >&2; exit 3", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    close(err[1]);
    CHECK_OK(flr_monitor_attach_fd(monitor, FLR_STREAM_STDOUT, out[0]));
    CHECK_OK(flr_monitor_attach_fd(monitor, FLR_STREAM_STDERR, err[0]));
    CHECK_OK(flr_monitor_watch(monitor, (int32_t)child));
    close(out[0]);
    close(err[0]);
    CHECK_OK(flr_monitor_wait_finished(monitor, -1));
    CHECK_OK(flr_monitor_get_stats(monitor, &stats));
    CHECK_EQ(stats.process_state, FLR_PROCESS_STATE_EXITED);
    CHECK_EQ(stats.process_detail, 3);
    CHECK_EQ(stats.attached, 0);
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(WEXITSTATUS(status), 3);
    CHECK_OK(flr_monitor_read(monitor, FLR_STREAM_STDOUT, 0, dst, sizeof dst, &span));
    CHECK(span.len == 3 && memcmp(dst, "out", 3) == 0);
    CHECK_OK(flr_monitor_read(monitor, FLR_STREAM_STDERR, 0, dst, sizeof dst, &span));
    CHECK(span.len == 3 && memcmp(dst, "err", 3) == 0);
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK_EQ(flr_monitor_attach_fd(monitor, FLR_STREAM_STDOUT, file), FLR_UNSUPPORTED);
    close(file);
    flr_monitor_release(monitor);
    flr_hub_destroy(hub);
}

static void expect_line(flr_follower *follower, const char *text, uint32_t flags) {
    flr_event event = FLR_EVENT_INIT;
    CHECK_OK(flr_follower_next(follower, 10000, &event));
    CHECK_EQ(event.kind, FLR_EVENT_KIND_LINE);
    CHECK(event.len == strlen(text) && memcmp(event.data, text, event.len) == 0);
    CHECK_EQ(event.flags, flags);
}

TEST(the_next_run_goes_on_in_no_line) {
    flr_monitor *monitor = make(1000);
    flr_follower *lines = NULL, *chunks = NULL;
    flr_follower_options options = FLR_FOLLOWER_OPTIONS_INIT;
    flr_event event = FLR_EVENT_INIT;
    int run;
    options.by_line = 1;
    CHECK_OK(flr_monitor_follow(monitor, &options, &lines));
    CHECK_OK(flr_monitor_follow(monitor, NULL, &chunks));
    for (run = 0; run < 2; run++) {
        int out[2];
        CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
        CHECK_OK(flr_monitor_attach_fd(monitor, FLR_STREAM_STDOUT, out[0]));
        close(out[0]);
        CHECK_EQ(write(out[1], "a\nb", 3), 3);
        close(out[1]);
        CHECK_OK(flr_monitor_wait_finished(monitor, -1));
        CHECK_OK(flr_follower_next(chunks, -1, &event));
        CHECK_EQ(event.flags, FLR_CHUNK_FRESH);
    }
    for (run = 0; run < 2; run++) {
        expect_line(lines, "a", 0);
        expect_line(lines, "b", FLR_LINE_PARTIAL);
    }
    CHECK_OK(flr_monitor_stop(monitor));
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "who", 3));
    CHECK_EQ(flr_follower_next(lines, 20, &event), FLR_TIMEOUT);
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "le\n", 3));
    expect_line(lines, "whole", 0);
    flr_follower_destroy(chunks);
    flr_follower_destroy(lines);

    CHECK_OK(flr_monitor_close(monitor));
    CHECK_EQ(flr_monitor_attach_fd(monitor, FLR_STREAM_STDOUT, 0), FLR_CLOSED);
    flr_monitor_release(monitor);
}

TEST(follower_gives_chunks_gaps_and_lines) {
    flr_monitor *monitor = make(10);
    flr_follower *follower = NULL;
    flr_event event = FLR_EVENT_INIT;
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "0123456789", 10));
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDERR, "ab\n\x1b[1mc", 8));
    CHECK_OK(flr_monitor_follow(monitor, NULL, &follower));
    CHECK_OK(flr_follower_next(follower, 0, &event));
    CHECK_EQ(event.kind, FLR_EVENT_KIND_GAP);
    CHECK_EQ(event.skipped, 8);
    CHECK_OK(flr_follower_next(follower, 0, &event));
    CHECK_EQ(event.kind, FLR_EVENT_KIND_CHUNK);
    CHECK_EQ(event.stream, FLR_STREAM_STDOUT);
    CHECK(event.len == 2 && memcmp(event.data, "89", 2) == 0);
    CHECK_EQ(event.offset, 8);
    CHECK_OK(flr_follower_next(follower, 0, &event));
    CHECK_EQ(event.stream, FLR_STREAM_STDERR);
    CHECK_EQ(event.stream_offset, 0);
    CHECK_EQ(flr_follower_next(follower, 1, &event), FLR_TIMEOUT);
    flr_follower_destroy(follower);

    flr_follower_options options = FLR_FOLLOWER_OPTIONS_INIT;
    options.by_line = 1;
    options.strip_ansi = 1;
    options.last_lines = 2;
    CHECK_OK(flr_monitor_follow(monitor, &options, &follower));
    CHECK_OK(flr_monitor_close(monitor));
    CHECK_OK(flr_follower_next(follower, -1, &event));
    CHECK_EQ(event.kind, FLR_EVENT_KIND_LINE);
    CHECK(event.len == 2 && memcmp(event.data, "ab", 2) == 0);
    CHECK_EQ(event.flags, 0);
    CHECK_OK(flr_follower_next(follower, -1, &event));
    CHECK(event.len == 1 && memcmp(event.data, "c", 1) == 0);
    CHECK_EQ(event.flags, FLR_LINE_PARTIAL);
    CHECK_EQ(flr_follower_next(follower, -1, &event), FLR_END);
    flr_follower_destroy(follower);

    options = (flr_follower_options)FLR_FOLLOWER_OPTIONS_INIT;
    options.from_offset = 19;
    CHECK_EQ(flr_monitor_follow(monitor, &options, &follower), FLR_FUTURE);
    CHECK(follower == NULL);
    options.reserved = 1;
    CHECK_EQ(flr_monitor_follow(monitor, &options, &follower), FLR_INVALID);
    flr_monitor_release(monitor);
}

struct collected {
    pthread_mutex_t lock;
    char bytes[64];
    size_t len;
    int ends;
    int destroyed;
    flr_subscription *self;
};

static int32_t collect(void *user_data, const flr_event *event) {
    struct collected *to = user_data;
    CHECK_EQ(event->struct_size, sizeof *event);
    pthread_mutex_lock(&to->lock);
    if (event->kind == FLR_EVENT_KIND_CHUNK) {
        memcpy(to->bytes + to->len, event->data, event->len);
        to->len += event->len;
    }
    to->ends += event->kind == FLR_EVENT_KIND_END;
    pthread_mutex_unlock(&to->lock);
    return 0;
}

static int32_t end_self(void *user_data, const flr_event *event) {
    struct collected *to = user_data;
    (void)event;
    pthread_mutex_lock(&to->lock);
    to->ends++;
    flr_subscription_destroy(to->self);
    pthread_mutex_unlock(&to->lock);
    return 0;
}

static int32_t end_by_result(void *user_data, const flr_event *event) {
    struct collected *to = user_data;
    (void)event;
    __atomic_fetch_add(&to->ends, 1, __ATOMIC_SEQ_CST);
    return 1;
}

static void destroy_collected(void *user_data) {
    __atomic_fetch_add(&((struct collected *)user_data)->destroyed, 1, __ATOMIC_SEQ_CST);
}

static void wait_for_destroy(const struct collected *of) {
    while (__atomic_load_n(&of->destroyed, __ATOMIC_SEQ_CST) == 0) {
        usleep(100);
    }
}

TEST(subscription_has_no_seam_and_is_destroyed_once) {
    flr_monitor *monitor = make(0);
    struct collected to = {.lock = PTHREAD_MUTEX_INITIALIZER};
    flr_subscription *subscription = NULL;
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "history ", 8));
    CHECK_OK(flr_monitor_subscribe(monitor, FLR_FROM_OLDEST, collect, &to, destroy_collected, &subscription));
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "live", 4));
    CHECK_OK(flr_monitor_close(monitor));
    wait_for_destroy(&to);
    CHECK(to.len == 12 && memcmp(to.bytes, "history live", 12) == 0);
    CHECK_EQ(to.ends, 1);
    flr_subscription_destroy(subscription);
    CHECK_EQ(to.destroyed, 1);
    flr_monitor_release(monitor);
}

TEST(subscription_may_end_itself) {
    flr_monitor *monitor = make(0);
    struct collected to = {.lock = PTHREAD_MUTEX_INITIALIZER};
    flr_subscription *subscription = NULL;
    pthread_mutex_lock(&to.lock);
    CHECK_OK(flr_monitor_subscribe(monitor, FLR_FROM_NOW, end_self, &to, destroy_collected, &to.self));
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "a", 1));
    pthread_mutex_unlock(&to.lock);
    wait_for_destroy(&to);
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "b", 1));
    CHECK_EQ(to.ends, 1);

    struct collected other = {.lock = PTHREAD_MUTEX_INITIALIZER};
    CHECK_OK(flr_monitor_subscribe(monitor, 0, end_by_result, &other, destroy_collected, &subscription));
    wait_for_destroy(&other);
    CHECK_EQ(other.ends, 1);
    flr_subscription_destroy(subscription);
    CHECK_EQ(other.destroyed, 1);

    /* One that never got anything. */
    struct collected idle = {.lock = PTHREAD_MUTEX_INITIALIZER};
    CHECK_OK(flr_monitor_subscribe(monitor, FLR_FROM_NOW, collect, &idle, destroy_collected, &subscription));
    flr_subscription_destroy(subscription);
    CHECK_EQ(idle.destroyed, 1);
    CHECK_EQ(idle.len, 0);
    flr_monitor_release(monitor);
}

TEST(monitor_misuse_is_a_status) {
    flr_hub *hub = NULL;
    flr_monitor *monitor = NULL;
    flr_follower *follower = NULL;
    flr_subscription *subscription = NULL;
    flr_monitor_stats stats = FLR_MONITOR_STATS_INIT;
    flr_replay_span span = FLR_REPLAY_SPAN_INIT;
    flr_event event = FLR_EVENT_INIT;
    flr_monitor_options options = FLR_MONITOR_OPTIONS_INIT;
    char dst[8];
    size_t needed = 0;
    CHECK_EQ(flr_hub_create(NULL), FLR_INVALID);
    CHECK_EQ(flr_hub_open(NULL, "x", NULL, &monitor), FLR_INVALID);
    CHECK_EQ(flr_hub_find(NULL, "x", &monitor), FLR_INVALID);
    CHECK_EQ(flr_hub_remove(NULL, "x"), FLR_INVALID);
    CHECK_EQ(flr_hub_list(NULL, NULL, 0, &needed), FLR_INVALID);
    CHECK_OK(flr_hub_create(&hub));
    CHECK_EQ(flr_hub_open(hub, "x", NULL, NULL), FLR_INVALID);
    CHECK_EQ(flr_hub_open(hub, NULL, NULL, &monitor), FLR_INVALID);
    CHECK_EQ(flr_hub_open(hub, "", NULL, &monitor), FLR_INVALID);
    CHECK_EQ(flr_hub_open(hub, "\xff", NULL, &monitor), FLR_INVALID);
    CHECK_EQ(flr_hub_list(hub, NULL, 0, NULL), FLR_INVALID);
    CHECK_EQ(flr_hub_list(hub, NULL, 8, &needed), FLR_INVALID);
    options.capacity = UINT64_MAX;
    CHECK_EQ(flr_hub_open(hub, "x", &options, &monitor), FLR_TOO_LARGE);
    options.capacity = 0;
    options.level = 7;
    CHECK_EQ(flr_hub_open(hub, "x", &options, &monitor), FLR_INVALID);
    options.level = 0;
    options.struct_size = 0;
    CHECK_EQ(flr_hub_open(hub, "x", &options, &monitor), FLR_INVALID);
    CHECK(monitor == NULL);
    flr_hub_destroy(hub);
    flr_hub_destroy(NULL);

    CHECK(flr_monitor_name(NULL) == NULL);
    CHECK_EQ(flr_monitor_create("x", NULL, NULL), FLR_INVALID);
    CHECK_EQ(flr_monitor_write(NULL, FLR_STREAM_STDOUT, "x", 1), FLR_INVALID);
    CHECK_EQ(flr_monitor_log(NULL, FLR_LEVEL_INFO, "x", 1), FLR_INVALID);
    CHECK_EQ(flr_monitor_enabled(NULL, FLR_LEVEL_INFO), 1);
    CHECK_EQ(flr_monitor_set_level(NULL, FLR_LEVEL_INFO), FLR_INVALID);
    CHECK_EQ(flr_monitor_attach_fd(NULL, FLR_STREAM_STDOUT, 0), FLR_INVALID);
    CHECK_EQ(flr_monitor_watch(NULL, 1), FLR_INVALID);
    CHECK_EQ(flr_monitor_wait_finished(NULL, 0), FLR_INVALID);
    CHECK_EQ(flr_monitor_history(NULL, NULL, 0, &needed), FLR_INVALID);
    CHECK_EQ(flr_monitor_read(NULL, FLR_STREAM_ALL, 0, NULL, 0, &span), FLR_INVALID);
    CHECK_EQ(flr_monitor_stop(NULL), FLR_INVALID);
    CHECK_EQ(flr_monitor_close(NULL), FLR_INVALID);
    CHECK_EQ(flr_monitor_get_stats(NULL, &stats), FLR_INVALID);
    CHECK_EQ(flr_monitor_follow(NULL, NULL, &follower), FLR_INVALID);
    CHECK_EQ(flr_follower_next(NULL, 0, &event), FLR_INVALID);
    flr_monitor_release(NULL);
    flr_follower_destroy(NULL);
    flr_subscription_destroy(NULL);

    monitor = make(16);
    CHECK_EQ(flr_monitor_write(monitor, FLR_STREAM_ALL, "x", 1), FLR_INVALID);
    CHECK_EQ(flr_monitor_write(monitor, 4, "x", 1), FLR_INVALID);
    CHECK_EQ(flr_monitor_write(monitor, -1, "x", 1), FLR_INVALID);
    CHECK_EQ(flr_monitor_write(monitor, FLR_STREAM_STDOUT, NULL, 1), FLR_INVALID);
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDOUT, NULL, 0));
    CHECK_EQ(flr_monitor_log(monitor, 0, "x", 1), FLR_INVALID);
    CHECK_EQ(flr_monitor_log(monitor, 7, "x", 1), FLR_INVALID);
    CHECK_EQ(flr_monitor_attach_fd(monitor, FLR_STREAM_STDOUT, -1), FLR_INVALID);
    CHECK_EQ(flr_monitor_watch(monitor, 0), FLR_INVALID);
    CHECK_EQ(flr_monitor_watch(monitor, -1), FLR_INVALID);
    CHECK_EQ(flr_monitor_history(monitor, NULL, 0, NULL), FLR_INVALID);
    CHECK_EQ(flr_monitor_history(monitor, NULL, 1, &needed), FLR_INVALID);
    CHECK_EQ(flr_monitor_read(monitor, 9, 0, dst, 8, &span), FLR_INVALID);
    CHECK_EQ(flr_monitor_read(monitor, FLR_STREAM_ALL, 0, dst, 8, NULL), FLR_INVALID);
    CHECK_EQ(flr_monitor_get_stats(monitor, NULL), FLR_INVALID);
    CHECK_EQ(flr_monitor_follow(monitor, NULL, NULL), FLR_INVALID);
    destroyed = 0;
    CHECK_EQ(flr_monitor_subscribe(monitor, 0, NULL, &destroyed, count_destroy, &subscription), FLR_INVALID);
    CHECK_EQ(flr_monitor_subscribe(monitor, 0, collect, &destroyed, count_destroy, NULL), FLR_INVALID);
    CHECK_EQ(flr_monitor_subscribe(NULL, 0, collect, &destroyed, count_destroy, &subscription), FLR_INVALID);
    CHECK_EQ(flr_monitor_subscribe(monitor, 5, collect, &destroyed, count_destroy, &subscription), FLR_FUTURE);
    CHECK_EQ(destroyed, 4);
    CHECK_OK(flr_monitor_follow(monitor, NULL, &follower));
    CHECK_EQ(flr_follower_next(follower, 0, NULL), FLR_INVALID);
    flr_follower_destroy(follower);
    flr_monitor_release(monitor);
    CHECK_EQ(flr_strip_ansi("\x1b[31mred\x1b[0m", 12, dst, sizeof dst, &needed), FLR_OK);
    CHECK(needed == 3 && memcmp(dst, "red", 3) == 0);
    CHECK_EQ(flr_strip_ansi("abc", 3, dst, 2, &needed), FLR_TRUNCATED);
    CHECK_EQ(flr_strip_ansi(NULL, 1, dst, 2, &needed), FLR_INVALID);
}

TEST(monitor_of_the_parent_is_refused_in_a_forked_child) {
    flr_hub *hub = NULL;
    flr_monitor *monitor = NULL;
    flr_follower *follower = NULL;
    flr_subscription *subscription = NULL;
    struct collected to = {.lock = PTHREAD_MUTEX_INITIALIZER};
    CHECK_OK(flr_hub_create(&hub));
    CHECK_OK(flr_hub_open(hub, "m", NULL, &monitor));
    CHECK_OK(flr_monitor_follow(monitor, NULL, &follower));
    CHECK_OK(flr_monitor_subscribe(monitor, 0, collect, &to, destroy_collected, &subscription));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        flr_event event = FLR_EVENT_INIT;
        CHECK_EQ(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "x", 1), FLR_FORKED);
        CHECK_EQ(flr_hub_remove(hub, "m"), FLR_FORKED);
        CHECK_EQ(flr_follower_next(follower, -1, &event), FLR_FORKED);
        flr_subscription_destroy(subscription);
        flr_follower_destroy(follower);
        flr_monitor_release(monitor);
        flr_hub_destroy(hub);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    flr_subscription_destroy(subscription);
    flr_follower_destroy(follower);
    flr_monitor_release(monitor);
    flr_hub_destroy(hub);
    CHECK_EQ(to.destroyed, 1);
}
