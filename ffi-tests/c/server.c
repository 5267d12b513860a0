#include "check.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static int connected(uint16_t port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {.tv_sec = 30};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    return connect(fd, (struct sockaddr *)&to, sizeof to) == 0 ? fd : (close(fd), -1);
}

static int ask(uint16_t port, const char *target, const char *fields) {
    char request[512];
    int fd = connected(port);
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n",
                       target, fields);
    CHECK(fd >= 0);
    CHECK(write(fd, request, (size_t)len) == len);
    return fd;
}

/* Everything that comes until the server closes, or until it holds `until`. */
static void answer(int fd, const char *until, char *all, size_t cap) {
    size_t len = 0;
    for (;;) {
        ssize_t got = read(fd, all + len, cap - 1 - len);
        CHECK(got >= 0);
        len += (size_t)got;
        all[len] = '\0';
        if (got == 0 || len == cap - 1 || (until != NULL && strstr(all, until) != NULL)) {
            return;
        }
    }
}

TEST(server_shows_the_monitors_of_a_hub) {
    flr_server_options options = FLR_SERVER_OPTIONS_INIT;
    flr_server_stats stats = FLR_SERVER_STATS_INIT;
    flr_server *server = NULL;
    flr_monitor *monitor = NULL;
    flr_hub *hub = NULL;
    uint16_t port = 0;
    char all[8192], url[64], expected[64];
    size_t needed = 0;
    CHECK_OK(flr_hub_create(&hub));
    CHECK_OK(flr_hub_open(hub, "child/1", NULL, &monitor));
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "hello\n", 6));
    options.hub = hub;
    options.threads = 1;
    CHECK_OK(flr_server_start(&options, &server));
    CHECK_OK(flr_server_port(server, &port));
    CHECK(port != 0);
    snprintf(expected, sizeof expected, "http://127.0.0.1:%u/", (unsigned)port);
    CHECK_EQ(flr_server_url(server, url, 5, &needed), FLR_TRUNCATED);
    CHECK_EQ(needed, strlen(expected) + 1);
    CHECK_OK(flr_server_url(server, url, sizeof url, &needed));
    CHECK(strcmp(url, expected) == 0);

    int fd = ask(port, "/logs", "");
    answer(fd, NULL, all, sizeof all);
    close(fd);
    CHECK(strstr(all, "HTTP/1.1 200 OK\r\n") == all);
    CHECK(strstr(all, "hello\n") != NULL);

    int follower = ask(port, "/logs/stream/child/1?no-history", "");
    answer(follower, "\r\n\r\n", all, sizeof all);
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDERR, "live\n", 5));
    answer(follower, "live\n", all, sizeof all);
    CHECK(strstr(all, "hello") == NULL);

    CHECK_OK(flr_server_get_stats(server, &stats));
    CHECK_EQ(stats.port, port);
    CHECK_EQ(stats.accepted, 2);
    CHECK_EQ(stats.requests, 2);
    /* The server keeps what it shows. */
    flr_hub_destroy(hub);
    CHECK_OK(flr_monitor_write(monitor, FLR_STREAM_STDOUT, "last\n", 5));
    CHECK_OK(flr_server_stop(server));
    CHECK_OK(flr_server_stop(server));
    answer(follower, NULL, all, sizeof all);
    CHECK(strstr(all, "last\n") != NULL);
    close(follower);
    CHECK_EQ(connected(port), -1);
    CHECK_OK(flr_server_get_stats(server, &stats));
    CHECK_EQ(stats.active, 0);
    flr_server_destroy(server);
    flr_monitor_release(monitor);
}

