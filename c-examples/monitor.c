/* Watches a child process: its output goes into a monitor, line by line with stream and time, to its last byte.

     monitor [COMMAND [ARGUMENT ...]]                                                                                  */
#define _GNU_SOURCE
#include <flightring/flightring.h>

#include <fcntl.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void must(flr_status status) {
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", flr_status_text(status), flr_last_error());
        exit(1);
    }
}

/* Starts a command whose standard output and error are read into the monitor. */
static pid_t start(flr_monitor *monitor, char **argv) {
    int out[2], err[2];
    pid_t pid = 0;
    posix_spawn_file_actions_t actions;
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
        perror("pipe");
        exit(1);
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    if (posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) != 0) {
        perror(argv[0]);
        exit(1);
    }
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    close(err[1]);
    must(flr_monitor_attach_fd(monitor, FLR_STREAM_STDOUT, out[0]));
    must(flr_monitor_attach_fd(monitor, FLR_STREAM_STDERR, err[0]));
    must(flr_monitor_watch(monitor, (int32_t)pid));
    close(out[0]); /* the monitor has duplicates */
    close(err[0]);
    return pid;
}

int main(int argc, char **argv) {
    char *sample[] = {"sh", "-c", "echo working; echo trouble >&2; printf 'no line feed'; exit 3", NULL};
    flr_hub *hub = NULL;
    flr_monitor *monitor = NULL;
    must(flr_hub_create(&hub));
    must(flr_hub_open(hub, "child", NULL, &monitor));

    pid_t pid = start(monitor, argc > 1 ? argv + 1 : sample);
    must(FLR_MONITOR_LOG(monitor, FLR_LEVEL_INFO, "started as process %d", (int)pid));
    must(flr_monitor_wait_finished(monitor, -1));
    waitpid(pid, NULL, 0);
    must(flr_monitor_close(monitor));

    flr_follower_options options = FLR_FOLLOWER_OPTIONS_INIT;
    flr_follower *lines = NULL;
    flr_event line = FLR_EVENT_INIT;
    const char *names[] = {"", "out", "err", "log"};
    options.by_line = 1;
    must(flr_monitor_follow(monitor, &options, &lines));
    while (flr_follower_next(lines, -1, &line) == FLR_OK) {
        if (line.kind == FLR_EVENT_KIND_GAP) {
            printf("      (%" PRIu64 " bytes skipped)\n", line.skipped);
        } else {
            printf("%3s | %.*s%s\n", names[line.stream], (int)line.len, (const char *)line.data,
                   line.flags & FLR_LINE_PARTIAL ? " (partial)" : "");
        }
    }
    flr_follower_destroy(lines);

    flr_monitor_stats stats = FLR_MONITOR_STATS_INIT;
    must(flr_monitor_get_stats(monitor, &stats));
    printf("%" PRIu64 " bytes, %" PRIu64 " line feeds; the process %s %d\n", stats.total, stats.lines,
           stats.process_state == FLR_PROCESS_STATE_EXITED ? "exited with" : "ended by signal",
           (int)stats.process_detail);
    flr_monitor_release(monitor);
    flr_hub_destroy(hub);
    return 0;
}
