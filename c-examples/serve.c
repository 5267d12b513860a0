/* Shows what a program writes on a live page: monitors of a hub, over HTTP.

     serve [SECONDS [ADDRESS]]

   Open the address that it prints, or follow with  curl -N http://127.0.0.1:PORT/logs/stream                          */
#define _GNU_SOURCE
#include <flightring/flightring.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void must(flr_status status) {
    if (status < 0) {
        fprintf(stderr, "%s: %s\n", flr_status_text(status), flr_last_error());
        exit(1);
    }
}

int main(int argc, char **argv) {
    int seconds = argc > 1 ? atoi(argv[1]) : 60;
    flr_hub *hub = NULL;
    flr_monitor *web = NULL, *worker = NULL;
    flr_server *server = NULL;
    char url[128];
    size_t needed = 0;

    must(flr_hub_create(&hub));
    must(flr_hub_open(hub, "web", NULL, &web));
    must(flr_hub_open(hub, "jobs/worker", NULL, &worker));

    flr_server_options options = FLR_SERVER_OPTIONS_INIT;
    options.address = argc > 2 ? argv[2] : "127.0.0.1:0";
    options.hub = hub;
    must(flr_server_start(&options, &server));
    must(flr_server_url(server, url, sizeof url, &needed));
    printf("%s\n", url);
    fflush(stdout);

    for (int i = 0; i < seconds * 10; i++) {
        must(FLR_MONITOR_LOG(web, FLR_LEVEL_INFO, "request %d served", i));
        if (i % 10 == 0) {
            must(FLR_MONITOR_LOG(worker, FLR_LEVEL_WARN, "queue is %d jobs long", i / 10));
        }
        usleep(100000);
    }

    flr_server_stats stats = FLR_SERVER_STATS_INIT;
    must(flr_server_stop(server)); /* clients get the last lines */
    must(flr_server_get_stats(server, &stats));
    printf("%llu requests on %llu connections\n", (unsigned long long)stats.requests,
           (unsigned long long)stats.accepted);
    flr_server_destroy(server);
    flr_monitor_release(worker);
    flr_monitor_release(web);
    flr_hub_destroy(hub);
    return 0;
}