TEST(server_takes_otlp_for_a_recorder) {
    static const char body[] = "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"from outside\"}]}]}]}";
    flr_server_options options = FLR_SERVER_OPTIONS_INIT;
    flr_recorder *recorder = NULL;
    flr_server *server = NULL;
    uint16_t port = 0;
    char all[8192], request[512];
    CHECK_OK(flr_recorder_create(NULL, &recorder));
    options.recorder = recorder;
    CHECK_OK(flr_server_start(&options, &server));
    CHECK_OK(flr_server_port(server, &port));
    int fd = connected(port);
    int len = snprintf(request, sizeof request,
                       "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                       "Content-Type: application/json\r\nContent-Length: %u\r\n\r\n%s",
                       (unsigned)strlen(body), body);
    CHECK(write(fd, request, (size_t)len) == len);
    answer(fd, NULL, all, sizeof all);
    close(fd);
    CHECK(strstr(all, "HTTP/1.1 200 ") == all);
    fd = ask(port, "/api/traces?name=from%20outside", "");
    answer(fd, NULL, all, sizeof all);
    close(fd);
    CHECK(strstr(all, "\"service\":\"unknown\"") != NULL);
    flr_recorder_destroy(recorder);
    flr_server_destroy(server);
}

TEST(server_shows_loggers_until_they_are_destroyed) {
    char folder[] = "/tmp/flr-server-XXXXXX", path[64], all[65536];
    flr_logger_options log = FLR_LOGGER_OPTIONS_INIT;
    flr_logger *logger = NULL;
    flr_server *server = NULL;
    uint16_t port = 0;
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/service.log", folder);
    log.path = path;
    log.kind = FLR_RECORD_KIND_EVENT;
    log.buffer_size = 1 << 20;
    log.shards = 2;
    CHECK_OK(flr_logger_open(&log, &logger));
    CHECK_OK(flr_server_start(NULL, &server));
    CHECK_OK(flr_server_port(server, &port));
    CHECK_EQ(flr_server_add_logger(server, NULL, logger), FLR_INVALID);
    CHECK_EQ(flr_server_add_logger(server, "", logger), FLR_INVALID);
    CHECK_EQ(flr_server_add_logger(server, "\xff", logger), FLR_INVALID);
    CHECK_EQ(flr_server_add_logger(server, "x", NULL), FLR_INVALID);
    CHECK_EQ(flr_server_add_logger(NULL, "x", logger), FLR_INVALID);
    CHECK_EQ(flr_server_remove_logger(server, "service"), FLR_NOT_FOUND);
    CHECK_EQ(flr_server_remove_logger(server, NULL), FLR_INVALID);
    CHECK_OK(flr_server_add_logger(server, "service", logger));
    CHECK_OK(flr_server_add_logger(server, "ser\"vice", logger));
    CHECK_OK(flr_server_remove_logger(server, "ser\"vice"));

    CHECK_OK(flr_logger_log(logger, FLR_LEVEL_WARN, "<b>disk</b> is nearly full", 26));
    CHECK_OK(flr_logger_flush(logger, 30000));
    int fd = ask(port, "/api/loggers", "");
    answer(fd, NULL, all, sizeof all);
    close(fd);
    CHECK(strstr(all, "HTTP/1.1 200 ") == all);
    CHECK(strstr(all, "\"name\":\"service\"") != NULL);
    CHECK(strstr(all, path) != NULL);
    CHECK(strstr(all, "\"accepted\":1,") != NULL);
    CHECK(strstr(all, "ser\\\"vice") == NULL);
    fd = ask(port, "/api/loggers/records?logger=service&most=5", "");
    answer(fd, NULL, all, sizeof all);
    close(fd);
    CHECK(strstr(all, "<b>disk</b> is nearly full") != NULL);
    CHECK(strstr(all, "\"level\":\"WARN\"") != NULL);
    fd = ask(port, "/api/monitors", "");
    answer(fd, NULL, all, sizeof all);
    close(fd);
    CHECK(strstr(all, "\"loggers\":true") != NULL);

    /* The server does not keep it open: the log can be opened again at once. */
    flr_logger_destroy(logger);
    CHECK_OK(flr_logger_open(&log, &logger));
    fd = ask(port, "/api/loggers", "");
    answer(fd, NULL, all, sizeof all);
    close(fd);
    CHECK(strstr(all, "{\"loggers\":[]}") != NULL);
    flr_logger_destroy(logger);
    flr_server_destroy(server);
    CHECK(unlink(path) == 0);
    CHECK(rmdir(folder) == 0);
}

TEST(server_asks_for_a_token) {
    flr_server_options options = FLR_SERVER_OPTIONS_INIT;
    flr_server *server = NULL;
    uint16_t port = 0;
    char all[4096];
    options.token = "0123456789abcdef";
    CHECK_OK(flr_server_start(&options, &server));
    CHECK_OK(flr_server_port(server, &port));
    int fd = ask(port, "/api/monitors", "");
    answer(fd, NULL, all, sizeof all);
    close(fd);
    CHECK(strstr(all, "HTTP/1.1 401 ") == all);
    fd = ask(port, "/api/monitors", "Authorization: Bearer 0123456789abcdef\r\n");
    answer(fd, NULL, all, sizeof all);
    close(fd);
    CHECK(strstr(all, "HTTP/1.1 200 ") == all);
    flr_server_destroy(server);
}

TEST(server_refuses_what_makes_no_sense) {
    flr_server_options options = FLR_SERVER_OPTIONS_INIT;
    flr_server *server = NULL, *other = NULL;
    char url[64];
    uint16_t port = 0;
    size_t needed = 0;
    CHECK_EQ(flr_server_start(NULL, NULL), FLR_INVALID);
    options.address = "0.0.0.0:0";
    server = (flr_server *)url;
    CHECK_EQ(flr_server_start(&options, &server), FLR_INVALID);
    CHECK(server == NULL);
    CHECK(strstr(flr_last_error(), "token") != NULL);
    options.address = "localhost";
    CHECK_EQ(flr_server_start(&options, &server), FLR_INVALID);
    options.address = NULL;
    options.threads = 17;
    CHECK_EQ(flr_server_start(&options, &server), FLR_INVALID);
    options.threads = 0;
    options.token = "short";
    CHECK_EQ(flr_server_start(&options, &server), FLR_INVALID);
    options.token = "\xff";
    CHECK_EQ(flr_server_start(&options, &server), FLR_INVALID);
    CHECK_OK(flr_server_start(NULL, &server));
    CHECK_OK(flr_server_url(server, url, sizeof url, &needed));
    url[strlen(url) - 1] = '\0';
    options.token = NULL;
    options.address = url + strlen("http://");
    CHECK_EQ(flr_server_start(&options, &other), FLR_IO);
    CHECK_EQ(flr_last_errno(), EADDRINUSE);
    CHECK_EQ(flr_server_port(server, NULL), FLR_INVALID);
    CHECK_EQ(flr_server_port(NULL, &port), FLR_INVALID);
    CHECK_EQ(flr_server_get_stats(server, NULL), FLR_INVALID);
    CHECK_EQ(flr_server_url(server, NULL, 8, &needed), FLR_INVALID);
    CHECK_EQ(flr_server_stop(NULL), FLR_INVALID);
    flr_server_destroy(server);
    flr_server_destroy(NULL);
}

TEST(server_of_the_parent_is_refused_in_a_forked_child) {
    flr_server *server = NULL;
    uint16_t port = 0;
    char all[4096];
    CHECK_OK(flr_server_start(NULL, &server));
    CHECK_OK(flr_server_port(server, &port));
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        CHECK_EQ(flr_server_stop(server), FLR_FORKED);
        flr_server_destroy(server);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQ(status, 0);
    int fd = ask(port, "/nothing", "");
    answer(fd, NULL, all, sizeof all);
    close(fd);
    CHECK(strstr(all, "HTTP/1.1 404 ") == all);
    flr_server_destroy(server);
}
